"""Read the rows of a Parquet file within a limit of bytes, whatever the file says about its sizes.

Rows may share a value: a file of 3 kB can hold 512 rows of 16 MB each, and decoding a batch of rows would take 8 GB. So
strings and bytes are read as dictionaries, in which a shared value lies once. The sizes of the rows are known from that
before they are decoded, as many at a time as the limit allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from classifiers.kernels.arrays import Int64s


class BoundedRows:
    """Reads row groups of an open file. `schema` is that of its rows."""

    def __init__(self, file: Any, buffer_size: int, most_bytes: int) -> None:
        plain = pq.ParquetFile(file, page_checksum_verification=True)
        self.schema: pa.Schema = plain.schema_arrow
        self.groups: int = plain.num_row_groups
        self._most = most_bytes
        self._file = pq.ParquetFile(
            file,
            metadata=plain.metadata,
            buffer_size=buffer_size,
            page_checksum_verification=True,
            read_dictionary=_strings(plain.metadata.schema, self.schema),
        )

    def tables(self, group: int, rows: int, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The group's rows in order, at most `rows` and about the limit's bytes at a time (at least one row)."""
        for batch in self._file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False):
            start = 0
            for end in _ends(_sizes(batch), self._most):
                yield pa.table(
                    [_decoded(column.slice(start, end - start), self._type(at, batch.schema, columns))
                     for at, column in enumerate(batch.columns)],
                    names=batch.schema.names,
                )  # fmt: skip
                start = end

    def _type(self, at: int, read: pa.Schema, columns: list[str] | None) -> pa.DataType:
        """Names may occur twice where all columns are read, so there it is the place that counts."""
        return self.schema.field(at if columns is None else read.names[at]).type


def _strings(columns: pq.ParquetSchema, schema: pa.Schema) -> list[str]:
    """The paths of the columns that are read as dictionaries and that `_decoded` can decode: strings and bytes, also
    in lists. What is a dictionary for its writer stays one.
    """
    paths = [columns.column(at) for at in range(len(columns))]
    listed = {field.name for field in schema if _is_text(_innermost(field.type))}
    return [c.path for c in paths if c.physical_type == "BYTE_ARRAY" and c.path.partition(".")[0] in listed]


def _innermost(given: pa.DataType) -> pa.DataType:
    while pa.types.is_list(given) or pa.types.is_large_list(given):
        given = given.value_type
    return given


def _is_text(given: pa.DataType) -> bool:
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(given) for test in is_text)


def _sizes(batch: pa.RecordBatch) -> Int64s:
    """The bytes of each row in its columns of strings; what is in lists counts for 0."""
    total = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            lengths = pc.binary_length(column.dictionary).fill_null(0)
            total += pc.fill_null(lengths.take(column.indices), 0).to_numpy(zero_copy_only=False)
    return total


def _ends(sizes: Int64s, most: int) -> Iterator[int]:
    """Where each part ends that has at most `most` bytes, or a single row."""
    ends, start = np.cumsum(sizes), 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        start = max(start + 1, int(np.searchsorted(ends, before + most, "right")))
        yield start


def _decoded(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if column.type == wanted:
        return column
    if pa.types.is_dictionary(column.type):
        indices = column.indices
        each = len(column.dictionary) == len(column) and indices.null_count == 0
        if each and (indices.to_numpy() == np.arange(len(column))).all():  # no value is shared: nothing to copy
            column = column.dictionary
    return column if column.type == wanted else pc.cast(column, wanted)

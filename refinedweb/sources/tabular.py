"""Read Parquet: one row for each row of the input, by row groups and batches of bounded size (see `bounded`).

A row group that cannot be read becomes a `Damage` that says which rows are lost; the others are read. A file without a
readable footer is a ShardError: nothing says what it holds. `offset` is the row's number in the file, `length` is null.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.sources.base import Damage, Part, SourceOptions, SourceReport
from refinedweb.sources.bounded import BoundedRows
from refinedweb.sources.columns import Mapping, match_columns, to_documents
from stages.errors import ShardError

_ERRORS = (pa.ArrowException, OSError, ValueError)
# Row groups of more than 256 MiB are read through buffers of 8 MiB, smaller ones a column at a time (fewer, longer
# reads).
_BUFFER = 8 << 20
_LARGE_GROUP = 256 << 20


class ParquetRows:
    """The rows of one Parquet file. Reading them fills `report`."""

    def __init__(
        self, file: BinaryIO, key: str, options: SourceOptions, report: SourceReport, part: Part | None = None
    ) -> None:
        self._file = _Counted(file, report)
        self._part = part
        self._key = key
        self._options = options
        self._report = report
        report.kind = "Parquet"

    def documents_schema(self) -> pa.Schema:
        """The columns of the tables, for which only the footer is read."""
        schema = self._footer()[1]
        mapping = match_columns(schema, self._key, self._options)
        return to_documents(schema.empty_table(), mapping, self._key, 0, self._options, SourceReport()).schema

    def batches(self) -> Iterator[pa.Table]:
        """Tables of the document schema and the input's other columns; one empty table if it has no rows.

        Raises ShardError if it has no readable footer, or neither html nor text.
        """
        metadata, schema = self._footer()
        mapping = match_columns(schema, self._key, self._options)
        if metadata.num_rows == 0:
            yield to_documents(schema.empty_table(), mapping, self._key, 0, self._options, self._report)
        first_row = 0
        groups = range(metadata.num_row_groups) if self._part is None else range(self._part.start, self._part.end)
        for group in range(metadata.num_row_groups):
            if group in groups:
                yield from self._group(metadata, group, first_row, mapping)
            first_row += metadata.row_group(group).num_rows

    def schema(self) -> pa.Schema:
        """The columns of the file. Raises ShardError if it has no readable footer."""
        return self._footer()[1]

    def _footer(self) -> tuple[pq.FileMetaData, pa.Schema]:
        try:
            metadata = pq.read_metadata(self._file)
            return metadata, metadata.schema.to_arrow_schema()
        except _ERRORS as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's words, not Parquet's: they may pass
            raise ShardError(
                f"{self._key}: no readable Parquet footer ({error}): the file was cut or never finished; write it again"
            ) from error

    def _group(self, metadata: pq.FileMetaData, group: int, first_row: int, mapping: Mapping) -> Iterator[pa.Table]:
        about = metadata.row_group(group)
        done = 0
        try:
            parquet = self._open(about.total_byte_size)
            self._file.lowest = sys.maxsize
            for given in parquet.tables(group, self._batch_rows(about)):
                docs = to_documents(given, mapping, self._key, first_row + done, self._options, self._report)
                done += docs.num_rows
                self._report.records += docs.num_rows
                self._report.rows += docs.num_rows
                yield docs
        except _ERRORS as error:
            lost = f"rows {first_row + done} to {first_row + about.num_rows - 1} of row group {group} are lost: {error}"
            self._report.damage.append(Damage(self._file.place(), lost))

    def _open(self, group_bytes: int) -> BoundedRows:
        buffer = _BUFFER if group_bytes > _LARGE_GROUP else 0
        return BoundedRows(self._file, buffer, self._options.batch_bytes)

    def _batch_rows(self, about: pq.RowGroupMetaData) -> int:
        """How many rows of average size fill a batch."""
        average = about.total_byte_size // max(1, about.num_rows) + 1
        return int(max(1, min(self._options.batch_rows, self._options.batch_bytes // average)))


class _Counted:
    """A file as pyarrow expects one. It counts the bytes read in the report, and stays open.

    `lowest` is the lowest place read since it was last set, which is where a row group begins. (The metadata has that
    too, but reading a column of damaged metadata aborts the process: pyarrow 26 lets the C++ exception through.)
    """

    closed = False
    lowest = sys.maxsize

    def __init__(self, file: BinaryIO, report: SourceReport) -> None:
        self._file = file
        self._report = report

    def place(self) -> int:
        """Where the row group begins that was read last."""
        return 0 if self.lowest == sys.maxsize else self.lowest

    def read(self, size: int = -1) -> bytes:
        self.lowest = min(self.lowest, self._file.tell())
        data = self._file.read(size)
        self._report.bytes_read += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        """Does nothing: nothing is written."""

    def close(self) -> None:
        """Does nothing: the file belongs to the caller."""

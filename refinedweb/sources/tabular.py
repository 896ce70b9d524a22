"""Read Parquet: one row for each row of the input, by row groups and batches of bounded size (see `bounded`).

A row group that cannot be read becomes a `Damage` that says which rows are lost; the others are read. A file without a
readable footer is a ShardError: nothing says what it holds. `offset` is the row's number in the file, `length` is null.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from refinedweb.sources.base import Damage, Part, SourceOptions, SourceReport
from refinedweb.sources.bounded import BoundedRows, TooLarge
from refinedweb.sources.columns import Mapping, match_columns, to_documents
from refinedweb.sources.parquet_pages import RowGroup
from stages.errors import ShardError

_ERRORS = (pa.ArrowException, OSError, ValueError, TooLarge)


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
        schema = self._open().schema
        mapping = match_columns(schema, self._key, self._options)
        return to_documents(schema.empty_table(), mapping, self._key, 0, self._options, SourceReport()).schema

    def batches(self) -> Iterator[pa.Table]:
        """Tables of the document schema and the input's other columns; one empty table if it has no rows.

        Raises ShardError if it has no readable footer, or neither html nor text.
        """
        parquet = self._open()
        mapping = match_columns(parquet.schema, self._key, self._options)
        if parquet.metadata.num_rows == 0:
            yield to_documents(parquet.schema.empty_table(), mapping, self._key, 0, self._options, self._report)
        first_row = 0
        chosen = range(len(parquet.groups)) if self._part is None else range(self._part.start, self._part.end)
        for group, about in enumerate(parquet.groups):
            if group in chosen:
                yield from self._group(parquet, group, first_row, mapping)
            first_row += about.rows

    def schema(self) -> pa.Schema:
        """The columns of the file. Raises ShardError if it has no readable footer."""
        return self._open().schema

    def _open(self) -> BoundedRows:
        try:
            return BoundedRows(self._file, self._options.batch_bytes)
        except _ERRORS as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's words, not Parquet's: they may pass
            raise ShardError(
                f"{self._key}: no readable Parquet footer ({error}): the file was cut or never finished; write it again"
            ) from error

    def _group(self, parquet: BoundedRows, group: int, first_row: int, mapping: Mapping) -> Iterator[pa.Table]:
        about = parquet.groups[group]
        done = 0
        try:
            for given in parquet.tables(group, self._batch_rows(about)):
                docs = to_documents(given, mapping, self._key, first_row + done, self._options, self._report)
                done += docs.num_rows
                self._report.records += docs.num_rows
                self._report.rows += docs.num_rows
                yield docs
        except _ERRORS as error:
            lost = f"rows {first_row + done} to {first_row + about.rows - 1} of row group {group} are lost: {error}"
            place = min((chunk.start for chunk in about.chunks), default=0)
            self._report.damage.append(Damage(place, lost))

    def _batch_rows(self, about: RowGroup) -> int:
        """How many rows of average size fill a batch."""
        average = about.total // max(1, about.rows) + 1
        return int(max(1, min(self._options.batch_rows, self._options.batch_bytes // average)))


class _Counted:
    """A file that counts the bytes read in the report."""

    def __init__(self, file: BinaryIO, report: SourceReport) -> None:
        self._file = file
        self._report = report

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._report.bytes_read += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

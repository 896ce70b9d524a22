"""Read CSV and TSV: one row per row after the header, whose names say which column is what.

All values are strings. A row that has more or fewer values than the header becomes a row with `drop = invalid_csv`: the
values of such a row may be anybody's. `offset` is the row's number, the header not counted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.sources.base import Damage, NoDocuments, SourceOptions, SourceReport
from refinedweb.sources.columns import MOST_COLUMNS, Mapping, match_columns, to_documents
from refinedweb.sources.json_text import marked_encoding, recoded
from refinedweb.sources.stream import ByteStream
from stages.base import set_column

DELIMITERS = ("\t", ",", ";", "|")
_VALUE = 50  # bytes of memory that a value takes besides its characters


class _Read(NamedTuple):
    """The values of a row; None if they are of no use, for this reason."""

    values: list[str] | None
    reason: str | None = None


class SeparatedRows:
    """The rows of one file. Reading them fills `report`."""

    def __init__(self, stream: ByteStream, key: str, options: SourceOptions, report: SourceReport) -> None:
        self._stream = recoded(stream, marked_encoding(bytes(stream.buffer[:4])))
        self._key = key
        self._options = options
        self._report = report
        report.kind = "CSV"
        # Two bytes of a value are a quote at most; a row may have several values of that size.
        self._limit = 2 * options.max_bytes + (1 << 20)

    def batches(self) -> Iterator[pa.Table]:
        """Tables of the document schema and the other columns; at least one. Raises ShardError if none has text."""
        lines = self._lines()
        begin = next(lines, "")
        rows = self._rows(chain([begin], lines), delimiter_of(begin))
        header = next(rows, _Read([])).values or []
        if len(header) > MOST_COLUMNS:
            raise NoDocuments(f"{self._key} has {len(header)} columns; documents have at most {MOST_COLUMNS}")
        schema = pa.schema([(name.strip(), pa.string()) for name in header])
        mapping = match_columns(schema, self._key, self._options)
        first = 0
        for batch in self._batches(rows, len(header)):
            yield self._table(batch, schema, mapping, first)
            first += len(batch)
        if first == 0:
            yield to_documents(schema.empty_table(), mapping, self._key, 0, self._options, self._report)
        if (fault := self._stream.fault) is not None:
            self._report.damage.append(Damage(fault.offset, f"{fault.error}; nothing after it is read"))
        self._report.bytes_read = self._stream.bytes_read

    def _table(self, batch: list[_Read], schema: pa.Schema, mapping: Mapping, first: int) -> pa.Table:
        width = len(schema)
        good = [row.values is not None for row in batch]
        values = [row.values or [""] * width for row in batch]
        columns = [pa.array([value or None for value in column], pa.string()) for column in zip(*values, strict=True)]
        docs = to_documents(pa.table(columns, schema=schema), mapping, self._key, first, self._options, self._report)
        self._report.records += docs.num_rows
        self._report.rows += docs.num_rows
        self._report.bytes_read = self._stream.bytes_read
        reasons = pa.array([row.reason for row in batch], pa.string())
        drop = pc.if_else(pa.array(good), docs.column("drop"), reasons)
        return set_column(docs, "drop", drop)

    def _batches(self, rows: Iterator[_Read], width: int) -> Iterator[list[_Read]]:
        """Rows of the header's width, some at a time: what they take in memory is counted, empty values too."""
        batch: list[_Read] = []
        size = 0
        for row in rows:
            fits = row.values is None or len(row.values) == width
            batch.append(row if fits else _Read(None, "invalid_csv"))
            size += width * _VALUE + sum(map(len, batch[-1].values or ()))
            if len(batch) >= self._options.batch_rows or size >= self._options.batch_bytes:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _rows(self, lines: Iterator[str], delimiter: str) -> Iterator[_Read]:
        csv.field_size_limit(max(csv.field_size_limit(), self._limit))  # of this process: it only grows
        reader = csv.reader(lines, delimiter=delimiter)
        while True:
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error:  # of values that are too long
                yield _Read(None, "too_large")
                continue
            if values:
                fits = sum(map(len, values)) <= self._limit
                yield _Read(values) if fits else _Read(None, "too_large")

    def _lines(self) -> Iterator[str]:
        """The lines with their ends; the rest of one that is too long is left out."""
        stream, begun = self._stream, False
        while stream.need(1):
            stream.settle()
            searched = 0
            while (end := stream.buffer.find(b"\n", searched)) < 0 and len(stream.buffer) <= self._limit:
                searched = len(stream.buffer)
                if stream.need(searched + 1) == searched:
                    break
            line = stream.take(end + 1 if end >= 0 else len(stream.buffer)).decode("utf-8", "replace")
            text = (line if begun else line.removeprefix("\ufeff")).replace("\0", "\ufffd")
            yield from io.StringIO(text, newline="")  # which also ends lines at a lone carriage return
            begun = True


def delimiter_of(header: str) -> str:
    """What separates the names of a header: the sign that occurs most."""
    return max(DELIMITERS, key=header.count) if any(sign in header for sign in DELIMITERS) else ","

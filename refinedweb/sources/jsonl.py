"""Read JSON: one row per line that is not blank, or per element of an array, or per object where they span lines.

What is not a JSON object becomes a row with `drop = invalid_json`, one that is longer than a document may be
gets `too_large`, one that is cut by the file's end or by damage gets `truncated_record`. Keys that fill no document
column are kept, as canonical JSON (sorted keys), in the string column `metadata`. `offset` is the number (from 0) of
the line, or of the object; of a file that is read in parts, of the line in its part, plus 2⁴⁰ for each part before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from refinedweb.sources.base import Damage, Part, Row, SourceOptions, SourceReport, tables
from refinedweb.sources.columns import finish
from refinedweb.sources.json_text import as_utf8, canonical, parsed
from refinedweb.sources.json_values import Framed, JsonValues, is_in_lines
from refinedweb.sources.places import look_up, opened, places
from refinedweb.sources.stream import ByteStream
from refinedweb.sources.values import as_column, valid_text
from stages.schema import DOCUMENT

_SCHEMA = DOCUMENT.append(pa.field("metadata", pa.string()))
PART_LINES = 1 << 40  # more than the lines of any part: so a line of a part has a number of its own in the file
_EXPANSION = 6  # bytes of JSON per byte of text at most: \\u00e9
_REST = 1 << 20  # bytes for the other values of a line


class JsonRows:
    """The rows of one file of JSON lines. Reading them fills `report`."""

    def __init__(
        self, stream: ByteStream, key: str, options: SourceOptions, report: SourceReport, part: Part | None = None
    ) -> None:
        self._stream = as_utf8(stream) if part is None else stream
        self._part = part
        self._key = key
        self._options = options
        self._report = report
        report.kind = "JSON"
        self._limit = _EXPANSION * options.max_bytes + _REST

    def batches(self) -> Iterator[pa.Table]:
        """Tables of the document schema and `metadata`; at least one, so that the columns are known."""
        for table in tables(self._rows(), self._options, _SCHEMA):
            yield finish(table, self._key, self._options)
        if self._report.rows == 0:
            yield _SCHEMA.empty_table()

    def _rows(self) -> Iterator[Row]:
        first = 0 if self._part is None else self._part.number * PART_LINES
        for number, line in enumerate(self._pieces(), first):
            self._report.bytes_read = self._stream.bytes_read
            if not line.content.strip() and line.size == len(line.content):
                continue
            self._report.records += 1
            self._report.rows += 1
            yield self._row(number, line)
        self._report.bytes_read = self._stream.bytes_read

    def _row(self, number: int, line: Framed) -> Row:
        place: Row = {"source": self._key, "offset": number}
        if line.size > len(line.content):
            return place | {"drop": "too_large"}
        if line.cut:
            return place | {"drop": "truncated_record"}
        try:
            value = parsed(line.content, self._options.max_garbage)
        except ValueError:
            return place | {"drop": "invalid_json"}
        if not isinstance(value, dict):
            return place | {"drop": "invalid_json"}
        self._report.keys_seen = self._report.keys_seen or tuple(value)
        return json_row(value, place, self._options, self._report)

    def _pieces(self) -> Iterator[Framed]:
        """The bytes of each document. Raises ShardError if the file cannot hold documents."""
        if self._part is not None:
            yield from self._lines_of(self._part)
            return
        if is_in_lines(self._stream, self._key, self._limit):
            yield from self._lines()
            return
        values = JsonValues(self._stream, self._limit)
        yield from values
        self._report.damage += values.damage
        if (fault := self._stream.fault) is not None:
            self._report.damage.append(Damage(fault.offset, f"{fault.error}; nothing after it is read"))

    def _lines_of(self, part: Part) -> Iterator[Framed]:
        """The lines of a part. Parts of an uncompressed file begin and end with lines. Members end anywhere: a line
        belongs to the part in which it begins, or to the one before if it begins with the part.
        """
        stream = self._stream
        stream.begin(part.start)
        if not stream.compressed:
            stream.end_at(part.end)
        elif part.number:
            self._long_line()
        yield from self._lines(part.end if stream.compressed else None)

    def _lines(self, end: int | None = None) -> Iterator[Framed]:
        """The lines; damage is reported and skipped. `end`: of a part, where the next one begins."""
        stream, last = self._stream, None
        while True:
            while stream.need(1):
                if last is None and end is not None:
                    last = stream.position_of(end)
                if last is not None and stream.position > last:
                    return
                stream.settle()
                yield self._line()
            fault = stream.fault
            if fault is None:
                return
            found = stream.recover(lambda head: head.lstrip().startswith(b"{"))
            then = "nothing readable follows" if found is None else f"reading goes on at byte {found}"
            self._report.damage.append(Damage(fault.offset, f"{fault.error}; {then}"))
            if found is None or (end is not None and found >= end):
                return

    def _line(self) -> Framed:
        stream, searched = self._stream, 0
        while (end := stream.buffer.find(b"\n", searched)) < 0 and len(stream.buffer) <= self._limit:
            searched = len(stream.buffer)
            if stream.need(searched + 1) == searched:
                return self._last_line()
        if end >= 0:
            line = stream.take(end + 1)
            return Framed(line, len(line), False)
        return self._long_line()

    def _last_line(self) -> Framed:
        """The last line of a file without a final newline: whole, unless the decoder failed or it is not JSON."""
        stream = self._stream
        offset = stream.offset_of(stream.position)
        line = stream.take(len(stream.buffer))
        cut = stream.fault is not None
        if not cut and line.lstrip().startswith(b"{") and not _is_json(line):
            cut = True
            self._report.damage.append(Damage(offset, f"the file ends within a line, after {len(line)} bytes of it"))
        return Framed(line, len(line), cut)

    def _long_line(self) -> Framed:
        """Skip a line that is longer than the limit."""
        stream, size = self._stream, 0
        while stream.need(1):
            end = stream.buffer.find(b"\n")
            piece = len(stream.buffer) if end < 0 else end + 1
            stream.drop(piece)
            size += piece
            if end >= 0:
                break
        return Framed(b"", size, False)


def _is_json(line: bytes) -> bool:
    try:
        parsed(line, max_garbage=1.0)
    except ValueError:
        return False
    return True


def json_row(value: dict[str, Any], place: Row, options: SourceOptions, report: SourceReport | None = None) -> Row:
    """Convert a JSON object to a document row. Columns are also looked for within its `metadata` (see `places`), which
    stays as it is.
    """
    rest, row, containers = dict(value), Row(), dict[str, Any]()
    for column, candidates in places(tuple(value), options):
        for key, path in candidates:
            if key not in rest:  # it has filled another column
                continue
            if path and key not in containers:
                containers[key] = opened(value[key])
            filled = as_column(column, look_up(containers[key] if path else value[key], path))
            if filled is not None:
                row[column] = filled
                if not path:
                    del rest[key]
                if report is not None:
                    report.take(column, (key, *path))
                break
    if row.get("source") is None or row.get("offset") is None:
        rest |= {name: value[name] for name in ("source", "offset", "length") if name in value}
        row |= {"length": None} | place
    return row | {"metadata": _metadata(rest)}


def _metadata(rest: dict[str, Any]) -> str | None:
    """The keys that filled no column, as canonical JSON; if only the input's own `metadata` is left, its value."""
    if not rest:
        return None
    content = rest["metadata"] if rest.keys() == {"metadata"} else rest
    if content is None or isinstance(content, str):
        return None if content is None else valid_text(content)
    return valid_text(canonical(content))

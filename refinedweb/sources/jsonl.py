"""Read JSON lines: one row per line that is not blank.

A line that is not a JSON object becomes a row with `drop = invalid_json`, one that is longer than a document may be
gets `too_large`, one that is cut by the file's end or by damage gets `truncated_record`. Keys that fill no document
column are kept, as canonical JSON (sorted keys), in the string column `metadata`. `offset` is the line's number (from
0).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from refinedweb.sources.base import Damage, Row, SourceOptions, SourceReport, tables
from refinedweb.sources.columns import finish
from refinedweb.sources.places import look_up, opened, places
from refinedweb.sources.stream import ByteStream
from refinedweb.sources.values import as_column, valid_text
from stages.schema import DOCUMENT

_SCHEMA = DOCUMENT.append(pa.field("metadata", pa.string()))
_EXPANSION = 6  # bytes of JSON per byte of text at most: \\u00e9
_REST = 1 << 20  # bytes for the other values of a line


class Line(NamedTuple):
    """A line's bytes (empty if it is too long), its size, and whether damage or the file's end cut it."""

    content: bytes
    size: int
    cut: bool


class JsonRows:
    """The rows of one file of JSON lines. Reading them fills `report`."""

    def __init__(self, stream: ByteStream, key: str, options: SourceOptions, report: SourceReport) -> None:
        self._stream = stream
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
        for number, line in enumerate(self._lines()):
            self._report.bytes_read = self._stream.bytes_read
            if not line.content.strip() and line.size == len(line.content):
                continue
            self._report.records += 1
            self._report.rows += 1
            yield self._row(number, line)
        self._report.bytes_read = self._stream.bytes_read

    def _row(self, number: int, line: Line) -> Row:
        place: Row = {"source": self._key, "offset": number}
        if line.size > len(line.content):
            return place | {"drop": "too_large"}
        if line.cut:
            return place | {"drop": "truncated_record"}
        try:
            value = json.loads(line.content.removeprefix(b"\xef\xbb\xbf"))
        except (ValueError, RecursionError):
            return place | {"drop": "invalid_json"}
        return (
            json_row(value, place, self._options, self._report)
            if isinstance(value, dict)
            else place | {"drop": "invalid_json"}
        )

    def _lines(self) -> Iterator[Line]:
        """The lines; damage is reported and skipped."""
        stream = self._stream
        while True:
            while stream.need(1):
                yield self._line()
            fault = stream.fault
            if fault is None:
                return
            found = stream.recover(lambda head: head.lstrip().startswith(b"{"))
            then = "nothing readable follows" if found is None else f"reading goes on at byte {found}"
            self._report.damage.append(Damage(fault.offset, f"{fault.error}; {then}"))
            if found is None:
                return

    def _line(self) -> Line:
        stream, searched = self._stream, 0
        while (end := stream.buffer.find(b"\n", searched)) < 0 and len(stream.buffer) <= self._limit:
            searched = len(stream.buffer)
            if stream.need(searched + 1) == searched:
                return self._last_line()
        if end >= 0:
            line = stream.take(end + 1)
            return Line(line, len(line), False)
        return self._long_line()

    def _last_line(self) -> Line:
        """The last line of a file without a final newline: whole, unless the decoder failed or it is not JSON."""
        stream = self._stream
        offset = stream.offset_of(stream.position)
        line = stream.take(len(stream.buffer))
        cut = stream.fault is not None
        if not cut and line.lstrip().startswith(b"{") and not _is_json(line):
            cut = True
            self._report.damage.append(Damage(offset, f"the file ends within a line, after {len(line)} bytes of it"))
        return Line(line, len(line), cut)

    def _long_line(self) -> Line:
        """Skip a line that is longer than the limit."""
        stream, size = self._stream, 0
        while stream.need(1):
            end = stream.buffer.find(b"\n")
            piece = len(stream.buffer) if end < 0 else end + 1
            stream.drop(piece)
            size += piece
            if end >= 0:
                break
        return Line(b"", size, False)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
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
    return valid_text(json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")))

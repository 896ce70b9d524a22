"""Read WARC, WET and ARC files: one row or one counted skip per record.

Rows that are not usable pages have a reason in `drop`, and neither html nor text:
`invalid_record` (no type, or no length in its header) · `not_http` (a response without HTTP: FTP, Gemini) ·
`invalid_http` · `bad_status` · `not_html` · `too_large` · `undecodable_payload` (codings or characters) ·
`truncated_record` · `damaged_record` (its checksum does not hold) · `empty_payload`.

Skipped and counted by type: `warcinfo`, `request`, `metadata`, `revisit`, `continuation`, `dns`, and `unknown` for
types that no standard has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from refinedweb.sources.base import Part, Row, SourceOptions, SourceReport, tables
from refinedweb.sources.charset import decode
from refinedweb.sources.framing import Framing, WarcRecord
from refinedweb.sources.headers import (
    HEAD_BYTES,
    Fields,
    content_length,
    media_type,
    mime_and_charset,
    parse_date,
    parse_fields,
    parse_http,
)
from refinedweb.sources.ids import content_id, crawl_of
from refinedweb.sources.payload import decode_payload, is_binary, is_markup, is_xhtml
from refinedweb.sources.records import RecordReader
from refinedweb.sources.stream import ByteStream

_SKIPPED = frozenset({"warcinfo", "request", "metadata", "revisit", "continuation"})
_KNOWN = _SKIPPED | {"response", "resource", "conversion"}
# Types by which servers say that they do not know; what the crawler identified is better.
_OPAQUE = frozenset(
    {"application/octet-stream", "binary/octet-stream", "application/unknown", "unknown/unknown", "*/*"}
)
_NO_TYPE = frozenset({"no-type", "unknown", "-"})  # of an ARC record
_XML = frozenset({"application/xml", "text/xml"})
_XHTML = "application/xhtml+xml"
_URN = re.compile(r"<?(?:urn:uuid:)?([^<>\s]{0,512})>?", re.I)  # anything longer is not an id


class WarcRows:
    """The rows of one WARC or ARC file. Reading them fills `report`."""

    def __init__(
        self, stream: ByteStream, framing: Framing, key: str, options: SourceOptions, report: SourceReport,
        part: Part | None = None,
    ) -> None:  # fmt: skip
        self._options = options
        self._key = key
        self._report = report
        self._stream = stream
        self._dump, self._segment = crawl_of(key)
        if part is not None:
            self._dump = self._dump or _dump_at(stream, framing)
            stream.begin(part.start)
            stream.end_at(part.end)
        # Chunked transfer makes a payload longer, by an eighth at most unless the chunks are absurdly small.
        keep = options.max_bytes + options.max_bytes // 8 + HEAD_BYTES
        self._records = RecordReader(stream, framing, keep)
        self._is_arc = framing.name == "ARC"

    def batches(self) -> Iterator[pa.Table]:
        """Tables of the document schema."""
        return tables(self.rows(), self._options)

    def rows(self) -> Iterator[Row]:
        """The rows, one by one."""
        report = self._report
        for record in self._records:
            report.records += 1
            kind = self._kind(record)
            if kind == "warcinfo":
                self._take_warcinfo(record)
            if kind in _SKIPPED or kind in ("dns", "unknown"):
                report.skip(kind)
            else:
                report.rows += 1
                yield self._row(record, kind)
            self._account()
        self._account()

    def _account(self) -> None:
        self._report.damage[:] = self._records.damage
        self._report.bytes_read = self._stream.bytes_read

    def _kind(self, record: WarcRecord) -> str:
        """The record's type: `dns` for DNS answers, `unknown` for types that no standard has, empty if it has none."""
        target = record.fields.get("warc-target-uri", "").lstrip("<").lower()
        if self._is_arc and target.startswith("filedesc:"):
            return "warcinfo"
        kind = "response" if self._is_arc else record.fields.get("warc-type", "").lower()
        if kind in ("response", "resource") and target.startswith("dns:"):
            return "dns"
        return kind if kind in _KNOWN or kind == "" else "unknown"

    def _take_warcinfo(self, record: WarcRecord) -> None:
        """Take the crawl's own name for itself, unless the path has it."""
        if self._dump is None and not self._is_arc:
            self._dump = parse_fields(record.block).get("ispartof") or None

    def _row(self, record: WarcRecord, kind: str) -> Row:
        fields = record.fields
        named = _URN.fullmatch(fields.get("warc-record-id", ""))
        row: Row = {
            "id": (named and named[1]) or content_id(self._key, record.offset, record.block),
            "url": fields.get("warc-target-uri", "").strip("<>").strip() or None,
            "timestamp": parse_date(fields.get("warc-date")),
            "dump": self._dump,
            "segment": self._segment,
            "source": self._key,
            "offset": record.offset,
            "length": record.length,
        }
        return row | page_of(record, kind, self._options)


def _dump_at(stream: ByteStream, framing: Framing) -> str | None:
    """The crawl that the file's first record names, for the parts that do not have this record."""
    content = bytes(stream.buffer[:HEAD_BYTES])
    end = framing.header_end.search(content) if framing.name == "WARC" else None
    fields = {} if end is None else parse_fields(content[: end.end()])
    if end is None or fields.get("warc-type", "").lower() != "warcinfo":
        return None
    block = content[end.end() : end.end() + (content_length(fields) or 0)]
    return parse_fields(block).get("ispartof") or None


def page_of(record: WarcRecord, kind: str, options: SourceOptions) -> Row:
    """`html` or `text` of a record's page, or the reason (`drop`) why it has neither."""
    if record.fault == "corrupt":
        return {"drop": "damaged_record"}
    if record.fault == "header" or kind == "":
        return {"drop": "invalid_record"}
    mime, charset = mime_and_charset(record.fields.get("content-type"))
    if kind == "conversion" and mime in ("text/plain", ""):
        return _text(record, record.block, charset, options, "text")
    http = mime.startswith("application/http") or mime == ""
    if (kind == "response" and http) or (kind == "resource" and mime == "application/http"):
        return _http(record, options)
    if kind == "response":
        return {"drop": "not_http"}
    return _html(record, record.block, mime, charset, options)


def _http(record: WarcRecord, options: SourceOptions) -> Row:
    head = parse_http(record.block)
    if head is None:
        return _without_head(record, options)
    if head.status not in options.statuses:
        return {"drop": "bad_status"}
    mime, charset = mime_and_charset(head.fields.get("content-type"))
    if not mime or mime in _OPAQUE:
        mime = _identified(record.fields) or mime
    return _html(record, record.block[head.body_at :], mime, charset, options, head.fields)


def _without_head(record: WarcRecord, options: SourceOptions) -> Row:
    """A response without the head of HTTP, which some ARC files and copies of crawls lack: what its body shows."""
    target = record.fields.get("warc-target-uri", "").lstrip("<").lower()
    if not target.startswith("http"):
        return {"drop": "not_http"}
    mime, charset = mime_and_charset(record.fields.get("x-arc-type"))
    mime = "" if mime in _NO_TYPE or mime in _OPAQUE else mime
    if record.block[:5].upper() == b"HTTP/" or not (mime or is_markup(record.block)):
        return {"drop": "invalid_http"}
    return _html(record, record.block, mime, charset, options)


def _identified(fields: Fields) -> str:
    """The media type that the crawler identified, for a response that names none."""
    return media_type(fields.get("warc-identified-payload-type", ""))


def _html(
    record: WarcRecord, body: bytes, mime: str, charset: str | None, options: SourceOptions, coded: Fields | None = None
) -> Row:
    known = mime in options.mime_types
    may_be_xhtml = mime in _XML and _XHTML in options.mime_types
    if mime and not known and not may_be_xhtml:
        return {"drop": "not_html"}
    payload = decode_payload(body, coded or {}, options.max_bytes)
    if is_binary(payload.body) or (not mime and payload.body and not is_markup(payload.body)):
        return {"drop": "not_html"}
    if may_be_xhtml and not known and not is_xhtml(payload.body):
        return {"drop": "not_html"}
    if payload.fault == "large" or record.clipped:
        return {"drop": "too_large"}
    if payload.fault == "corrupt":
        return {"drop": "undecodable_payload"}
    return _text(record, payload.body, charset, options, "html", cut=payload.fault == "cut")


def _text(
    record: WarcRecord, body: bytes, charset: str | None, options: SourceOptions, column: str, cut: bool = False
) -> Row:
    if record.clipped or len(body) > options.max_bytes:
        return {"drop": "too_large"}
    cut = cut or record.fault == "cut" or "warc-truncated" in record.fields or "warc-segment-number" in record.fields
    if cut and options.truncated == "drop":
        return {"drop": "truncated_record"}
    if not body.strip():
        return {"drop": "empty_payload"}
    decoded = decode(body, charset)
    if decoded.garbage > options.max_garbage:
        return {"drop": "undecodable_payload"}
    return {column: decoded.html if column == "html" else decoded.html.decode()}

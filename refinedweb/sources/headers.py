"""The header blocks of archives: WARC fields (ISO 28500), ARC lines (versions 1 and 2), HTTP fields, and dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

Fields = dict[str, str]

HEAD_BYTES = 1 << 18  # of an HTTP response's head: Chrome's limit

# The end of a block of fields: an empty line, with the line endings that careless writers use.
BLANK_LINE = re.compile(rb"\n\r*+\n")
_DATE = re.compile(
    r"(\d{4})(?:-?(\d\d)(?:-?(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]?(\d{1,9}))?)?)?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.I,
)
# Browsers write the name small too, and servers forget the space before the reason. The last form is HTTP/2's.
_STATUS_LINE = re.compile(rb"(?:HTTP/\d(?:\.\d+)?[ \t]+|:status:[ \t]*)(\d{3})(?!\d)[^\n]*", re.I)
_INTERIM = 8  # responses before the real one (`100 Continue`): a limit of ours, real exchanges have one
_QUOTES = " \t\"'"
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(?=$|[;,\s\"'])", re.A)
_MEDIA_TYPE_END = re.compile(r"[;,\s\"']")
_CHARSET = re.compile(r"""charset\s*+=\s*+["']?+\s*+([^\s"';,]++)""", re.I)
# url ip date type length; version 2 has more columns between type and length. URLs and types may contain spaces.
_ARC_COLUMNS = re.compile(rb" (?P<ip>\S++) (?P<date>\d{12,18}) (?P<mime>\S*+)(?= )")
_ARC_LENGTH = re.compile(rb" (?P<length>\S++)[ \t\r]*+$")
_FIELD = 1024  # characters of a field that are looked at: more is not a media type


def parse_fields(block: bytes) -> Fields:
    """Parse `name: value` lines; names in lower case. Folded lines are joined, and the first of equal names counts."""
    fields: Fields = {}
    folded: dict[str, list[str]] = {}
    name = None
    for line in decode_header(block).split("\n"):
        if line[:1] in (" ", "\t") and name is not None:
            folded.setdefault(name, [fields[name]]).append(line.strip())
            continue
        key, colon, value = line.partition(":")
        name = key.strip().lower() if colon and key.strip().lower() not in fields else None
        if name is not None:
            fields[name] = value.strip()
    for name, lines in folded.items():
        fields[name] = " ".join(lines)
    return fields


def decode_header(block: bytes) -> str:
    """Decode a header: ASCII by the standards, UTF-8 in practice, Latin-1 if it is neither."""
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("latin-1")


def parse_arc_line(line: bytes) -> Fields:
    """Parse an ARC record's line to the equivalent WARC fields; an irregular line gives its first and last word."""
    line = line.rstrip(b"\r\n")
    columns, last = _ARC_COLUMNS.search(line, 1), _ARC_LENGTH.search(line)
    if columns is None or last is None or columns.end() > last.start() or line[:1].isspace():
        words = decode_header(line).split() or [""]
        return {"warc-target-uri": words[0], "content-length": words[-1]}
    url, mime, length = map(decode_header, (line[: columns.start()], columns["mime"], last["length"]))
    return {"warc-target-uri": url, "warc-date": columns["date"].decode(), "x-arc-type": mime, "content-length": length}


def content_length(fields: Mapping[str, str]) -> int | None:
    """The record's length in bytes; None if it is missing or not a number."""
    value = fields.get("content-length", "")
    return int(value) if re.fullmatch(r"\d{1,18}", value, re.A) else None


def parse_date(value: str | None) -> int | None:
    """Parse a W3C date-time (any precision) or a 14-digit one to milliseconds since 1970 UTC; None if it is neither."""
    match = _DATE.fullmatch(value.strip()) if value is not None else None
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        when = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        return None
    seconds = (when - datetime(1970, 1, 1)) // timedelta(seconds=1) - _zone_seconds(zone)
    return seconds * 1000 + int((fraction or "").ljust(3, "0")[:3])


def _zone_seconds(zone: str | None) -> int:
    if zone is None or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


class HttpHead(NamedTuple):
    """An HTTP response's status and fields, and where in the block its body begins."""

    status: int
    fields: Fields
    body_at: int


def parse_http(block: bytes, limit: int = HEAD_BYTES) -> HttpHead | None:
    """Parse the head of an HTTP response; None if the block is not one, or its head is longer than `limit` bytes.

    Interim responses (`100 Continue`) before it are passed over.
    """
    head = _head_at(block, 0, limit)
    for _ in range(_INTERIM):
        if head is None or not 100 <= head.status < 200:
            break
        later = _head_at(block, head.body_at, limit)
        if later is None:
            break
        head = later
    return head


def _head_at(block: bytes, at: int, limit: int) -> HttpHead | None:
    start = _STATUS_LINE.match(block, at)
    if start is None:
        return None
    end = BLANK_LINE.search(block, start.end(), at + limit)
    if end is None:
        if len(block) - at >= limit:
            return None
        return HttpHead(int(start[1]), _http_fields(block[start.end() :]), len(block))
    return HttpHead(int(start[1]), _http_fields(block[start.end() : end.start()]), end.end())


def _http_fields(block: bytes) -> Fields:
    """The fields of a response. As browsers do: of several Content-Types the last valid one counts, and several
    Content-Encodings are one list.
    """
    fields = parse_fields(block)
    lines = None
    for name in ("content-type", "content-encoding"):
        if name in fields and block.lower().count(name.encode()) > 1:
            lines = lines or decode_header(block).split("\n")
            pairs = (line.partition(":") for line in lines)
            values = [value.strip() for key, _, value in pairs if key.strip().lower() == name]
            if name == "content-encoding":
                fields[name] = ", ".join(values)
            else:
                valid = [value for value in values if _MEDIA_TYPE.match(value.strip(_QUOTES))]
                fields[name] = valid[-1] if valid else fields[name]
    return fields


def media_type(field: str) -> str:
    """`type/subtype` in lower case, without the parameters, their separators and quotes around it."""
    return _MEDIA_TYPE_END.split(field.strip(_QUOTES + "\r\n"), maxsplit=1)[0].lower()


def mime_and_charset(content_type: str | None) -> tuple[str, str | None]:
    """The lower-case media type (empty if there is none) and the charset parameter of a Content-Type field."""
    if content_type is None:
        return "", None
    content_type = content_type[:_FIELD]
    charset = _CHARSET.search(content_type)
    return media_type(content_type), charset[1] if charset else None

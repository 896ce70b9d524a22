"""Kernels of `pii_v1`: where a text column has e-mail addresses and IP addresses, and the column with these masked.

Every scan is bounded on both sides of its trigger (64 characters before an `@`, 253 bytes after it), so the time is
linear in the text, whatever the text is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bools, Bytes, Int, Offsets, UInt32s
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode
from stages.kernels.classes import LETTER, CharacterTables, flags_of, tables

_MAX_LOCAL = 64  # characters of a local part (RFC 5321)
_MAX_DOMAIN, _MAX_LABEL = 253, 63  # bytes of a domain and of a label (RFC 1035)
_MAX_IPV6 = 60  # bytes of a run; an address has at most 45, and a word and a colon may stand before it
_NAMED_SCRIPTS = 0x530  # code points below: Latin, Greek, Cyrillic; their letters belong to an address, Han's do not
_AT, _DOT, _DASH, _COLON, _UNDERSCORE = 64, 46, 45, 58, 95  # bytes: @ . - : _
# RFC 5322 allows more, but in a text the others are more often the syntax around an address: = / { } | # $ ! ? * ^ `
_LOCAL_MARKS = (46, 95, 37, 43, 45, 39, 126, 38)  # . _ % + - ' ~ &
# Endings in the names of pictures and styles with an @ ("logo@2x.png"), which are not top-level domains.
_FILE_TYPES = ("png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "bmp", "ico", "tif", "tiff", "css", "html", "php")
FILE_TYPES = np.array([int.from_bytes(name.encode(), "big") for name in _FILE_TYPES], np.int64)


class ByteSpans(NamedTuple):
    """Byte ranges in the data of a text column, in order."""

    start: Offsets
    end: Offsets


def find_emails(data: Bytes, offsets: Offsets) -> ByteSpans:
    """E-mail addresses: a local part of at most 64 characters, `@`, and a domain with a dot and a top-level domain."""
    ats = np.flatnonzero(data[offsets[0] : offsets[-1]] == _AT) + offsets[0]
    spans = ByteSpans(*np.zeros((2, len(ats)), np.int64))
    found = _find_emails(data, offsets, ats, tables(), FILE_TYPES, spans) if len(ats) else 0
    return ByteSpans(spans.start[:found], spans.end[:found])


def find_ipv4(data: Bytes, offsets: Offsets) -> tuple[ByteSpans, UInt32s]:
    """Dotted quads that stand alone, and their values. Quads with leading zeros do not count, nor do `v1.2.3.4` and
    `1.2.3.4.5`."""
    dots = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == _DOT))
    spans, values = ByteSpans(*np.zeros((2, dots // 3 + 1), np.int64)), np.zeros(dots // 3 + 1, np.uint32)
    found = _find_ipv4(data, offsets, spans, values) if dots >= 3 else 0
    return ByteSpans(spans.start[:found], spans.end[:found]), values[:found]


def find_ipv6_candidates(data: Bytes, offsets: Offsets) -> ByteSpans:
    """Runs of hexadecimal digits, colons and dots with `::` or seven colons, including what precedes a first colon."""
    colons = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == _COLON))
    spans = ByteSpans(*np.zeros((2, colons // 2 + 1), np.int64))
    found = _find_ipv6(data, offsets, spans) if colons >= 2 else 0
    return ByteSpans(spans.start[:found], spans.end[:found])


@kernel
def mask_spans(
    data: Bytes,
    offsets: Offsets,
    spans: ByteSpans,
    kinds: Offsets,
    masks: Bytes,
    mask_offsets: Offsets,
    out: Bytes,
    ends: Offsets,
) -> Bools:
    """Copy the rows to `out` with each span as the mask of its kind, and set `ends`; returns which spans this changed.

    Spans ascend by their start. One that begins inside the previous one is skipped.
    """
    masked = np.zeros(len(kinds), np.bool_)
    at, to, span = offsets[0], 0, 0
    for row in range(len(offsets) - 1):
        while span < len(kinds) and spans.start[span] < offsets[row + 1]:
            start, end = spans.start[span], spans.end[span]
            mask = masks[mask_offsets[kinds[span]] : mask_offsets[kinds[span] + 1]]
            if start >= at:
                out[to : to + start - at] = data[at:start]
                to += start - at
                out[to : to + len(mask)] = mask
                to, at = to + len(mask), end
                masked[span] = len(mask) != end - start or np.any(mask != data[start:end])
            span += 1
        out[to : to + offsets[row + 1] - at] = data[at : offsets[row + 1]]
        to, at = to + offsets[row + 1] - at, offsets[row + 1]
        ends[row + 1] = to
    return masked


@kernel
def _find_emails(
    data: Bytes, offsets: Offsets, ats: Offsets, tables: CharacterTables, file_types: Offsets, spans: ByteSpans
) -> Int:
    found, row, floor = 0, 0, offsets[0]
    for at in ats:
        while offsets[row + 1] <= at:
            row += 1
        floor = max(floor, offsets[row])
        end = _domain_end(data, at + 1, offsets[row + 1], tables, file_types)
        start = _local_start(data, at, floor, tables) if end > 0 else -1
        if start >= 0:
            spans.start[found], spans.end[found] = start, end
            found, floor = found + 1, end
    return found


@kernel
def _local_start(data: Bytes, at: Int, floor: Int, tables: CharacterTables) -> Int:
    """Where the local part that ends before byte `at` starts, at a letter or digit; -1 = none, or too long."""
    start = -1
    for characters in range(_MAX_LOCAL + 1):
        size = 1 if at - 2 < floor or data[at - 1] < 0x80 else 2
        if at <= floor:
            break
        if _in_name(data, at - size, tables):
            start = at - size if characters < _MAX_LOCAL else -1
        elif data[at - 1] not in _LOCAL_MARKS:
            break
        at -= size
    return start


@kernel
def _in_name(data: Bytes, at: Int, tables: CharacterTables) -> bool:
    """Whether the character at byte `at` is an ASCII letter or digit, or another letter of the named scripts."""
    if data[at] < 0x80:
        return _alphanumeric(data[at])
    point, _ = decode(data, at)
    return bool(point < _NAMED_SCRIPTS and flags_of(tables, point) & LETTER != 0)


@kernel
def _alphanumeric(byte: Int) -> bool:
    return bool(48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122)


@kernel
def _domain_end(data: Bytes, start: Int, limit: Int, tables: CharacterTables, file_types: Offsets) -> Int:
    """Where the longest domain from byte `start` ends, which is at a top-level domain after a dot; -1 = none."""
    best, label, labels, at = -1, start, 0, start
    limit = min(limit, start + _MAX_DOMAIN)
    while True:
        while at < limit and (data[at] == _DASH or _in_name(data, at, tables)):
            at += 1 if data[at] < 0x80 else 2
        if at == label or at - label > _MAX_LABEL or data[label] == _DASH:
            return best
        labels += 1
        if labels > 1:
            best = max(best, _top_level_end(data, label, min(at, limit), file_types))
        if at >= limit or data[at] != _DOT or data[at - 1] == _DASH:
            return best
        at += 1
        label = at


@kernel
def _top_level_end(data: Bytes, label: Int, end: Int, file_types: Offsets) -> Int:
    """Where the top-level domain at the label's start ends: two or more letters, or a punycode label; -1 = none."""
    if end - label > 4 and data[label] | 32 == 120 and data[label + 2] == data[label + 3] == _DASH:
        return end
    at = label
    packed: Int = 0
    while at < end and data[at] != _DASH:
        if 48 <= data[at] <= 57:
            return -1
        packed = ((packed << 8) | (data[at] | 32)) & 0xFFFFFFFFFF
        at += 1
    if at - label < 2:
        return -1
    for file_type in file_types:
        if packed == file_type:
            return -1
    return at


@kernel
def _find_ipv4(data: Bytes, offsets: Offsets, spans: ByteSpans, values: UInt32s) -> Int:
    found = 0
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            if not 48 <= data[at] <= 57:
                at += 1
                continue
            stop, value = _quad(data, at, end)
            if stop > 0 and _stands_alone(data, at, stop, offsets[row], end):
                spans.start[found], spans.end[found], values[found] = at, stop, value
                found += 1
                at = stop
            while at < end and (_alphanumeric(data[at]) or data[at] == _DOT):
                at += 1
    return found


@kernel
def _quad(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """Where a dotted quad at byte `at` ends, and its value; (-1, 0) = none."""
    value = 0
    for part in range(4):
        first = at
        number: Int = 0
        while at < end and at - first < 4 and 48 <= data[at] <= 57:
            number, at = number * 10 + data[at] - 48, at + 1
        if at == first or number > 255 or (data[first] == 48 and at - first > 1):
            return -1, 0
        value = value * 256 + number
        if part < 3:
            if at == end or data[at] != _DOT:
                return -1, 0
            at += 1
    return at, value


@kernel
def _stands_alone(data: Bytes, start: Int, stop: Int, floor: Int, end: Int) -> bool:
    """Whether it is not part of a longer number, name or version.

    Not so are those in `v1.2.3.4`, `1.2.3.4.5`, `lib-1.2.3.4` and `1.2.3.4-rc`.
    """
    if start > floor and (_alphanumeric(data[start - 1]) or data[start - 1] == _UNDERSCORE):
        return False
    if start > floor + 1 and data[start - 1] == _DOT and _alphanumeric(data[start - 2]):
        return False
    if start > floor + 1 and data[start - 1] == _DASH and _letter(data[start - 2]):
        return False
    if stop < end and (_alphanumeric(data[stop]) or data[stop] == _UNDERSCORE):
        return False
    if stop + 1 < end and data[stop] == _DOT:
        return not 48 <= data[stop + 1] <= 57
    return not (stop + 1 < end and data[stop] == _DASH and _letter(data[stop + 1]))


@kernel
def _letter(byte: Int) -> bool:
    return bool(65 <= byte <= 90 or 97 <= byte <= 122)


@kernel
def _find_ipv6(data: Bytes, offsets: Offsets, spans: ByteSpans) -> Int:
    found = 0
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            start, colons, double = at, 0, False
            while at < end and (_hexadecimal(data[at]) or data[at] in (_COLON, _DOT)):
                colons += data[at] == _COLON
                double |= at > start and data[at] == data[at - 1] == _COLON
                at += 1
            if (double or colons >= 7) and at - start <= _MAX_IPV6:
                spans.start[found], spans.end[found] = start, at
                found += 1
            at = max(at, start + 1)
    return found


@kernel
def _hexadecimal(byte: Int) -> bool:
    return bool(48 <= byte <= 57 or 65 <= byte <= 70 or 97 <= byte <= 102)

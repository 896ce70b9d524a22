"""Spans of bytes that are cut out of texts, and how many characters are inside and outside them."""

from __future__ import annotations

from typing import NamedTuple

from classifiers.kernels.arrays import Bytes, Int, Int64s, Offsets
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode
from stages.kernels.classes import SPACE, UNSPACED, WORD_CHARACTER, CharacterTables, flags_of

_NEWLINE, _BLANK = 10, 32  # bytes: the line feed, the space


class TokenSpans(NamedTuple):
    """Row r has the spans `first[r]` to `first[r + 1]`: ascending, not overlapping, in bytes from the row's start."""

    first: Int64s  # rows + 1
    start: Int64s
    end: Int64s


@kernel
def count_characters(
    offsets: Offsets, data: Bytes, spans: TokenSpans, tables: CharacterTables, inside: Int64s, all_of: Int64s
) -> None:
    """Count each row's characters other than white space, in its spans and in all; 0 for rows without spans."""
    for row in range(len(offsets) - 1):
        if spans.first[row] == spans.first[row + 1]:
            continue
        text, span, at = data[offsets[row] : offsets[row + 1]], spans.first[row], 0
        while at < len(text):
            point, size = decode(text, at)
            while span < spans.first[row + 1] and spans.end[span] <= at:
                span += 1
            if flags_of(tables, point) & SPACE == 0:
                all_of[row] += 1
                inside[row] += span < spans.first[row + 1] and spans.start[span] <= at
            at += size


@kernel
def cut_rows(
    offsets: Offsets, data: Bytes, spans: TokenSpans, tables: CharacterTables, out: Bytes, ends: Offsets
) -> None:
    """Write the rows without their spans to `out`, which is as large as the rows plus one byte per span."""
    to = 0
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        first, last = spans.first[row], spans.first[row + 1]
        if first == last:
            to += _copy(text, 0, len(text), out, to)
        else:
            to += _cut_row(text, spans.start[first:last], spans.end[first:last], tables, out[to:])
        ends[row + 1] = to


@kernel
def _cut_row(text: Bytes, starts: Int64s, ends: Int64s, tables: CharacterTables, out: Bytes) -> Int:
    """Join pieces by the white space that stood next to the cuts: the stretch of it with the most line feeds."""
    size, gap, gap_end, feeds, blank = 0, 0, 0, -1, -1
    for piece in range(len(starts) + 1):
        at = 0 if piece == 0 else ends[piece - 1]
        stop = len(text) if piece == len(starts) else starts[piece]
        inner = at if piece == 0 else _after_space(text, at, stop, tables)
        outer = stop if piece == len(starts) else _before_space(text, inner, stop, tables)
        if at < inner and _feeds(text, at, inner) > feeds:
            gap, gap_end, feeds = at, inner, _feeds(text, at, inner)
        if piece > 0 and blank < 0:
            blank = _first_space(text, starts[piece - 1], at)
        if inner < outer:
            if piece > 0 and size > 0:
                size = _join(text, gap, gap_end, feeds, blank, inner, tables, out, size)
            size += _copy(text, inner, outer, out, size)
            feeds, blank = -1, -1
        if outer < stop and piece < len(starts) and _feeds(text, outer, stop) > feeds:
            gap, gap_end, feeds = outer, stop, _feeds(text, outer, stop)
    return size


@kernel
def _join(
    text: Bytes,
    gap: Int,
    gap_end: Int,
    feeds: Int,
    blank: Int,
    right: Int,
    tables: CharacterTables,
    out: Bytes,
    size: Int,
) -> Int:
    """Write what goes between two pieces; returns the size after that."""
    if feeds > 2:
        out[size] = out[size + 1] = _NEWLINE
        return size + 2
    if feeds >= 0:
        return size + _copy(text, gap, gap_end, out, size)
    if _fuse(out[:size], text[right:], tables):
        out[size] = text[blank] if blank >= 0 else _BLANK
        return size + 1
    return size


@kernel
def _copy(text: Bytes, start: Int, end: Int, out: Bytes, to: Int) -> Int:
    """Copy byte by byte, because numba takes seconds to compile an assignment of slices. Returns how many bytes."""
    for k in range(end - start):
        out[to + k] = text[start + k]
    return end - start


@kernel
def _fuse(left: Bytes, right: Bytes, tables: CharacterTables) -> bool:
    """Whether the two would be read as one word."""
    at = len(left) - 1
    while at > 0 and left[at] & 0xC0 == 0x80:
        at -= 1
    before, _ = decode(left, at)
    after, _ = decode(right, 0)
    return bool(_in_word(before, tables) and _in_word(after, tables))


@kernel
def _in_word(point: Int, tables: CharacterTables) -> bool:
    flags = flags_of(tables, point)
    return bool(flags & WORD_CHARACTER != 0 and flags & UNSPACED == 0)


@kernel
def _feeds(text: Bytes, start: Int, end: Int) -> Int:
    feeds = 0
    for at in range(start, end):
        feeds += text[at] == _NEWLINE
    return feeds


@kernel
def _after_space(text: Bytes, start: Int, stop: Int, tables: CharacterTables) -> Int:
    at = start
    while at < stop:
        point, size = decode(text, at)
        if flags_of(tables, point) & SPACE == 0:
            break
        at += size
    return at


@kernel
def _before_space(text: Bytes, start: Int, stop: Int, tables: CharacterTables) -> Int:
    at = stop
    while at > start:
        last = at - 1
        while last > start and text[last] & 0xC0 == 0x80:
            last -= 1
        point, _ = decode(text, last)
        if flags_of(tables, point) & SPACE == 0:
            break
        at = last
    return at


@kernel
def _first_space(text: Bytes, start: Int, end: Int) -> Int:
    """The first white space of one byte; -1 if there is none."""
    for at in range(start, end):
        if text[at] == _BLANK or 9 <= text[at] <= 13:
            return at
    return -1

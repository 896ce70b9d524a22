"""Spans of bytes that are cut out of texts, and how many characters are inside and outside them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int64s, Offsets
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode
from stages.kernels.classes import MARK, PUNCTUATION, SPACE, UNSPACED, WORD_CHARACTER, CharacterTables, flags_of

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
    offsets: Offsets, data: Bytes, spans: TokenSpans, tables: CharacterTables, clean: bool, out: Bytes, ends: Offsets
) -> None:
    """Write the rows without their spans to `out`, which is as large as the rows plus one byte per span."""
    to = 0
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        first, last = spans.first[row], spans.first[row + 1]
        if first == last:
            to += _copy(text, 0, len(text), out, to)
        else:
            to += _cut_row(text, spans.start[first:last], spans.end[first:last], tables, clean, out[to:])
        ends[row + 1] = to


@kernel
def _cut_row(text: Bytes, starts: Int64s, ends: Int64s, tables: CharacterTables, clean: bool, out: Bytes) -> Int:
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
                if not clean:
                    size = _join(text, gap, gap_end, feeds, blank, inner, tables, out, size)
                elif feeds >= 0:
                    size += _copy_gap(text, gap, feeds, out, size)
                elif _are_apart(out[:size], text[inner:], tables):
                    out[size] = _BLANK
                    size += 1
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
def _copy_gap(text: Bytes, gap: Int, feeds: Int, out: Bytes, to: Int) -> Int:
    """Write the white space between two pieces: one character, or one or two line feeds. Returns how many bytes."""
    if feeds == 0:
        return _copy(text, gap, gap + decode(text, gap)[1], out, to)
    for k in range(min(feeds, 2)):
        out[to + k] = _NEWLINE
    return min(feeds, 2)


@kernel
def _are_apart(left: Bytes, right: Bytes, tables: CharacterTables) -> bool:
    """Whether a space belongs between the two: unless one is a letter or a mark of a script without spaces."""
    at = len(left)
    while True:
        at = _before(left, at)
        point, _ = decode(left, at)
        if at == 0 or flags_of(tables, point) & MARK == 0:
            break
    after, _ = decode(right, 0)
    return not (_is_unspaced(point, tables) or _is_unspaced(after, tables))


@kernel
def _is_unspaced(point: Int, tables: CharacterTables) -> bool:
    if flags_of(tables, point) & UNSPACED != 0:
        return True
    wide = 0x3000 <= point < 0x3040 or 0xFF00 <= point < 0xFF66
    return bool(wide and flags_of(tables, point) & PUNCTUATION != 0)


@kernel
def _before(text: Bytes, end: Int) -> Int:
    """Where the character before byte `end` starts."""
    at = end - 1
    while at > 0 and text[at] & 0xC0 == 0x80:
        at -= 1
    return at


@kernel
def fit_rows(
    offsets: Offsets, data: Bytes, spans: TokenSpans, tables: CharacterTables, rows: Int64s, start: Int64s, end: Int64s
) -> Int:
    """Shorten each span to the whole words in it; returns how many spans have any."""
    found = 0
    for row in range(len(offsets) - 1):
        first, last = spans.first[row], spans.first[row + 1]
        if first < last:
            text = data[offsets[row] : offsets[row + 1]]
            more = _fit_row(text, spans.start[first:last], spans.end[first:last], tables, start[found:], end[found:])
            rows[found : found + more] = row
            found += more
    return found


@kernel
def _fit_row(
    text: Bytes, starts: Int64s, ends: Int64s, tables: CharacterTables, out_start: Int64s, out_end: Int64s
) -> Int:
    """One pass over the words, as `split_words` has them. `word` is the start of the one that is read, or -1."""
    at, word, alone, span, found, whole = 0, -1, False, 0, 0, False
    while at <= len(text) and span < len(starts):
        point, size = (np.int64(_NEWLINE), 1) if at == len(text) else decode(text, at)
        flags = flags_of(tables, point)
        space, letter = flags & SPACE != 0, flags & UNSPACED != 0
        if word >= 0 and (space or (flags & MARK == 0 and (alone or letter))):
            while span < len(starts) and ends[span] < at:
                span, found, whole = span + 1, found + whole, False
            if span < len(starts) and starts[span] <= word:
                if not whole:
                    out_start[found], whole = word, True
                out_end[found] = at
            word = -1
        if not space and word < 0:
            word, alone = at, letter
        elif not space and flags & MARK == 0:
            alone = letter
        at += size
    return found + whole


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

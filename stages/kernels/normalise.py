"""Text as deduplication sees it, in one of the dialects of `stages.kernels.dialects`: one pass over the bytes.

Each code point is replaced as the dialect's tables say. A run of white space becomes one space, with none at either
end. In the dialect `text`, a few signs stay where they are part of a number or a name, which the characters next to
them decide; and in all dialects but `paper`, marks that stay are in canonical order, whatever order they came in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bytes, Int, Int32s, Offsets, UInt16s
from classifiers.kernels.jit import inlined, kernel
from classifiers.kernels.utf8 import REPLACEMENT, decode
from stages.kernels.buffers import utf8_views
from stages.kernels.dialects import (
    ALONE,
    BLANK,
    CONTEXT,
    DECIMAL,
    GONE,
    HASH,
    IN_WORD,
    IS_DIGIT,
    IS_MARK,
    JOINER,
    JOINS,
    LOOK,
    MOVES,
    PERCENT,
    POINT,
    SAME,
    SIGN,
    SIZE,
    SPACE,
    START,
    Dialect,
    Normal,
    normal,
)
from stages.kernels.numbers import numbers_as_zero
from stages.kernels.words import longest

GROWTH = 3  # bytes written per byte read, at most: for a Hangul syllable, or a byte that is not UTF-8
_ZERO, _ONE = np.uint64(0), np.uint64(1)  # unsigned, as all positions are


class Clean(NamedTuple):
    """Scratch for one normalised text: its bytes, and the byte after each of its words."""

    text: Bytes
    end: Offsets


def new_clean(size: int) -> Clean:
    """Scratch for texts of up to `size` bytes."""
    return Clean(np.empty(GROWTH * size + 8, np.uint8), np.empty(most_words(size, 1) + 1, np.int64))


def most_words(size: int, rows: int) -> int:
    """The most words that `rows` texts of `size` bytes in all can have: each needs a space, or a three-byte letter."""
    return size // 2 + rows


def views_of(column: pa.Array | pa.ChunkedArray, dialect: Dialect) -> tuple[Offsets, Bytes]:
    """The rows of a text column for `normalise`: with zeros for numbers if the dialect has them."""
    offsets, data = utf8_views(column)
    return numbers_as_zero(offsets, data) if dialect == "datatrove" else (offsets, data)


def normalised(column: pa.Array | pa.ChunkedArray, dialect: Dialect) -> pa.Array:
    """Every text of a column, normalised, as large_string. Null rows become empty, bytes that are not UTF-8 U+FFFD."""
    offsets, data = views_of(column, dialect)
    ends = np.zeros(len(offsets), np.int64)
    out = np.empty(GROWTH * int(offsets[-1] - offsets[0]) + 8, np.uint8)
    _normalise_rows(offsets, data, normal(dialect), new_clean(longest(offsets)).end, ends, out)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]].copy())]
    return pa.Array.from_buffers(pa.large_string(), len(ends) - 1, buffers)


@kernel
def _normalise_rows(offsets: Offsets, data: Bytes, tables: Normal, words: Offsets, ends: Offsets, out: Bytes) -> None:
    for row in range(len(offsets) - 1):
        clean = Clean(out[ends[row] :], words)
        ends[row + 1] = ends[row] + normalise(data[offsets[row] : offsets[row + 1]], tables, clean)[0]


@kernel
def normalise(text: Bytes, tables: Normal, out: Clean) -> tuple[Int, Int]:
    """Fill `out`; returns how many bytes and words the normalised text has.

    Positions are unsigned, because a signed index may count from the end, and checking that costs time.
    """
    plain, page, codes, pool, clean, ends = tables.plain, tables.page, tables.code, tables.pool, out.text, out.end
    at, size, words, inside, alone, messy = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, False  # inside a word; a lone letter
    while at < np.uint64(len(text)):
        byte = text[at]
        if byte < 0x80:
            stands = plain[byte]  # no branch: it is always written, and stays if the position then moves on
            if stands >= LOOK:
                close = _may_belong(text, at, stands) and _belongs(text, at, clean, inside * size, tables)
                stands = byte if close else BLANK
            stays, space = np.uint64(stands != GONE), np.uint64(stands == BLANK)
            ends[words], clean[size] = size, stands
            words += stays & (alone | (space & inside))
            size += stays & (inside | (space ^ _ONE))
            inside, alone = (stays & (space ^ _ONE)) | ((stays ^ _ONE) & inside), alone & (stays ^ _ONE)
            at += _ONE
            continue
        code, length = _code(text, np.int64(at), page, codes)
        count, lone = code & SIZE, np.uint64(code & ALONE != 0)
        if code & (7 << CONTEXT) != 0 and not _belongs(text, at, clean, inside * size, tables):
            count = 0 if code >> CONTEXT & 7 == JOINER else SPACE
        if count == SPACE:
            ends[words], clean[size] = size, BLANK
            words, size, inside, alone = words + inside, size + inside, _ZERO, _ZERO
        elif count > 0:
            if code & IS_MARK == 0 or inside == _ZERO:
                ends[words] = size
                words, alone = words + (inside & (alone | lone)), lone
            start, inside = size, _ONE
            size += _replace(text, at, length, code, pool, clean, size)
            messy = messy or (code & MOVES != 0 and _out_of_order(clean, np.int64(start), tables.order))
        at += np.uint64(length)
    ends[words] = size
    if messy:
        _put_in_order(clean[:size], tables.order)
    return np.int64(size if inside or size == _ZERO else size - _ONE), np.int64(words + inside)


@inlined
def _replace(text: Bytes, at: Int, length: Int, code: Int, pool: Bytes, clean: Bytes, to: Int) -> Int:
    """Write what stands for the character of `length` bytes at byte `at`; returns how many bytes."""
    same = code & SIZE == SAME
    count = length if same else code & SIZE
    for k in range(count):
        clean[to + np.uint64(k)] = text[at + np.uint64(k)] if same else pool[(code >> START) + k]
    return np.uint64(count)


@inlined
def _may_belong(text: Bytes, at: Int, look: Int) -> bool:
    """Whether it takes a closer look to know if the ASCII sign at a byte is part of a word: most have no digit next."""
    follows = text[at + _ONE] if at + _ONE < np.uint64(len(text)) else BLANK
    return bool(look == LOOK or 0x30 <= follows <= 0x39 or follows >= 0x80)


@kernel
def _code(text: Bytes, at: Int, page: UInt16s, codes: Int32s) -> tuple[Int, Int]:
    """The code of the code point at a byte, and its size in bytes."""
    point, length = decode(text, at)
    if (length == 3 and point < 0x800) or (length == 4 and point < 0x10000):
        point = REPLACEMENT  # an overlong form
    return np.int64(codes[np.int64(page[point >> 8]), point & 255]), length


@kernel
def _belongs(text: Bytes, at: Int, clean: Bytes, size: Int, tables: Normal) -> bool:
    """Whether the sign at byte `at` is part of a word. `size`: bytes written, or 0 if no word precedes it at once."""
    page, codes = tables.page, tables.code
    code, length = _code(text, np.int64(at), page, codes)
    kind = code >> CONTEXT & 7
    after = np.int64(0)
    follows = np.int64(at) + length
    while follows < len(text):  # the next character that is seen
        after, length = _code(text, follows, page, codes)
        if after & SIZE != 0 and (kind == JOINER or after >> CONTEXT & 7 != JOINER):
            break
        after, follows = np.int64(0), follows + length
    before = np.int64(0)
    if size > 0:
        before, _ = _code(clean[:size], _last(clean, np.int64(size)), page, codes)
    return bool(_stays(kind, before, after))


@kernel
def _stays(kind: Int, before: Int, after: Int) -> bool:
    """Whether a sign between characters of these codes is part of a word (see `stages.kernels.dialects`)."""
    if kind == POINT:
        return bool(before & after & IS_DIGIT != 0)
    if kind == JOINER:
        return bool(before & JOINS != 0 and after & JOINS != 0 and before & after & IN_WORD != 0)
    leads = after & IS_DIGIT != 0 and before & IN_WORD == 0
    if kind == DECIMAL:
        return bool(leads or before & after & IS_DIGIT != 0)
    if kind == PERCENT:
        return bool(leads or before & IS_DIGIT != 0)
    if kind == HASH:
        return bool(leads or (before & IN_WORD != 0 and after & IN_WORD == 0))
    return bool(kind == SIGN and leads)


@kernel
def _last(text: Bytes, end: Int) -> Int:
    """Where the character before byte `end` starts."""
    at = end - 1
    while at > 0 and text[at] & 0xC0 == 0x80:
        at -= 1
    return at


@kernel
def _out_of_order(text: Bytes, mark: Int, order: Bytes) -> bool:
    """Whether the mark at a byte belongs before the character in front of it."""
    return bool(mark > 0 and _class(text, _last(text, mark), order) > _class(text, mark, order))


@kernel
def _class(text: Bytes, at: Int, order: Bytes) -> Int:
    point, _ = decode(text, at)
    return np.int64(order[point]) if point < len(order) else np.int64(0)


@kernel
def _put_in_order(text: Bytes, order: Bytes) -> None:
    """Sort each run of marks by their combining classes, as canonical order demands; equal ones stay as they are."""
    places, copy, at = np.empty(257, np.int64), np.empty(len(text), np.uint8), 0
    while at < len(text):
        start = at
        while at < len(text) and text[at] >= 0x80 and _class(text, at, order) > 0:
            at += decode(text, at)[1]
        if at > start:
            _sort_marks(text[start:at], order, places, copy)
        else:
            at += 1


@kernel
def _sort_marks(text: Bytes, order: Bytes, places: Offsets, copy: Bytes) -> None:
    """A counting sort of the characters of a text by their classes."""
    places[:] = 0
    at = 0
    while at < len(text):
        size = decode(text, at)[1]
        places[_class(text, at, order) + 1] += size
        at += size
    for k in range(256):
        places[k + 1] += places[k]
    at = 0
    while at < len(text):
        size, own = decode(text, at)[1], _class(text, at, order)
        for k in range(size):
            copy[places[own] + k] = text[at + k]
        places[own] += size
        at += size
    for k in range(len(text)):
        text[k] = copy[k]

"""Text as deduplication sees it: lower case, no accents, no punctuation, single spaces (RefinedWeb, section 3.3).

Each code point is put in lower case (one for one, `stages.kernels.classes.fold`) and canonically decomposed (NFD); then
categories Mn and P are removed. A run of white space becomes one space, with none at either end. So `Été—d'or` becomes
`etedor`, and a Hangul syllable its two or three letters. Decomposition is per code point: marks that stay (category Mc)
are not reordered.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bytes, Int, Int32s, Offsets, UInt16s
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import REPLACEMENT, decode
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import MARK, UNSPACED, fold, paged, tables
from stages.kernels.words import longest

GROWTH = 3  # bytes written per byte read, at most: for a Hangul syllable, or a byte that is not UTF-8
BLANK, _GONE = np.uint8(0x20), np.uint8(0xFF)  # bytes: the space, and one that stands for "nothing is written"
# A code is: start in the pool << 6 | flags << 4 | size. Two of the sizes occur for no entry of the pool: that of a
# character that stays the same, and that of white space.
_START, _SIZE, _SAME, _SPACE = 6, 15, 15, 14
_MARK, _ALONE = 16, 32  # the flags: a combining mark; a letter that is a word of its own
_ZERO, _ONE = np.uint64(0), np.uint64(1)  # unsigned, as all positions are
# Code points that may change. In the other blocks (Han, private use) every character stays as it is.
_SPANS = (
    range(0x3400),
    range(0x4DC0, 0x4E00),
    range(0xA000, 0x20000),
    range(0x2F800, 0x30000),
    range(0xE0000, 0xE0200),
)


class Normal(NamedTuple):
    """What replaces a character: `plain[byte]` (0xFF: nothing), or for non-ASCII `code[page[cp >> 8], cp & 255]`."""

    plain: Bytes
    page: UInt16s
    code: Int32s
    pool: Bytes  # UTF-8


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


@lru_cache(maxsize=1)
def normal() -> Normal:
    """The tables, built once a process (about 0.1 s)."""
    codes, pool = _unchanged(), bytearray(chr(REPLACEMENT).encode())
    for span in _SPANS:
        for point, lower in zip(span, fold("".join(map(chr, span))), strict=True):
            left = _left(lower)
            if left != chr(point) or lower.isspace():
                size = _SPACE if lower.isspace() else len(left.encode("utf-8", "replace"))
                codes[point] = codes[point] & (_MARK | _ALONE) | len(pool) << _START | size
                pool += left.encode("utf-8", "replace")
    codes[[*range(0xD800, 0xE000), REPLACEMENT]] = len(chr(REPLACEMENT).encode())
    page, code = paged(codes)
    return Normal(_plain(), page, code, np.frombuffer(bytes(pool), np.uint8))


def _unchanged() -> Int32s:
    """The code of every code point, as if it stayed the same, with its flags."""
    page, flags = tables().page, tables().flags
    every = flags[page].ravel()
    codes: Int32s = (_SAME | (every & MARK != 0) * _MARK | (every & UNSPACED != 0) * _ALONE).astype(np.int32)
    return codes


def _left(lower: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", lower) if stays(c))


def stays(character: str) -> bool:
    """Whether the character is neither an accent (Mn) nor punctuation (P)."""
    category = unicodedata.category(character)
    return category != "Mn" and category[0] != "P"


def _plain() -> Bytes:
    characters = fold("".join(map(chr, range(128))))
    return np.array([BLANK if c.isspace() else ord(c) if stays(c) else _GONE for c in characters], np.uint8)


def normalised(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Every text of a column, normalised, as large_string. Null rows become empty, bytes that are not UTF-8 U+FFFD."""
    offsets, data = utf8_views(column)
    ends = np.zeros(len(offsets), np.int64)
    out = np.empty(GROWTH * int(offsets[-1] - offsets[0]) + 8, np.uint8)
    _normalise_rows(offsets, data, normal(), new_clean(longest(offsets)).end, ends, out)
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

    ASCII takes no branch: the replacement of a byte is always written, and it stays if the position then moves on. All
    positions are unsigned, because a signed index may count from the end, and checking that costs time.
    """
    plain, page, codes, pool, clean, ends = tables.plain, tables.page, tables.code, tables.pool, out.text, out.end
    at, size, words, inside, alone = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO  # flags: inside a word; it is a lone letter
    while at < np.uint64(len(text)):
        byte = text[at]
        if byte < 0x80:
            stands = plain[byte]
            stays, space = np.uint64(stands != _GONE), np.uint64(stands == BLANK)
            ends[words], clean[size] = size, stands
            words += stays & (alone | (space & inside))
            size += stays & (inside | (space ^ _ONE))
            inside, alone = (stays & (space ^ _ONE)) | ((stays ^ _ONE) & inside), alone & (stays ^ _ONE)
            at += _ONE
            continue
        point, length = decode(text, np.int64(at))
        if (length == 3 and point < 0x800) or (length == 4 and point < 0x10000):
            point = REPLACEMENT  # an overlong form
        code = np.int64(codes[np.int64(page[point >> 8]), point & 255])
        count, lone = code & _SIZE, np.uint64(code & _ALONE != 0)
        if count == _SPACE:
            ends[words], clean[size] = size, BLANK
            words, size, inside, alone = words + inside, size + inside, _ZERO, _ZERO
        elif count > 0:
            if code & _MARK == 0 or inside == _ZERO:
                ends[words] = size
                words, alone = words + (inside & (alone | lone)), lone
            inside = _ONE
            for k in range(length if count == _SAME else count):
                clean[size] = text[at + np.uint64(k)] if count == _SAME else pool[(code >> _START) + k]
                size += _ONE
        at += np.uint64(length)
    ends[words] = size
    return np.int64(size if inside or size == _ZERO else size - _ONE), np.int64(words + inside)

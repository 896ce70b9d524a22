"""Documents as sequences of tokens, and the prefix hashes of those sequences.

The value of a token is made of its bytes in pieces of seven, with the number of bytes in the bits above. So a token of
up to seven bytes is its own value. Longer ones are polynomials over their pieces, modulo 2^61 - 1, in two families.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int64s, Offsets, UInt64s
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode
from stages.kernels.classes import MARK, SPACE, UNSPACED, WORD_CHARACTER, CharacterTables
from stages.kernels.modular import BASE_A, BASE_B, INNER_A, INNER_B, appended

PIECE = 7  # bytes of a piece: they and a number up to 9 above them stay below the prime 2^61 - 1
_BITS = np.uint64(56)  # bits of a piece, above which the number stands
_MORE = np.uint64(8) << _BITS  # marks a piece of seven bytes that is not the last
_ID = np.uint64(9) << _BITS  # marks a number of the vocabulary
_WORD, _ALONE = 1, 2  # kinds of tokens: a run of word characters; a single character


class Tokens(NamedTuple):
    """Tokens of some rows. Token t of row r has the number `first[r] + t`.

    `a[first[r] + r + t]` is the hash of the first t tokens of row r in the first family; `b` is the same in the second.
    """

    first: Int64s  # rows + 1
    start: Int64s  # first byte, counted from the row's
    end: Int64s  # byte after it
    a: UInt64s  # tokens + rows
    b: UInt64s


def new_tokens(counts: Int64s) -> Tokens:
    """Room for `counts` tokens in each row."""
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
    tokens = int(first[-1])
    start, end = np.empty(tokens, np.int64), np.empty(tokens, np.int64)
    a, b = np.empty(tokens + len(counts), np.uint64), np.empty(tokens + len(counts), np.uint64)
    return Tokens(first, start, end, a, b)


@kernel
def count_words(offsets: Offsets, data: Bytes, tables: CharacterTables, counts: Int64s) -> None:
    """Count the tokens that `find_words` will find in each row."""
    nothing = np.empty(0, np.int64)
    for row in range(len(offsets) - 1):
        counts[row] = _words(data[offsets[row] : offsets[row + 1]], tables, False, nothing, nothing)


@kernel
def find_words(offsets: Offsets, data: Bytes, tables: CharacterTables, out: Tokens) -> None:
    """Fill `start` and `end`."""
    for row in range(len(offsets) - 1):
        first, last = out.first[row], out.first[row + 1]
        _words(data[offsets[row] : offsets[row + 1]], tables, True, out.start[first:last], out.end[first:last])


@kernel
def _words(text: Bytes, tables: CharacterTables, fill: bool, start: Int64s, end: Int64s) -> Int:
    """Count the tokens and, if `fill`, note where they are. One loop with its state in locals, as in `split_words`."""
    page, classes, ascii_classes = tables.page, tables.flags, tables.flags[np.int64(tables.page[0])]
    at, found, kind = 0, 0, 0
    while at < len(text):
        point, size = np.int64(text[at]), 1
        if point < 0x80:
            flags = np.int64(ascii_classes[point])
        else:
            point, size = decode(text, at)
            flags = np.int64(classes[np.int64(page[point >> 8]), point & 255])
        if flags & SPACE != 0:
            new = 0
        elif kind != 0 and flags & MARK != 0:
            new = kind
        else:
            new = _WORD if flags & WORD_CHARACTER != 0 and flags & UNSPACED == 0 else _ALONE
            if new == _ALONE or kind != _WORD:
                if fill:
                    start[found] = at
                found += 1
        at += size
        if fill and new != 0:
            end[found - 1] = at
        kind = new
    return found


@kernel
def hash_prefixes(offsets: Offsets, data: Bytes, ids: Int64s, out: Tokens) -> None:
    """Fill `a` and `b` from the bytes of the tokens and, if given, their `ids` (numbers in a vocabulary)."""
    start, end, a, b = out.start, out.end, out.a, out.b
    for row in range(len(offsets) - 1):
        hashed_a, hashed_b, to = np.uint64(0), np.uint64(0), out.first[row] + row
        a[to], b[to] = hashed_a, hashed_b
        for token in range(out.first[row], out.first[row + 1]):
            at, stop = offsets[row] + start[token], offsets[row] + end[token]
            value_a, value_b = np.uint64(0), np.uint64(0)
            if len(ids) > 0:
                value_a = value_b = _ID | np.uint64(ids[token])
            while stop - at > PIECE:
                piece = piece_of(data, at, at + PIECE) | _MORE
                value_a, value_b = appended(value_a, INNER_A, piece), appended(value_b, INNER_B, piece)
                at += PIECE
            piece = piece_of(data, at, stop) | (np.uint64(stop - at) << _BITS)
            if value_a == 0:
                value_a = value_b = piece
            else:
                value_a, value_b = appended(value_a, INNER_A, piece), appended(value_b, INNER_B, piece)
            hashed_a, hashed_b = appended(hashed_a, BASE_A, value_a), appended(hashed_b, BASE_B, value_b)
            to += 1
            a[to], b[to] = hashed_a, hashed_b


@kernel
def piece_of(data: Bytes, at: Int, stop: Int) -> Int:
    """Up to seven bytes as a number."""
    value = np.uint64(0)
    for k in range(at, stop):
        value = (value << np.uint64(8)) | np.uint64(data[k])
    return value

"""Paragraphs (lines) of documents, hashed in their normalised form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bytes, Int64s, Offsets, UInt32s, UInt64s
from classifiers.kernels.hash import scrambled
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import DIGIT, CharacterTables, flags_of, tables
from stages.kernels.dialects import Dialect
from stages.kernels.modular import BASE_A, BASE_B, appended
from stages.kernels.normalise import normalised
from stages.kernels.tokens import PIECE

_NEWLINE, _BLANK, _ZERO = 10, 32, 48  # bytes: the line feed, the space, the digit 0
_BYTE, _BITS = np.uint64(8), np.uint64(56)  # bits of a byte; bits of a piece, above which its size stands


class Paragraphs(NamedTuple):
    """Paragraphs of some rows, in order."""

    key: UInt64s
    check: UInt64s
    row: Int64s
    start: UInt32s  # first byte, counted from the row's
    end: UInt32s  # byte after it, line feeds not counted


def paragraphs(offsets: Offsets, data: Bytes, least: int, dialect: Dialect) -> Paragraphs:
    """The lines that have `least` words or more once normalised. Memory: about 4 bytes per byte of text.

    In the dialect `paper`, all digits are alike.
    """
    breaks = np.flatnonzero(data[offsets[0] : offsets[-1]] == _NEWLINE) + offsets[0]
    start = np.sort(np.concatenate((offsets[:-1], breaks + 1)))
    edges = np.append(start, offsets[-1])
    lines = pa.Array.from_buffers(pa.large_string(), len(start), [None, pa.py_buffer(edges), pa.py_buffer(data)])
    key, check = np.empty((2, len(start)), np.uint64)
    words = np.empty(len(start), np.int64)
    _hash(*utf8_views(normalised(lines, dialect)), tables(), dialect == "paper", key, check, words)
    kept = np.flatnonzero(words >= least)
    row = np.searchsorted(offsets[1:], start[kept], "right")
    end = edges[kept + 1] - (data[edges[kept + 1] - 1] == _NEWLINE)
    at, to = ((edge - offsets[row]).astype(np.uint32) for edge in (start[kept], end))
    return Paragraphs(key[kept], check[kept], row, at, to)


@kernel
def _hash(
    offsets: Offsets, data: Bytes, classes: CharacterTables, alike: bool, key: UInt64s, check: UInt64s, words: Int64s
) -> None:
    """Both hashes of normalised lines, and how many words they have. `alike`: every digit of any script counts as 0."""
    for line in range(len(offsets) - 1):
        text = data[offsets[line] : offsets[line + 1]]
        a, b, piece, held, at, blanks = np.uint64(0), np.uint64(0), np.uint64(0), 0, 0, 0
        while at < len(text):
            point, size = decode(text, at)
            digit = alike and flags_of(classes, point) & DIGIT != 0
            blanks += point == _BLANK
            for k in range(1 if digit else size):
                piece = (piece << _BYTE) | np.uint64(_ZERO if digit else text[at + k])
                held += 1
                if held == PIECE:
                    full = piece | (np.uint64(held) << _BITS)
                    a, b, piece, held = appended(a, BASE_A, full), appended(b, BASE_B, full), np.uint64(0), 0
            at += size
        rest = piece | (np.uint64(held) << _BITS)
        key[line] = scrambled(appended(a, BASE_A, rest))
        check[line] = scrambled(appended(b, BASE_B, rest))
        words[line] = blanks + 1 if len(text) > 0 else 0

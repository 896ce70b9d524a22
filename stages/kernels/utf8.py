"""Decoding UTF-8, and looking code points up."""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Bytes, Int
from classifiers.kernels.jit import kernel
from stages.kernels.classes import CharacterTables


@kernel
def decode(text: Bytes, at: Int) -> tuple[Int, Int]:
    """Code point at byte `at` and its length in bytes; (U+FFFD, 1) where the bytes are not UTF-8."""
    first = np.int64(text[at])
    if first < 0x80:
        return first, 1
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC2 or first > 0xF4 or at + size > len(text):
        return 0xFFFD, 1
    point = first & (0xFF >> (size + 1))
    for k in range(1, size):
        byte = np.int64(text[at + k])
        if byte & 0xC0 != 0x80:
            return 0xFFFD, 1
        point = (point << 6) | (byte & 0x3F)
    return (point, size) if point < 0x110000 else (0xFFFD, 1)


@kernel
def flags_of(tables: CharacterTables, point: Int) -> Int:
    """The classes of a code point, as a bit set."""
    return np.int64(tables.flags[np.int64(tables.page[point >> 8]), point & 255])


@kernel
def folded(tables: CharacterTables, point: Int) -> Int:
    """The lower case of a code point (a simple one: one code point for one)."""
    return point + np.int64(tables.fold[np.int64(tables.fold_page[point >> 8]), point & 255])

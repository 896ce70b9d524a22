"""Every number of a text as a single zero, as datatrove writes it before it compares texts."""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Offsets, UInt16s
from classifiers.kernels.jit import inlined, kernel
from classifiers.kernels.utf8 import decode
from stages.kernels.classes import DIGIT, tables

ZERO = np.uint8(0x30)
# What may stand between the digits of one number, once: the signs of datatrove's pattern.
POINTS = np.array([*map(ord, ".,\u060c\u066b\u2396\u2397\u2398")])


def numbers_as_zero(offsets: Offsets, data: Bytes) -> tuple[Offsets, Bytes]:
    """The rows with `0` for each run of decimal digits, and a point or comma and more digits if they follow at once."""
    ends = np.zeros(len(offsets), np.int64)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    classes = tables()
    _zero_rows(offsets, data, classes.page, classes.flags, ends, out)
    return ends, out[: ends[-1]]


@kernel
def _zero_rows(offsets: Offsets, data: Bytes, page: UInt16s, flags: UInt16s, ends: Offsets, out: Bytes) -> None:
    for row in range(len(offsets) - 1):
        text, size, at = data[offsets[row] : offsets[row + 1]], ends[row], np.int64(0)
        while at < len(text):
            plain = text[at] < 0x30 or 0x39 < text[at] < 0x80  # most bytes, and no call for them
            after = at if plain else _after_digits(text, at, page, flags)
            if after > at:
                out[size] = ZERO
                size, at = size + 1, _after_fraction(text, after, page, flags)
            else:
                out[size] = text[at]
                size, at = size + 1, at + 1
        ends[row + 1] = size


@inlined
def _after_digits(text: Bytes, at: Int, page: UInt16s, flags: UInt16s) -> Int:
    """The byte after the decimal digits that start at a byte: that byte if there are none."""
    while at < len(text):
        if text[at] < 0x80:
            if not 0x30 <= text[at] <= 0x39:
                break
            at += 1
            continue
        point, length = decode(text, at)
        if flags[np.int64(page[point >> 8]), point & 255] & DIGIT == 0:
            break
        at += length
    return at


@kernel
def _after_fraction(text: Bytes, at: Int, page: UInt16s, flags: UInt16s) -> Int:
    """The byte after a point and its digits; `at` if there is no point, or no digit after it."""
    if at == len(text):
        return at
    point, length = decode(text, at)
    after = at + length
    if (point == POINTS).any():
        end = _after_digits(text, after, page, flags)
        if end > after:
            return end
    return at

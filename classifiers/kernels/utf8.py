"""UTF-8 for all kernels: the decoder and the encoder, and a second decoder for the blocks of a page alone.

Texts in Arrow columns are valid UTF-8, but a page or a binary column may hold any bytes. So both decoders accept any
bytes and never read outside their array. On valid UTF-8 they agree; they differ in their policy for other bytes:

`decode`          checks: every byte that does not start a character is a U+FFFD of length 1. Surrogates and overlong
                  forms of three and four bytes pass as characters.
`decode_trusted`  does not check: it takes the bits that it finds. The shipped model of blocks was trained on what it
                  gives for pages with stray bytes and for faulty escapes in their JSON, so its features depend on it;
                  and Chinese is measured at 1.6 times the speed.
"""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Bytes, Int
from classifiers.kernels.jit import kernel

REPLACEMENT = 0xFFFD  # the code point that stands for a byte that is not UTF-8


@kernel
def decode(text: Bytes, at: Int) -> tuple[Int, Int]:
    """Code point at byte `at` and its length in bytes; (U+FFFD, 1) if the bytes are not UTF-8."""
    first = np.int64(text[at])
    if first < 0x80:
        return first, 1
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC2 or first > 0xF4 or at + size > len(text):
        return REPLACEMENT, 1
    point = first & (0xFF >> (size + 1))
    for k in range(1, size):
        byte = np.int64(text[at + k])
        if byte & 0xC0 != 0x80:
            return REPLACEMENT, 1
        point = (point << 6) | (byte & 0x3F)
    return (point, size) if point < 0x110000 else (REPLACEMENT, 1)


@kernel
def decode_trusted(text: Bytes, at: Int) -> tuple[Int, Int]:
    """Code point at byte `at` and its length in bytes; something harmless if the bytes are not UTF-8."""
    byte = np.int64(text[at])
    left = len(text) - at
    if byte < 0x80 or left < 2:
        return byte & 127, 1
    if byte < 0xE0:
        return (byte & 31) << 6 | (np.int64(text[at + 1]) & 63), 2
    if left < 3:
        return np.int64(0), 1
    if byte < 0xF0:
        return (byte & 15) << 12 | (np.int64(text[at + 1]) & 63) << 6 | (np.int64(text[at + 2]) & 63), 3
    if left < 4:
        return np.int64(0), 1
    upper = (byte & 7) << 18 | (np.int64(text[at + 1]) & 63) << 12
    return upper | (np.int64(text[at + 2]) & 63) << 6 | (np.int64(text[at + 3]) & 63), 4


@kernel
def put(text: Bytes, at: Int, point: Int) -> Int:
    """Write a code point as UTF-8; returns the place after it. There must be room for four bytes."""
    if point < 0x80:
        text[at] = point
        return at + 1
    if point < 0x800:
        text[at], text[at + 1] = 0xC0 | point >> 6, 0x80 | point & 63
        return at + 2
    if point < 0x10000:
        text[at], text[at + 1], text[at + 2] = 0xE0 | point >> 12, 0x80 | point >> 6 & 63, 0x80 | point & 63
        return at + 3
    text[at], text[at + 1] = 0xF0 | point >> 18, 0x80 | point >> 12 & 63
    text[at + 2], text[at + 3] = 0x80 | point >> 6 & 63, 0x80 | point & 63
    return at + 4

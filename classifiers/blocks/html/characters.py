"""From the bytes of HTML's text to those of the text: collapses white space, decodes character references."""

from __future__ import annotations

import numpy as np

from classifiers.blocks.html import names
from classifiers.blocks.html.layout import (
    BLOCK,
    BOLD,
    BREAKS,
    CHARS,
    HERE,
    HTML,
    IN_BOLD,
    LINES,
    LINK,
    LINKED,
    SPACE_DUE,
    START,
)  # fmt: skip
from classifiers.kernels.arrays import Bytes, Int, Int64s, UInt64s
from classifiers.kernels.hash import FNV_SEED, fnv
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import REPLACEMENT, put

LT, GT, AMP, SLASH, BANG, QUESTION, DASH, HASH, SEMICOLON = (np.uint8(ord(c)) for c in "<>&/!?-#;")
_LATIN_1 = np.uint8(0xC2)  # begins a no-break space, among others


@kernel
def lower(byte: Int) -> Int:
    """The small letter of an ASCII capital; any other byte itself."""
    return byte | np.uint8(32) if 65 <= byte <= 90 else byte


@kernel
def is_letter(byte: Int) -> Int:
    """Whether the byte is an ASCII letter."""
    return 97 <= byte <= 122 or 65 <= byte <= 90


@kernel
def is_space(byte: Int) -> Int:
    """Whether the byte is white space of HTML."""
    return byte == 32 or 9 <= byte <= 13


@kernel
def write(
    data: Bytes, at: Int, end: Int, text: Bytes, blocks: Int64s, state: Int64s, keep_space: Int, any_byte: bool
) -> Int:  # fmt: skip
    """Write from `at` to the next `<` (to `end`, if `any_byte`) into the present block. Returns where it stopped.

    The byte at `at` is text, whatever it is.
    """
    block, here, due = state[BLOCK], state[HERE], state[SPACE_DUE]
    start, first = blocks[state[BLOCK], START], at
    chars: Int = np.int64(0)
    while at < end and (data[at] != LT or at == first or any_byte):
        byte = data[at]
        point, size = np.int64(byte), 1
        if byte in (AMP, _LATIN_1):
            point, size = _special(data, at, end)
        if point <= 32:
            if keep_space and (point == 32 or point == 9 or (point == 10 and here > start)):
                text[here] = point
                here += 1
                blocks[block, LINES] += point == 10
            elif not keep_space:
                due = 1
        else:
            if here == start:
                blocks[block, HTML] = at
            elif due == 1 and text[here - 1] > 32:
                text[here] = 32
                here, chars = here + 1, chars + 1
            due = 0
            if byte == AMP:
                here = put(text, here, point)
                chars += 1
            else:
                text[here] = byte
                here += 1
                chars += byte < 0x80 or byte >= 0xC0
        at += size
    state[HERE], state[SPACE_DUE] = here, due
    _count(blocks, state, chars)
    return min(at, end)


@kernel
def _special(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """Code point of a reference, 32 for a no-break space, else the byte itself; and its size in bytes."""
    if data[at] == AMP:
        point, size = reference(data, at, end)
        return (np.int64(32) if point == 0xA0 else point), size
    if at + 1 < end and data[at + 1] == 0xA0:
        return np.int64(32), 2
    return np.int64(data[at]), 1


@kernel
def _count(blocks: Int64s, state: Int64s, chars: Int) -> None:
    """Add characters to the present block, and to those in links and in bold if such an element is open."""
    block = state[BLOCK]
    if chars > 0:
        state[BREAKS] = 0
    blocks[block, CHARS] += chars
    blocks[block, LINKED] += chars if state[LINK] > 0 else 0
    blocks[block, BOLD] += chars if state[IN_BOLD] > 0 else 0


@kernel
def reference(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """Code point and size of the character reference at `at`, an `&`; the `&` itself if it is not a reference."""
    if at + 1 < end and data[at + 1] == HASH:
        return _numeric(data, at, end)
    value, size = FNV_SEED, 1
    legacy, legacy_size = np.int64(0), 0
    stop = min(end, at + names.LONGEST_ENTITY + 1)
    while at + size < stop and (is_letter(data[at + size]) or 48 <= data[at + size] <= 57):
        value = fnv(value, data[at + size])
        size += 1
        if size <= names.LONGEST_LEGACY + 1:
            point = looked_up(names.LEGACY_HASHES, names.LEGACY_POINTS, value)
            if point != 0:
                legacy, legacy_size = point, size
    if size > 1 and at + size < end and data[at + size] == SEMICOLON:
        point = looked_up(names.ENTITY_HASHES, names.ENTITY_POINTS, value)
        if point != 0:
            return point, size + 1
    return (legacy, legacy_size) if legacy != 0 else (np.int64(AMP), 1)


@kernel
def looked_up(hashes: UInt64s, numbers: Int64s, value: Int) -> Int:
    """The number of a hash in sorted `hashes`, 0 if it is not among them."""
    at = np.searchsorted(hashes, value)
    return numbers[at] if at < len(hashes) and hashes[at] == value else np.int64(0)


@kernel
def _numeric(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """Code point and size of `&#…;`."""
    size, point = 2, np.int64(0)
    is_hex = at + 2 < end and lower(data[at + 2]) == 120
    if is_hex:
        size = 3
    digits = size
    while at + size < end:
        digit = np.int64(lower(data[at + size]))
        digit = digit - 87 if is_hex and 97 <= digit <= 102 else digit - 48 if 48 <= digit <= 57 else np.int64(-1)
        if digit < 0:
            break
        point = min(point * (16 if is_hex else 10) + digit, np.int64(1 << 30))
        size += 1
    if size == digits:
        return np.int64(AMP), 1
    if at + size < end and data[at + size] == SEMICOLON:
        size += 1
    if 128 <= point < 160:
        point = names.WINDOWS_1252[point - 128]
    if point == 0 or 0xD800 <= point < 0xE000 or point > 0x10FFFF:
        point = np.int64(REPLACEMENT)
    return (point if point != 127 else np.int64(32)), size

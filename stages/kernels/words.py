"""A document taken apart: its words and its runs of line breaks.

A word is a maximal run without white space (as `str.split`). Scripts that are written without spaces would give one
word a line; with `unspaced` each of their letters, with the marks that follow it, is a word of its own, and so is
what stands between two of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int32s, Offsets, UInt64s
from classifiers.kernels.jit import kernel
from stages.kernels.classes import MARK, SPACE, UNSPACED, CharacterTables
from stages.kernels.utf8 import decode

NEWLINE = 10
_SEED = np.uint64(0x9E3779B97F4A7C15)
_PRIME = np.uint64(0x100000001B3)  # of FNV-1a
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


class Words(NamedTuple):
    """Words of one document, and its runs of line feeds (`breaks`, inclusive start, exclusive end)."""

    start: Int32s  # first byte of each word
    end: Int32s  # byte after it
    at: Int32s  # the number of characters before it
    hash: UInt64s  # of its characters: a hint, equality is decided by the bytes
    before: Int32s  # word characters before each word; one entry more than words
    break_start: Int32s
    break_end: Int32s
    break_at: Int32s  # the number of characters before each run


class Slots(NamedTuple):
    """An open-addressing hash table that empties itself by a new generation (`now[0] += 1`)."""

    key: UInt64s
    value: Int32s
    generation: Int32s
    now: Int32s


def longest(offsets: Offsets) -> int:
    """Bytes of the longest row: the size of the scratch arrays."""
    return int(np.diff(offsets).max(initial=0))


def new_words(size: int) -> Words:
    """Scratch for documents of up to `size` bytes: every second byte may start a word or a run of breaks."""
    starts, ends, at, break_start, break_end, break_at = np.zeros((6, size // 2 + 2), np.int32)
    hashes, before = np.zeros(size // 2 + 2, np.uint64), np.zeros(size // 2 + 3, np.int32)
    return Words(starts, ends, at, hashes, before, break_start, break_end, break_at)


def new_slots(entries: int) -> Slots:
    """A table for up to `entries` entries at a time."""
    size = 1 << table_bits(entries)
    return Slots(np.zeros(size, np.uint64), np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(1, np.int32))


@kernel
def table_bits(entries: Int) -> Int:
    """log2 of the slots used for `entries` entries: half full at most."""
    bits = 4
    while (1 << bits) < 2 * entries:
        bits += 1
    return bits


@kernel
def mixed(value: Int) -> Int:
    """A 64-bit hash whose high bits depend on every bit of `value`."""
    value = (value ^ (value >> _HALF)) * _MIX
    return (value ^ (value >> _HALF)) * _MIX


@kernel
def same_bytes(text: Bytes, a: Int, b: Int, size: Int) -> bool:
    """Are the `size` bytes at `a` and at `b` the same?"""
    for k in range(size):  # noqa: SIM110
        if text[a + k] != text[b + k]:
            return False
    return True


@kernel
def split_words(text: Bytes, tables: CharacterTables, unspaced: bool, out: Words) -> tuple[Int, Int, Int]:
    """Fill `out`; returns the numbers of words, runs of line feeds, and characters.

    One loop with its arrays in locals: a helper that took them would count references at every character.
    """
    page, classes, ascii_classes = tables.page, tables.flags, tables.flags[np.int64(tables.page[0])]
    start, end, before, at_char, hashes = out.start, out.end, out.before, out.at, out.hash
    break_start, break_end, break_at = out.break_start, out.break_end, out.break_at
    at, chars, words, breaks, length, hashed, alone = 0, 0, 0, 0, 0, _SEED, False
    while at <= len(text):
        point, size = (NEWLINE, 1) if at == len(text) else (np.int64(text[at]), 1)
        if point < 0x80:
            flags = np.int64(ascii_classes[point])
        else:
            point, size = decode(text, at)
            flags = np.int64(classes[np.int64(page[point >> 8]), point & 255])
        space = flags & SPACE != 0
        if length > 0 and (space or (unspaced and flags & MARK == 0 and (alone or flags & UNSPACED != 0))):
            end[words], hashes[words], before[words + 1] = at, hashed, before[words] + length
            words, length, hashed = words + 1, 0, _SEED
        if not space:
            if length == 0:
                start[words], at_char[words] = at, chars
            if length == 0 or flags & MARK == 0:
                alone = flags & UNSPACED != 0
            hashed, length = (hashed ^ np.uint64(point)) * _PRIME, length + 1
        elif point == NEWLINE and at < len(text):
            if breaks == 0 or break_end[breaks - 1] != at:
                break_start[breaks], break_at[breaks] = at, chars
                breaks += 1
            break_end[breaks - 1] = at + 1
        at, chars = at + size, chars + 1
    return words, breaks, chars - 1


@kernel
def number_words(text: Bytes, words: Int, out: Words, slots: Slots, ids: Int32s, count: Int32s) -> Int:
    """Number the different words from 0 in order of appearance; returns how many there are.

    `ids[i]` is the number of word i, `count[id]` how often it occurs. Words are the same where their bytes are.
    """
    slots.now[0] += 1
    now, generations, keys, values = slots.now[0], slots.generation, slots.key, slots.value
    starts, ends, hashes = out.start, out.end, out.hash
    bits = table_bits(words)
    shift, mask, different = np.uint64(64 - bits), (1 << bits) - 1, 0
    for word in range(words):
        hashed, start, size = hashes[word], starts[word], ends[word] - starts[word]
        slot = np.int64(mixed(hashed) >> shift)
        while generations[slot] == now:
            known = values[slot]
            if keys[slot] == hashed and ends[known] - starts[known] == size:  # noqa: SIM102
                if same_bytes(text, starts[known], start, size):
                    break
            slot = (slot + 1) & mask
        if generations[slot] != now:
            generations[slot], keys[slot], values[slot] = now, hashed, word
            ids[word], count[different] = different, 0
            different += 1
        else:
            ids[word] = ids[values[slot]]
        count[ids[word]] += 1
    return different

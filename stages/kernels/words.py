"""Splits a document into its words and its runs of line breaks.

A word is a maximal run without white space (as in `str.split`). Scripts that are written without spaces would have one
word per line. With `unspaced`, each of their letters, with the marks that follow it, is a word of its own, and so is
whatever stands between two of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int32s, Offsets, UInt64s
from classifiers.kernels.hash import mixed
from classifiers.kernels.jit import kernel
from classifiers.kernels.secret import Secret, new_secret, secret_step
from classifiers.kernels.table import Slots, high_slot, next_slot, seek_generation, table_bits
from classifiers.kernels.utf8 import decode
from stages.kernels.classes import MARK, SPACE, UNSPACED, CharacterTables

NEWLINE = 10  # the line feed


class Words(NamedTuple):
    """The words of one document, and its runs of line feeds (`break_…`: inclusive start, exclusive end)."""

    start: Int32s  # first byte of each word
    end: Int32s  # byte after it
    at: Int32s  # how many characters come before it
    hash: UInt64s  # secret hash of its characters; only a hint, since the bytes decide equality
    before: Int32s  # how many word characters come before each word; one entry more than there are words
    break_start: Int32s
    break_end: Int32s
    break_at: Int32s  # how many characters come before each run
    secret: Secret  # of the hashes


def longest(offsets: Offsets) -> int:
    """Bytes of the longest row: the size of the scratch arrays."""
    return int(np.diff(offsets).max(initial=0))


def new_words(size: int) -> Words:
    """Scratch for documents of up to `size` bytes: every second byte may start a word or a run of breaks."""
    starts, ends, at, break_start, break_end, break_at = np.zeros((6, size // 2 + 2), np.int32)
    hashes, before = np.zeros(size // 2 + 2, np.uint64), np.zeros(size // 2 + 3, np.int32)
    return Words(starts, ends, at, hashes, before, break_start, break_end, break_at, new_secret())


@kernel
def same_bytes(text: Bytes, a: Int, b: Int, size: Int) -> bool:
    """Whether the `size` bytes at `a` equal those at `b`."""
    for k in range(size):  # noqa: SIM110
        if text[a + k] != text[b + k]:
            return False
    return True


@kernel
def split_words(text: Bytes, tables: CharacterTables, unspaced: bool, out: Words) -> tuple[Int, Int, Int]:
    """Fill `out`; returns the numbers of words, runs of line feeds, and characters.

    This is one loop with its arrays in locals: a helper that took them would count references at every character.
    """
    page, classes, ascii_classes = tables.page, tables.flags, tables.flags[np.int64(tables.page[0])]
    start, end, before, at_char, hashes = out.start, out.end, out.before, out.at, out.hash
    break_start, break_end, break_at, secret = out.break_start, out.break_end, out.break_at, out.secret
    at, chars, words, breaks, length, hashed, alone = 0, 0, 0, 0, 0, secret.start, False
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
            words, length, hashed = words + 1, 0, secret.start
        if not space:
            if length == 0:
                start[words], at_char[words] = at, chars
            if length == 0 or flags & MARK == 0:
                alone = flags & UNSPACED != 0
            hashed, length = secret_step(hashed, point, secret), length + 1
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

    `ids[i]` is the number of word i, and `count[id]` how often that word occurs. Words are the same if their bytes are.
    """
    slots.now[0] += 1
    now, generations, keys, values = slots.now[0], slots.generation, slots.key, slots.value
    starts, ends, hashes = out.start, out.end, out.hash
    bits = table_bits(words)
    mask, different = (1 << bits) - 1, 0
    for word in range(words):
        hashed, start, size = hashes[word], starts[word], ends[word] - starts[word]
        slot = seek_generation(keys, generations, now, hashed, high_slot(mixed(hashed), bits), mask)
        while generations[slot] == now:
            known = values[slot]
            if ends[known] - starts[known] == size and same_bytes(text, starts[known], start, size):
                break
            slot = seek_generation(keys, generations, now, hashed, next_slot(slot, mask), mask)
        if generations[slot] != now:
            generations[slot], keys[slot], values[slot] = now, hashed, word
            ids[word], count[different] = different, 0
            different += 1
        else:
            ids[word] = ids[values[slot]]
        count[ids[word]] += 1
    return different

"""Entry point of `quality_v1`: counts of a document's words, symbols, lines and stop words (`COUNTS`)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bytes, Int, Int64s, Offsets, UInt64s
from classifiers.kernels.hash import FNV_SEED, fnv, fnv_of
from classifiers.kernels.jit import kernel
from classifiers.kernels.table import high_slot, next_slot
from classifiers.kernels.utf8 import decode
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import (
    DATATROVE_PUNCTUATION,
    LETTER,
    MARK,
    SPACE,
    UNSPACED,
    WORD_CHARACTER,
    CharacterTables,
    tables,
)
from stages.kernels.quality_counts import (
    ALL_CHARACTERS,
    ALL_WORDS,
    ALPHABETIC_WORDS,
    CHARACTERS,
    COUNTS,
    STOP_WORDS,
    WORDS,
)
from stages.kernels.symbols import count_lines, count_symbols
from stages.kernels.words import NEWLINE

STOP_BITS = 8  # log2 of the slots per language; at most a quarter of them are taken
STOP_SLOTS = 1 << STOP_BITS
_INDEX_BITS = np.uint64(6)  # the low bits of a slot: the number of a word in its list, below 64
_INDEX = np.uint64(63)  # the mask of these bits
_EMPTY, _ONE = np.uint64(0), np.uint64(1)  # a free slot, and a set without bits; the lowest bit


def stop_slots(words: tuple[str, ...]) -> UInt64s:
    """The open-addressing table by which the kernel recognises the words of one language (at most 64: a bit each).

    A slot holds the upper 58 bits of the word's hash and its index, so another word is taken for one of the list with
    a probability under 2⁻⁵².
    """
    slots = np.zeros(STOP_SLOTS, np.uint64)
    for index, word in enumerate(words):
        hashed = fnv_of(list(map(ord, word)))
        slot = hashed >> (64 - STOP_BITS)
        while slots[slot] != 0:
            slot = (slot + 1) % STOP_SLOTS
        slots[slot] = (hashed >> 6 << 6) | index
    return slots


def measure_quality(
    text: pa.ChunkedArray, stop_words: UInt64s, languages: Int64s, datatrove: bool, unspaced: bool
) -> Int64s:
    """Counts of every document, one row each, in the order of `COUNTS`, in either dialect.

    `stop_words`: a row of `stop_slots` per language; `languages`: the row of each document.
    """
    offsets, data = utf8_views(text)
    out = np.zeros((len(offsets) - 1, len(COUNTS)), np.int64)
    _measure(offsets, data, tables(), languages, stop_words, unspaced, datatrove, out)
    return out


@kernel
def _measure(
    offsets: Offsets,
    data: Bytes,
    tables: CharacterTables,
    languages: Int64s,
    stop_words: UInt64s,
    unspaced: bool,
    datatrove: bool,
    out: Int64s,
) -> None:
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        _count_words(text, tables, stop_words[languages[row]], unspaced, datatrove, out[row])
        count_symbols(text, datatrove, out[row])
        count_lines(text, tables, datatrove, out[row])


@kernel
def _count_words(
    text: Bytes, tables: CharacterTables, stops: UInt64s, unspaced: bool, datatrove: bool, out: Int64s
) -> None:
    """Count words as `stages.kernels.words` defines them. A stop word is compared from its first to its last word
    character, in lower case; in datatrove's dialect as a whole, as it stands."""
    page, classes, fold_page, fold = tables.page, tables.flags, tables.fold_page, tables.fold
    ascii_classes = classes[np.int64(page[0])]
    at, length, alone, counts, alphabetic = 0, 0, False, False, False
    hashed, core, met = FNV_SEED, FNV_SEED, _EMPTY
    words, counted, characters, counted_characters, alphabetic_words = 0, 0, 0, 0, 0
    while at <= len(text):
        point, size = (NEWLINE, 1) if at == len(text) else (np.int64(text[at]), 1)
        if point < 0x80:
            flags = np.int64(ascii_classes[point])
        else:
            point, size = decode(text, at)
            flags = np.int64(classes[np.int64(page[point >> 8]), point & 255])
        space = flags & SPACE != 0
        if length > 0 and (space or (unspaced and flags & MARK == 0 and (alone or flags & UNSPACED != 0))):
            words, characters, alphabetic_words = words + 1, characters + length, alphabetic_words + alphabetic
            counted, counted_characters = counted + counts, counted_characters + counts * length
            met |= _stop_bit(stops, core)
            length, counts, alphabetic, hashed, core = 0, False, False, FNV_SEED, FNV_SEED
        if not space:
            if length == 0 or flags & MARK == 0:
                alone = flags & UNSPACED != 0
            length += 1
            alphabetic |= flags & LETTER != 0
            if datatrove:
                counts |= flags & DATATROVE_PUNCTUATION == 0
                core = fnv(core, point)
            elif counts or flags & WORD_CHARACTER:
                lower = point + np.int64(fold[np.int64(fold_page[point >> 8]), point & 255])
                hashed = fnv(hashed, lower)
                if flags & WORD_CHARACTER:
                    counts, core = True, hashed
        at += size
    out[ALL_WORDS], out[WORDS], out[ALPHABETIC_WORDS] = words, counted, alphabetic_words
    out[ALL_CHARACTERS], out[CHARACTERS], out[STOP_WORDS] = characters, counted_characters, _set_bits(met)


@kernel
def _stop_bit(stops: UInt64s, hashed: Int) -> Int:
    """The bit of the stop word with this hash; 0 if there is none."""
    slot = high_slot(hashed, STOP_BITS)
    while stops[slot] != _EMPTY:
        if (stops[slot] ^ hashed) >> _INDEX_BITS == _EMPTY:
            return _ONE << (stops[slot] & _INDEX)
        slot = next_slot(slot, STOP_SLOTS - 1)
    return _EMPTY


@kernel
def _set_bits(bits: Int) -> Int:
    """How many bits are set."""
    count = 0
    while bits != _EMPTY:
        bits &= bits - _ONE
        count += 1
    return count

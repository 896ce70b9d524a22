"""Entry point of `quality_v1`: counts of words, symbols, lines and stop words of a document (`COUNTS`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stages.kernels.buffers import Bytes, Offsets, utf8_views
from stages.kernels.classes import (
    DATATROVE_PUNCTUATION,
    LETTER,
    LINE_BREAK,
    MARK,
    SPACE,
    UNSPACED,
    WORD_CHARACTER,
    Tables,
    tables,
)
from stages.kernels.jit import Int, kernel
from stages.kernels.utf8 import decode
from stages.kernels.words import NEWLINE, Hashes

Counts = npt.NDArray[np.int64]

COUNTS = (
    "all_words",
    "words",  # without those made of punctuation only
    "all_characters",  # of all words
    "characters",  # of those that count
    "alphabetic_words",  # with at least one letter
    "stop_words",  # different ones
    "hashes",
    "ellipses",
    "lines",
    "bullet_lines",
    "ellipsis_lines",
)
STOP_SLOTS = 256  # per language
STOP_WORDS = 64  # the most a language can have: one bit each
_SEED = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_TOP, _LOW, _ONE = np.uint64(56), np.uint64(6), np.uint64(1)
_INDEX = np.uint64(63)
_EMPTY = np.uint64(0)
_HASH, _DOT, _RETURN, _STAR, _DASH, _BLANK = ord("#"), ord("."), ord("\r"), ord("*"), ord("-"), ord(" ")
_NOWHERE: Int = np.int64(-1)
_E2 = 0xE2  # first of three bytes of the marks below, of which these are the second and third
_BULLET, _DISC, _ELLIPSIS = np.int64(0x80A2), np.int64(0x978F), np.int64(0x80A6)


def stop_slots(words: tuple[str, ...]) -> Hashes:
    """The open-addressing table by which the kernel knows the words of one language (at most `STOP_WORDS`).

    A slot holds the upper 58 bits of the word's hash and its index: another word is taken for one of the list with
    a probability under 2⁻⁵².
    """
    slots = np.zeros(STOP_SLOTS, np.uint64)
    for index, word in enumerate(words):
        hashed = int(_SEED)
        for character in word:
            hashed = ((hashed ^ ord(character)) * int(_PRIME)) % 2**64
        slot = hashed >> 56
        while slots[slot] != 0:
            slot = (slot + 1) % STOP_SLOTS
        slots[slot] = (hashed >> 6 << 6) | index
    return slots


def measure_quality(
    text: pa.ChunkedArray, stop_words: Hashes, languages: Counts, datatrove: bool, unspaced: bool
) -> Counts:
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
    tables: Tables,
    languages: Counts,
    stop_words: Hashes,
    unspaced: bool,
    datatrove: bool,
    out: Counts,
) -> None:
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        _count_words(text, tables, stop_words[languages[row]], unspaced, datatrove, out[row])
        _count_symbols(text, datatrove, out[row])
        _count_lines(text, tables, datatrove, out[row])


@kernel
def _count_words(text: Bytes, tables: Tables, stops: Hashes, unspaced: bool, datatrove: bool, out: Counts) -> None:
    """Words as in `stages.kernels.words`. A stop word is a word from its first to its last word character, in lower
    case; in datatrove's dialect the whole word as it stands."""
    page, classes, fold_page, fold = tables.page, tables.flags, tables.fold_page, tables.fold
    at, length, alone, counts, alphabetic = 0, 0, False, False, False
    hashed, core, met = _SEED, _SEED, _EMPTY
    words, counted, characters, counted_characters, alphabetic_words = 0, 0, 0, 0, 0
    while at <= len(text):
        point, size = (NEWLINE, 1) if at == len(text) else decode(text, at)
        flags = np.int64(classes[np.int64(page[point >> 8]), point & 255])
        space = flags & SPACE != 0
        if length > 0 and (space or (unspaced and flags & MARK == 0 and (alone or flags & UNSPACED != 0))):
            words, characters, alphabetic_words = words + 1, characters + length, alphabetic_words + alphabetic
            counted, counted_characters = counted + counts, counted_characters + counts * length
            met |= _stop_bit(stops, core)
            length, counts, alphabetic, hashed, core = 0, False, False, _SEED, _SEED
        if not space:
            if length == 0 or flags & MARK == 0:
                alone = flags & UNSPACED != 0
            length += 1
            alphabetic |= flags & LETTER != 0
            if datatrove:
                counts |= flags & DATATROVE_PUNCTUATION == 0
                core = (core ^ np.uint64(point)) * _PRIME
            elif counts or flags & WORD_CHARACTER:
                lower = point + np.int64(fold[np.int64(fold_page[point >> 8]), point & 255])
                hashed = (hashed ^ np.uint64(lower)) * _PRIME
                if flags & WORD_CHARACTER:
                    counts, core = True, hashed
        at += size
    out[0], out[1], out[2], out[3], out[4] = words, counted, characters, counted_characters, alphabetic_words
    while met != _EMPTY:
        met &= met - _ONE
        out[5] += 1


@kernel
def _stop_bit(stops: Hashes, hashed: Int) -> Int:
    """The bit of the stop word with this hash, 0 where there is none."""
    slot = np.int64(hashed >> _TOP)
    while stops[slot] != _EMPTY:
        if (stops[slot] ^ hashed) >> _LOW == _EMPTY:
            return _ONE << (stops[slot] & _INDEX)
        slot = (slot + 1) & (STOP_SLOTS - 1)
    return _EMPTY


@kernel
def _count_symbols(text: Bytes, datatrove: bool, out: Counts) -> None:
    """`#`, and ellipses: `...`, `…` and, but in datatrove's dialect, `. . .`; each counted as `str.count` does."""
    hashes, ellipses, dots, free = 0, 0, 0, 0
    for at in range(len(text)):
        byte = text[at]
        if byte == _DOT:
            dots += 1
            ellipses += dots % 3 == 0
            if not datatrove and at >= free and _is_spaced(text, at):
                ellipses, free = ellipses + 1, at + 5
        else:
            dots = 0
            hashes += byte == _HASH
            if byte == _E2:
                ellipses += _is_mark(text, at, _ELLIPSIS)
    out[6], out[7] = hashes, ellipses


@kernel
def _is_mark(text: Bytes, at: Int, mark: Int) -> bool:
    """Are the three bytes at `at` those of `mark`?"""
    if at + 3 > len(text) or text[at] != _E2:
        return False
    return bool(np.int64(text[at + 1]) << 8 | np.int64(text[at + 2]) == mark)


@kernel
def _is_spaced(text: Bytes, at: Int) -> bool:
    """Does `. . .` start at byte `at`?"""
    if text[at] != _DOT or at + 4 >= len(text) or text[at + 1] != _BLANK or text[at + 3] != _BLANK:
        return False
    return bool(text[at + 2] == _DOT and text[at + 4] == _DOT)


@kernel
def _count_lines(text: Bytes, tables: Tables, datatrove: bool, out: Counts) -> None:
    """Lines that are not blank, ended by line feeds; in datatrove's dialect all lines of `str.splitlines`."""
    page, classes = tables.page, tables.flags
    at, begin, first, last = 0, 0, _NOWHERE, 0
    while at <= len(text):
        if at < len(text) and _BLANK < text[at] < 0x80:  # most of all text, so it does not look for its class
            first, at = at if first < 0 else first, at + 1
            last = at
            continue
        point, size = (NEWLINE, 1) if at == len(text) else decode(text, at)
        flags = np.int64(classes[np.int64(page[point >> 8]), point & 255])
        if point == NEWLINE or (datatrove and flags & LINE_BREAK):
            out[8] += first >= 0 or (datatrove and (at < len(text) or begin < at))
            if first >= 0:
                out[9] += _starts_with_bullet(text, first, datatrove)
                out[10] += _ends_with_ellipsis(text, first, last, datatrove)
            if datatrove and point == _RETURN and at + 1 < len(text) and text[at + 1] == NEWLINE:
                size = 2
            begin, first = at + size, _NOWHERE
        elif flags & SPACE == 0:
            first, last = at if first < 0 else first, at + size
        at += size


@kernel
def _starts_with_bullet(text: Bytes, first: Int, datatrove: bool) -> bool:
    """`•` or `-`, or (but in datatrove's dialect) `●` or `*`."""
    if text[first] == _DASH or _is_mark(text, np.int64(first), _BULLET):
        return True
    return not datatrove and (text[first] == _STAR or _is_mark(text, np.int64(first), _DISC))


@kernel
def _ends_with_ellipsis(text: Bytes, first: Int, last: Int, datatrove: bool) -> bool:
    """`...` or `…`, or (but in datatrove's dialect) `. . .`."""
    if last - first < 3:
        return False
    if text[last - 1] == _DOT and text[last - 2] == _DOT and text[last - 3] == _DOT:
        return True
    return _is_mark(text, np.int64(last - 3), _ELLIPSIS) or (
        not datatrove and last - first >= 5 and _is_spaced(text, last - 5)
    )

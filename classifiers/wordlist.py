"""Word lists, one per language: how often a text contains entries of its language's list.

An entry is a word or several; entries and texts go through the same normaliser, so letters are folded, punctuation does
not matter, and an entry is found between word edges only. In scripts without spaces every letter is a word, so there
an entry is found anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int64s, Offsets, UInt64s
from classifiers.kernels.jit import kernel
from classifiers.normalise.normalise import Form, NormalisedLines, normalised, packed, whole

LONGEST = 24  # words; longer entries never match
_SEED, _PRIME, _TOGETHER = np.uint64(14695981039346656037), np.uint64(1099511628211), np.uint64(0x9E3779B97F4A7C15)


class WordLists(NamedTuple):
    """One hash table per language, one after the other (0 = free). The size of each is a power of two."""

    codes: tuple[str, ...]
    keys: UInt64s
    starts: Int64s
    longest: Int64s  # words in each list's longest entry


class WordHits(NamedTuple):
    """For each row: how many words end an entry of the list, and how many words there are."""

    hits: Int64s
    words: Int64s


def build(lists: Mapping[str, Sequence[str]], form: Form = "words_v1") -> WordLists:
    """The lists, normalised. Entries of more than 24 words never match."""
    tables, longest = [], []
    for entries in lists.values():
        lines = [line for line in normalised(list(entries), form) if line]
        longest.append(max((min(len(line.split()), LONGEST) for line in lines), default=0))
        tables.append(_table(lines, longest[-1]))
    starts = np.cumsum([0, *map(len, tables)], dtype=np.int64)
    keys = np.concatenate([*tables, np.zeros(0, np.uint64)])
    return WordLists(tuple(lists), keys, starts, np.array(longest, np.int64))


def _table(lines: Sequence[str], longest: int) -> UInt64s:
    table = np.zeros(1 << max(4, (2 * len(lines)).bit_length()), np.uint64)
    offsets, data = packed([line + "\n" for line in lines])
    _fill(table, offsets, data, max(longest, 1))
    return table


def count(lists: WordLists, rows: Offsets, offsets: Offsets, data: Bytes, form: Form = "words_v1") -> WordHits:
    """Row i is `data[offsets[i]:offsets[i + 1]]`, matched with list number `rows[i]` (-1 = none)."""
    lines: NormalisedLines = whole(offsets, data, form)
    hits = WordHits(*np.zeros((2, len(rows)), np.int64))
    _count_rows(*hits, rows, lines.offsets, lines.data, lists.keys, lists.starts, lists.longest)
    return hits


@kernel
def _fill(table: UInt64s, offsets: Offsets, data: Bytes, longest: Any) -> None:
    last, mask = np.zeros(LONGEST, np.uint64), len(table) - 1
    for row in range(len(offsets) - 1):
        words, at = 0, offsets[row]
        while at < offsets[row + 1]:
            at, found = next_word(data, at)
            _extend(last, found, words, longest)
            words += 1
        if 0 < words <= longest:
            key = last[words - 1]
            slot = np.int64(key >> np.uint64(7)) & mask
            while table[slot] != 0 and table[slot] != key:
                slot = (slot + 1) & mask
            table[slot] = key


@kernel
def _count_rows(
    hits: Offsets, words: Offsets, rows: Offsets, offsets: Offsets, data: Bytes, keys: UInt64s, starts: Offsets,
    longest: Offsets,
) -> None:  # fmt: skip
    last = np.zeros(LONGEST, np.uint64)
    for row in range(len(rows)):
        at, listed = offsets[row], rows[row]
        while at + 1 < offsets[row + 1]:
            at, found = next_word(data, at)
            if listed >= 0:
                _extend(last, found, words[row], longest[listed])
                known = min(words[row] + 1, longest[listed])
                hits[row] += _any_listed(last, known, keys, starts[listed], starts[listed + 1])
            words[row] += 1


@kernel
def _any_listed(last: UInt64s, known: Any, keys: UInt64s, start: Any, end: Any) -> Any:
    mask = end - start - 1
    for k in range(known):
        slot = np.int64(last[k] >> np.uint64(7)) & mask
        while keys[start + slot] != 0:
            if keys[start + slot] == last[k]:
                return 1
            slot = (slot + 1) & mask
    return 0


@kernel
def next_word(data: Bytes, at: Any) -> tuple[Any, Any]:
    """Where the next word begins, after the space or line feed, and the word's hash (64-bit FNV-1a)."""
    found = _SEED
    while data[at] > 32:
        found = (found ^ np.uint64(data[at])) * _PRIME
        at += 1
    return at + 1, found


@kernel
def _extend(last: UInt64s, found: Any, before: Any, longest: Any) -> None:
    """Make `last[k]` the hash of the k + 1 words that end with this one. It is never 0."""
    for k in range(min(before, longest - 1) - 1, -1, -1):
        last[k + 1] = (last[k] * _TOGETHER + found) | np.uint64(1)
    last[0] = found | np.uint64(1)

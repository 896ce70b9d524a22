"""Word n-grams of a document and which of them repeat, in both dialects.

An (n+1)-gram that repeats is made of two n-grams that repeat, so each n looks only where the one before found
something: on ordinary text little is left after n = 3. Numbers of n-grams are made from pairs of numbers, so
nothing here rests on a hash being free of collisions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stages.kernels.buffers import Bytes
from stages.kernels.jit import Int, kernel
from stages.kernels.words import Hashes, Ints, Slots, Words, mixed, same_bytes, table_bits

_NONE = np.int32(-1)
_BASE = np.uint64(0x9E3779B97F4A7C55)


class Ngrams(NamedTuple):
    """N-grams of one document, for one n at a time."""

    ids: Ints  # number of the n-gram that starts at each word, -1 where it occurs once
    counts: Ints  # per number
    first: Ints  # per number: word of the first occurrence
    covered: Ints  # per number: characters of the union of its occurrences
    until: Ints  # per number: word after the last occurrence


def new_ngrams(size: int) -> Ngrams:
    """Scratch for documents of up to `size` bytes."""
    return Ngrams(*np.zeros((5, size // 2 + 3), np.int32))


@kernel
def keep_repeated(starts: Int, grams: Ngrams) -> Int:
    """Forget the n-grams that occur once; returns at how many words one starts that occurs more often."""
    left = 0
    for word in range(starts):
        gram = grams.ids[word]
        if gram >= 0 and grams.counts[gram] < 2:
            grams.ids[word] = _NONE
        elif gram >= 0:
            left += 1
    return left


@kernel
def lengthen(starts: Int, grams: Ngrams, slots: Slots) -> Int:
    """From (n-1)-grams to n-grams: number and count those that start at the first `starts` words."""
    slots.now[0] += 1
    bits = table_bits(starts)
    shift, mask, different = np.uint64(64 - bits), (1 << bits) - 1, 0
    for word in range(starts):
        left, right = grams.ids[word], grams.ids[word + 1]
        if left < 0 or right < 0:
            grams.ids[word] = _NONE
            continue
        key = np.uint64((np.int64(left) << 32) | np.int64(right))
        slot = np.int64(mixed(key) >> shift)
        while slots.generation[slot] == slots.now[0] and slots.key[slot] != key:
            slot = (slot + 1) & mask
        if slots.generation[slot] != slots.now[0]:
            slots.generation[slot], slots.key[slot], slots.value[slot] = slots.now[0], key, different
            grams.counts[different], grams.first[different] = 0, word
            different += 1
        gram = slots.value[slot]
        grams.counts[gram] += 1
        grams.ids[word] = gram
    return different


@kernel
def most_frequent(different: Int, grams: Ngrams) -> Int:
    """The highest count, 0 where there is no n-gram."""
    best = 0
    for gram in range(different):
        best = max(best, grams.counts[gram])
    return best


@kernel
def most_frequent_cover(n: Int, starts: Int, different: Int, before: Ints, grams: Ngrams) -> Int:
    """Characters that the most frequent n-gram covers, of several the one that covers most; 0 if none repeats."""
    best = most_frequent(different, grams)
    if best < 2:
        return 0
    most = 0
    for word in range(starts):
        gram = grams.ids[word]
        if gram < 0 or grams.counts[gram] < best:
            continue
        if grams.first[gram] == word:
            grams.covered[gram], grams.until[gram] = 0, word
        fresh = max(word, grams.until[gram])
        grams.covered[gram] += before[word + n] - before[fresh]
        grams.until[gram] = word + n
        most = max(most, grams.covered[gram])
    return most


@kernel
def most_frequent_spaced(n: Int, words: Int, different: Int, before: Ints, grams: Ngrams) -> Int:
    """Length of the most frequent n-gram (of several the first) with single spaces, times its count."""
    if words < n:
        return 0
    best, first = most_frequent(different, grams), 0
    if best < 2:
        return before[n] + n - 1
    for gram in range(different):
        if grams.counts[gram] == best:
            first = grams.first[gram]
            break
    return (before[first + n] - before[first] + n - 1) * best


@kernel
def repeated_cover(n: Int, starts: Int, before: Ints, grams: Ngrams) -> Int:
    """Characters of the union of all occurrences of all n-grams that repeat."""
    covered, until = 0, 0
    for word in range(starts):
        if grams.ids[word] >= 0:
            covered += before[word + n] - before[max(word, until)]
            until = word + n
    return covered


class Joined(NamedTuple):
    """The words of a document without the white space between them, hashed by prefixes."""

    text: Bytes
    start: Ints  # byte of each word; one entry more than words
    prefix: Hashes  # polynomial hash of the bytes before each word
    power: Hashes  # of the polynomial's base


def new_joined(size: int) -> Joined:
    """Scratch for documents of up to `size` bytes."""
    power = np.full(size + 1, _BASE, np.uint64)
    power[0] = 1
    np.multiply.accumulate(power, out=power)
    most = size // 2 + 3
    return Joined(np.zeros(size, np.uint8), np.zeros(most, np.int32), np.zeros(most, np.uint64), power)


@kernel
def join_words(text: Bytes, words: Int, parts: Words, out: Joined) -> None:
    """Fill `out`."""
    size, hashed = 0, np.uint64(0)
    for word in range(words):
        for at in range(parts.start[word], parts.end[word]):
            out.text[size] = text[at]
            hashed = hashed * _BASE + np.uint64(text[at]) + np.uint64(1)
            size += 1
        out.start[word + 1], out.prefix[word + 1] = size, hashed


@kernel
def greedy_repeats(n: Int, words: Int, before: Ints, joined: Joined, slots: Slots) -> Int:
    """Characters of the n-grams that a scan from the left meets again, where it jumps over each that it knows."""
    slots.now[0] += 1
    bits = table_bits(words)
    shift, mask = np.uint64(64 - bits), (1 << bits) - 1
    repeated, word = 0, 0
    while word < words - n + 1:
        start, size = joined.start[word], joined.start[word + n] - joined.start[word]
        hashed = joined.prefix[word + n] - joined.prefix[word] * joined.power[size]
        slot = np.int64(mixed(hashed) >> shift)
        while slots.generation[slot] == slots.now[0]:
            known = slots.value[slot]
            if slots.key[slot] == hashed and joined.start[known + n] - joined.start[known] == size:  # noqa: SIM102
                if same_bytes(joined.text, joined.start[known], start, size):
                    break
            slot = (slot + 1) & mask
        if slots.generation[slot] == slots.now[0]:
            repeated += before[word + n] - before[word]
            word += n
        else:
            slots.generation[slot], slots.key[slot], slots.value[slot] = slots.now[0], hashed, word
            word += 1
    return repeated

"""Word n-grams of a document and which of them repeat, in both dialects.

An (n+1)-gram that repeats consists of two n-grams that repeat, so the search for each n covers only what the previous
one found: on ordinary text little is left after n = 3. N-grams are numbered by the pair of numbers they consist of, so
nothing here relies on a hash being free of collisions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int32s, UInt64s
from classifiers.kernels.hash import mixed
from classifiers.kernels.jit import kernel
from classifiers.kernels.secret import new_secret, secretly
from classifiers.kernels.table import Slots, high_slot, next_slot, seek_generation, table_bits
from stages.kernels.words import Words, number_words, same_bytes

_ONE = np.uint64(1)  # added to each byte, so that a zero byte also changes the hash


class Ngrams(NamedTuple):
    """N-grams of one document for one n at a time: those that may repeat, in the order of the text."""

    at: Int32s  # word where the n-gram starts
    ids: Int32s  # its number
    counts: Int32s  # per number: how often it occurs
    first: Int32s  # per number: word of the first occurrence
    covered: Int32s  # per number: characters of the union of its occurrences
    until: Int32s  # per number: word after the last occurrence


def new_ngrams(size: int) -> Ngrams:
    """Scratch for documents of up to `size` bytes."""
    return Ngrams(*np.zeros((6, size // 2 + 3), np.int32))


@kernel
def single_words(text: Bytes, words: Int, parts: Words, grams: Ngrams, slots: Slots) -> Int:
    """List the words that occur more than once; returns the number of entries in the list."""
    number_words(text, words, parts, slots, grams.ids, grams.counts)
    at = grams.at
    for word in range(words):
        at[word] = word
    return keep_repeated(words, grams)


@kernel
def keep_repeated(listed: Int, grams: Ngrams) -> Int:
    """Remove the n-grams that occur once from the list; returns how many entries are left."""
    at, ids, counts, left = grams.at, grams.ids, grams.counts, 0
    for entry in range(listed):
        at[left], ids[left] = at[entry], ids[entry]
        left += counts[ids[entry]] > 1
    return left


@kernel
def lengthen(listed: Int, grams: Ngrams, slots: Slots) -> tuple[Int, Int]:
    """Go from (n-1)-grams to n-grams, each made of two neighbours; returns (entries, different ones)."""
    slots.now[0] += 1
    now, generations, keys, values = slots.now[0], slots.generation, slots.key, slots.value
    at, ids, counts, firsts, secret = grams.at, grams.ids, grams.counts, grams.first, slots.secret
    bits = table_bits(listed)
    mask, left, different = (1 << bits) - 1, 0, 0
    for entry in range(listed - 1):
        word = at[entry]
        if at[entry + 1] != word + 1:
            continue
        key = np.uint64((np.int64(ids[entry]) << 32) | np.int64(ids[entry + 1]))
        slot = seek_generation(keys, generations, now, key, high_slot(secretly(key, secret), bits), mask)
        if generations[slot] != now:
            generations[slot], keys[slot], values[slot] = now, key, different
            counts[different], firsts[different] = 0, word
            different += 1
        gram = values[slot]
        counts[gram] += 1
        at[left], ids[left] = word, gram
        left += 1
    return left, different


@kernel
def most_frequent(different: Int, grams: Ngrams) -> Int:
    """The highest count, or 0 if there is no n-gram."""
    best = 0
    for gram in range(different):
        best = max(best, grams.counts[gram])
    return best


@kernel
def most_frequent_cover(n: Int, listed: Int, different: Int, before: Int32s, grams: Ngrams) -> Int:
    """Characters covered by the most frequent n-gram (of several, the one that covers most); 0 if none repeats."""
    best = most_frequent(different, grams)
    if best < 2:
        return 0
    at, ids, counts = grams.at, grams.ids, grams.counts
    firsts, covered, until, most = grams.first, grams.covered, grams.until, 0
    for entry in range(listed):
        word, gram = at[entry], ids[entry]
        if counts[gram] < best:
            continue
        if firsts[gram] == word:
            covered[gram], until[gram] = 0, word
        covered[gram] += before[word + n] - before[max(word, until[gram])]
        until[gram] = word + n
        most = max(most, covered[gram])
    return most


@kernel
def most_frequent_spaced(n: Int, words: Int, different: Int, before: Int32s, grams: Ngrams) -> Int:
    """Length of the most frequent n-gram (of several, the first) with single spaces, times its count."""
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
def repeated_cover(n: Int, listed: Int, before: Int32s, grams: Ngrams) -> Int:
    """Characters in the union of all listed n-grams."""
    at, covered, until = grams.at, 0, 0
    for entry in range(listed):
        word = at[entry]
        covered += before[word + n] - before[max(word, until)]
        until = word + n
    return covered


class Joined(NamedTuple):
    """The words of a document without the white space between them, hashed by prefixes."""

    text: Bytes
    start: Int32s  # byte of each word; one entry more than words
    prefix: UInt64s  # polynomial hash of the bytes before each word
    power: UInt64s  # powers of the polynomial's base, which is secret


def new_joined(size: int) -> Joined:
    """Scratch for documents of up to `size` bytes."""
    power = np.full(size + 2, new_secret().factor, np.uint64)
    power[0] = 1
    np.multiply.accumulate(power, out=power)
    most = size // 2 + 3
    return Joined(np.zeros(size, np.uint8), np.zeros(most, np.int32), np.zeros(most, np.uint64), power)


@kernel
def join_words(text: Bytes, words: Int, parts: Words, out: Joined) -> None:
    """Fill `out`."""
    starts, ends, joined, hashes = parts.start, parts.end, out.text, out.prefix
    size, hashed, base = 0, np.uint64(0), out.power[1]
    for word in range(words):
        for at in range(starts[word], ends[word]):
            joined[size] = text[at]
            hashed = hashed * base + np.uint64(text[at]) + _ONE
            size += 1
        out.start[word + 1], hashes[word + 1] = size, hashed


@kernel
def greedy_repeats(n: Int, words: Int, before: Int32s, joined: Joined, slots: Slots) -> Int:
    """Characters in n-grams that a scan from the left meets again; the scan jumps over each n-gram that it knows."""
    slots.now[0] += 1
    now, generations, keys, values = slots.now[0], slots.generation, slots.key, slots.value
    text, starts, prefix, power = joined.text, joined.start, joined.prefix, joined.power
    bits = table_bits(words)
    mask, repeated, word = (1 << bits) - 1, 0, 0
    while word < words - n + 1:
        start, size = starts[word], starts[word + n] - starts[word]
        hashed = prefix[word + n] - prefix[word] * power[size]
        slot = seek_generation(keys, generations, now, hashed, high_slot(mixed(hashed), bits), mask)
        while generations[slot] == now:
            known = values[slot]
            if starts[known + n] - starts[known] == size and same_bytes(text, starts[known], start, size):
                break
            slot = seek_generation(keys, generations, now, hashed, next_slot(slot, mask), mask)
        if generations[slot] == now:
            repeated += before[word + n] - before[word]
            word += n
        else:
            generations[slot], keys[slot], values[slot] = now, hashed, word
            word += 1
    return repeated

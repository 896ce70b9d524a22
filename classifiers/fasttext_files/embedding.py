"""The embedding of a text as fastText makes it: a numba kernel over UTF-8, without strings or allocations per text.

The answer is fastText's up to rounding: the vectors of a word and its n-grams are summed before they are added to the
text's, so that a word that was seen before costs one look-up. White space is what fastText takes for it; the newline
that would end a line is white space too, so a text is one line.

The model's arrays are one tuple. Taking them out of it counts a reference to each, so what runs for each word or byte
takes plain arrays and positions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.fasttext_files.model_file import Arrays
from classifiers.kernels.arrays import Bytes, Float, Float32s, Int, Int32s, Int64s, Offsets, UInt64s
from classifiers.kernels.hash import FNV32_SEED, fnv32
from classifiers.kernels.jit import kernel
from classifiers.kernels.table import next_slot

LONGEST_NGRAM = 16  # words
REMEMBERED = 1 << 13  # words remembered in a call: a power of two

_MULTIPLIER = np.uint64(116049371)  # of the hash of several words; fastText's
_EOS = np.frombuffer(b"</s>", np.uint8)
_LABEL = np.frombuffer(b"__label__", np.uint8)
_BOW, _EOW = np.uint8(ord("<")), np.uint8(ord(">"))
SHORTEST, LONGEST, BUCKETS, WORDS = range(4)  # of a model's numbers: of n-grams, in characters; of buckets; of words
FIRST, SIZE, VECTORS = range(3)  # of a remembered word: where it is in the data, its bytes, how many vectors it sums


def embed(model: Arrays, word_ngrams: int, offsets: Offsets, data: Bytes) -> tuple[Float32s, Int64s]:
    """For each row of (offsets, data) the mean of the vectors of its words, and how many words it has."""
    rows, dim = len(offsets) - 1, model.rows.shape[1]
    embedded, met = np.zeros((rows, dim), np.float32), np.zeros(rows, np.int64)
    seen, sums = np.zeros((REMEMBERED, 3), np.int64), np.zeros((REMEMBERED, dim), np.float32)
    _embed_rows(embedded, met, _read_only(offsets), _read_only(data), seen, sums, model, word_ngrams)
    return embedded, met


def _read_only(array: Any) -> Any:
    """A view that has the same type whatever the array's flags, so that the kernel is compiled once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


@kernel
def is_space(byte: Int) -> Int:
    """Whether fastText takes the byte for white space."""
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@kernel
def same(one: Bytes, start: Int, other: Bytes, other_start: Int, size: Int) -> bool:
    """Whether the bytes at two places are equal."""
    for k in range(size):  # noqa: SIM110  (a loop is what numba compiles well)
        if one[start + k] != other[other_start + k]:
            return False
    return True


@kernel
def add(total: Float32s, at: Int, vectors: Float32s, row: Int) -> None:
    """Add a vector to row `at` of `total`."""
    for k in range(vectors.shape[1]):
        total[at, k] += vectors[row, k]


@kernel
def word_number(data: Bytes, start: Int, size: Int, found: Int, words: Bytes, offsets: Offsets, table: Int32s) -> Int:
    """The number in the dictionary of a word with the hash `found`, or -1."""
    at = np.int64(found) & (len(table) - 1)
    while table[at] >= 0:
        number = table[at]
        if offsets[number + 1] - offsets[number] == size and same(words, offsets[number], data, start, size):
            return np.int64(number)
        at = next_slot(at, len(table) - 1)
    return -1


@kernel
def ngram_row(found: Int, words: Int, kept: UInt64s, kept_before: Int32s, buckets: Int) -> Int:
    """Row of an n-gram's vector, after those of the words, or -1 if it was pruned."""
    bucket = np.int64(found) % buckets
    if len(kept) == 0:
        return words + bucket
    bits, bit = kept[bucket >> 6], np.uint64(bucket & 63)
    if (bits >> bit) & np.uint64(1) == 0:
        return -1
    below = bits & ((np.uint64(1) << bit) - np.uint64(1))
    below -= (below >> np.uint64(1)) & np.uint64(0x5555555555555555)
    below = (below & np.uint64(0x3333333333333333)) + ((below >> np.uint64(2)) & np.uint64(0x3333333333333333))
    below = (below + (below >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return words + kept_before[bucket >> 6] + np.int64((below * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def add_ngrams(
    total: Float32s, at: Int, data: Bytes, first: Int, size: Int, rows: Float32s, kept: UInt64s, kept_before: Int32s,
    numbers: Int64s,
) -> Int:  # fmt: skip
    """Add the vectors of the character n-grams of `<word>`. Returns how many they are."""
    shortest, longest, buckets, words, added = numbers[SHORTEST], numbers[LONGEST], numbers[BUCKETS], numbers[WORDS], 0
    for start in range(size + 2):
        if 0 < start <= size and data[first + start - 1] & 0xC0 == 0x80:
            continue
        found, end = FNV32_SEED, start
        for length in range(1, longest + 1):
            if end >= size + 2:
                break
            found = fnv32(found, _BOW if end == 0 else _EOW if end == size + 1 else data[first + end - 1])
            end += 1
            while end <= size and data[first + end - 1] & 0xC0 == 0x80:
                found = fnv32(found, data[first + end - 1])
                end += 1
            if length >= shortest and not (length == 1 and (start == 0 or end == size + 2)):
                row = ngram_row(found, words, kept, kept_before, buckets)
                if row >= 0:
                    add(total, at, rows, row)
                    added += 1
    return added


@kernel
def _is_label(data: Bytes, first: Int, size: Int) -> bool:
    return size >= len(_LABEL) and same(data, first, _LABEL, 0, len(_LABEL))


@kernel
def _is_eos(data: Bytes, first: Int) -> bool:
    return same(data, first, _EOS, 0, len(_EOS))


@kernel
def put(total: Float32s, at: Int, vectors: Float32s, row: Int) -> Int:
    """Make row `at` of `total` a vector, or zeros if `row` is negative. Returns how many vectors that is."""
    for k in range(vectors.shape[1]):
        total[at, k] = 0 if row < 0 else vectors[row, k]
    return 0 if row < 0 else 1


@kernel
def has_ngrams(data: Bytes, first: Int, size: Int, number: Int) -> bool:
    """Whether fastText takes a word apart: the end of a line and labels outside of the dictionary are whole."""
    if size == len(_EOS) and _is_eos(data, first):
        return False
    return number >= 0 or not _is_label(data, first, size)


@kernel
def _embed_rows(
    embedded: Float32s, met: Int64s, offsets: Offsets, data: Bytes, seen: Int64s, sums: Float32s, model: Arrays,
    word_ngrams: Int,
) -> None:  # fmt: skip
    """Write the mean of the vectors of each row's words, their n-grams and its word n-grams, and count its words.

    `seen` and `sums` remember words by their hash. The end of the line is a word too, and the last one of n-grams.
    """
    rows, kept, kept_before, last = model.rows, model.kept, model.kept_before, np.zeros(LONGEST_NGRAM, np.uint64)
    words, starts, table = model.word_bytes, model.word_offsets, model.table
    numbers = np.array([model.lengths[0], model.lengths[1], model.buckets, len(starts) - 1], np.int64)
    ending, end_hash, end_count = _line_end(rows, words, starts, table)
    for row in range(len(offsets) - 1):
        at, end, count, position = offsets[row], offsets[row + 1], end_count, 0
        while at < end:
            first, (found, size) = at, _word(data, at, end)
            at += size + 1
            if size == 0:
                continue
            met[row] += 1
            if size == len(_EOS) and _is_eos(data, first):
                break
            slot = np.int64(found) & (REMEMBERED - 1)
            if seen[slot, SIZE] != size or not same(data, seen[slot, FIRST], data, first, size):
                seen[slot, FIRST], seen[slot, SIZE] = first, size
                number = word_number(data, first, size, found, words, starts, table)
                added = put(sums, slot, rows, number)
                if has_ngrams(data, first, size, number):
                    added += add_ngrams(sums, slot, data, first, size, rows, kept, kept_before, numbers)
                seen[slot, VECTORS] = added
            add(embedded, row, sums, slot)
            count += seen[slot, VECTORS]
            if word_ngrams > 1 and not _is_label(data, first, size):
                count += _add_word_ngrams(embedded, row, last, found, position, word_ngrams, model)
                position += 1
        add(embedded, row, ending, 0)
        count += _add_word_ngrams(embedded, row, last, end_hash, position, word_ngrams, model)
        _scale(embedded, row, np.float32(1.0 / max(count, 1)))


@kernel
def _word(data: Bytes, first: Int, end: Int) -> tuple[Int, Int]:
    """The hash and the size of what stands before the next white space."""
    found, at = FNV32_SEED, first
    while at < end and not is_space(data[at]):
        found = fnv32(found, data[at])
        at += 1
    return found, at - first


@kernel
def _line_end(rows: Float32s, words: Bytes, starts: Offsets, table: Int32s) -> tuple[Float32s, Int, Int]:
    """The word that ends a line: its vector, its hash, and how many vectors it has, for it may be unknown."""
    total, found = np.zeros((1, rows.shape[1]), np.float32), _hash_of(_EOS)
    return total, found, put(total, 0, rows, word_number(_EOS, 0, len(_EOS), found, words, starts, table))


@kernel
def _scale(total: Float32s, at: Int, factor: Float) -> None:
    for k in range(total.shape[1]):
        total[at, k] *= factor


@kernel
def _hash_of(word: Bytes) -> Int:
    found = FNV32_SEED
    for byte in word:
        found = fnv32(found, byte)
    return found


@kernel
def _add_word_ngrams(
    embedded: Float32s, row: Int, last: UInt64s, found: Int, position: Int, word_ngrams: Int, model: Arrays
) -> Int:  # fmt: skip
    """Add the vectors of the word n-grams that end with the word of the hash `found`. Returns how many they are."""
    _extend(last, found, position, word_ngrams)
    added = 0
    for k in range(min(position, word_ngrams - 1)):
        ngram = np.int64(last[k + 1] % np.uint64(model.buckets))
        at = ngram_row(ngram, len(model.word_offsets) - 1, model.kept, model.kept_before, model.buckets)
        if at >= 0:
            add(embedded, row, model.rows, at)
            added += 1
    return added


@kernel
def _extend(last: UInt64s, found: Int, position: Int, word_ngrams: Int) -> None:
    """Make `last[k]` the hash of the k + 1 words that end with this one.

    The hash of words is h(w1) * m + h(w2) …, where the hash of a word is sign-extended to 64 bits.
    """
    hashed_word = np.uint64(np.int64(np.int32(found)))
    for k in range(min(position, word_ngrams - 1) - 1, -1, -1):
        last[k + 1] = last[k] * _MULTIPLIER + hashed_word
    last[0] = hashed_word

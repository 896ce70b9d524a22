"""A text's embedding as fastText makes it: a numba kernel over UTF-8 bytes, without strings or allocations per text.

Same answer as fastText up to rounding: the vectors of a word and its n-grams are summed before they are added to the
text's, so that a word seen before costs one look-up. White space is what fastText takes for it, and the newline that
would end a line is white space too, so a text is one line.

Kernels take plain arrays and positions: slices and tuples of arrays would cost more than the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.fasttext_files.model_file import Arrays
from classifiers.kernels.arrays import Bytes, Float32s, Int32s, Int64s, Offsets, UInt64s
from classifiers.kernels.jit import kernel

LONGEST_NGRAM = 16  # words
REMEMBERED = 1 << 13  # words remembered in a call: a power of two

_SEED, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_MULTIPLIER = np.uint64(116049371)
_EOS = np.frombuffer(b"</s>", np.uint8)
_LABEL = np.frombuffer(b"__label__", np.uint8)
_BOW, _EOW = np.uint8(ord("<")), np.uint8(ord(">"))


def embed(model: Arrays, word_ngrams: int, offsets: Offsets, data: Bytes) -> tuple[Float32s, Int64s]:
    """For each row of (offsets, data) the mean of the vectors of its words, and how many words it has."""
    rows, dim = len(offsets) - 1, model.rows.shape[1]
    embedded, met = np.zeros((rows, dim), np.float32), np.zeros(rows, np.int64)
    shortest, longest = model.lengths.tolist()
    seen, sums = np.zeros((REMEMBERED, 3), np.int64), np.zeros((REMEMBERED, dim), np.float32)
    _embed_rows(
        embedded, met, _read_only(offsets), _read_only(data), seen, sums, model.word_bytes, model.word_offsets,
        model.table, model.rows, model.kept, model.kept_before, model.buckets, shortest, longest, word_ngrams,
    )  # fmt: skip
    return embedded, met


def _read_only(array: Any) -> Any:
    """A view that is typed the same whatever the array's flags, so that the kernel is compiled once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


@kernel
def is_space(byte: Any) -> Any:
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@kernel
def hashed(found: Any, byte: Any) -> Any:
    """FNV-1a with the sign of fastText's `int8_t` extended."""
    signed = np.uint32(byte) if byte < 128 else np.uint32(byte) | np.uint32(0xFFFFFF00)
    return np.uint32(np.uint32(found ^ signed) * _PRIME)


@kernel
def same(one: Bytes, start: Any, other: Bytes, other_start: Any, size: Any) -> bool:
    for k in range(size):  # noqa: SIM110  (a loop is what numba compiles well)
        if one[start + k] != other[other_start + k]:
            return False
    return True


@kernel
def add(total: Float32s, at: Any, vectors: Float32s, row: Any) -> None:
    for k in range(vectors.shape[1]):
        total[at, k] += vectors[row, k]


@kernel
def word_number(data: Bytes, start: Any, size: Any, found: Any, words: Bytes, offsets: Offsets, table: Int32s) -> Any:
    """The number in the dictionary of a word with this hash, or -1."""
    at = np.int64(found) & (len(table) - 1)
    while table[at] >= 0:
        number = table[at]
        if offsets[number + 1] - offsets[number] == size and same(words, offsets[number], data, start, size):
            return np.int64(number)
        at = (at + 1) & (len(table) - 1)
    return -1


@kernel
def ngram_row(found: Any, words: Any, kept: UInt64s, kept_before: Int32s, buckets: Any) -> Any:
    """Row of an n-gram's vector behind those of the words, or -1 where it was pruned."""
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
    total: Float32s, at: Any, data: Bytes, first: Any, size: Any, words: Any, rows: Float32s, kept: UInt64s,
    kept_before: Int32s, buckets: Any, lo: Any, hi: Any,
) -> Any:  # fmt: skip
    """Adds the vectors of the character n-grams of `<word>`; how many they are."""
    added = 0
    for start in range(size + 2):
        if 0 < start <= size and data[first + start - 1] & 0xC0 == 0x80:
            continue
        found, end = _SEED, start
        for length in range(1, hi + 1):
            if end >= size + 2:
                break
            found = hashed(found, _BOW if end == 0 else _EOW if end == size + 1 else data[first + end - 1])
            end += 1
            while end <= size and data[first + end - 1] & 0xC0 == 0x80:
                found = hashed(found, data[first + end - 1])
                end += 1
            if length >= lo and not (length == 1 and (start == 0 or end == size + 2)):
                row = ngram_row(found, words, kept, kept_before, buckets)
                if row >= 0:
                    add(total, at, rows, row)
                    added += 1
    return added


@kernel
def _is_label(data: Bytes, first: Any, size: Any) -> Any:
    return size >= len(_LABEL) and same(data, first, _LABEL, 0, len(_LABEL))


@kernel
def sum_word(
    total: Float32s, at: Any, data: Bytes, start: Any, size: Any, found: Any, words: Bytes, offsets: Offsets,
    table: Int32s, rows: Float32s, kept: UInt64s, kept_before: Int32s, buckets: Any, lo: Any, hi: Any,
) -> Any:  # fmt: skip
    """Writes the sum of the vectors of a word and its n-grams; how many they are. A label counts for nothing."""
    for k in range(rows.shape[1]):
        total[at, k] = 0
    number = word_number(data, start, size, found, words, offsets, table)
    added = 0
    if number >= 0:
        add(total, at, rows, number)
        added = 1
    elif _is_label(data, start, size):
        return 0
    if size == len(_EOS) and same(data, start, _EOS, 0, size):
        return added
    return added + add_ngrams(total, at, data, start, size, len(offsets) - 1, rows, kept, kept_before, buckets, lo, hi)


@kernel
def _embed_rows(
    embedded: Float32s, met: Any, offsets: Offsets, data: Bytes, seen: Any, sums: Float32s, words: Bytes,
    word_offsets: Offsets, table: Int32s, rows: Float32s, kept: UInt64s, kept_before: Int32s, buckets: Any,
    lo: Any, hi: Any, word_ngrams: Any,
) -> None:  # fmt: skip
    """Writes the mean of the vectors of each row's words, their n-grams and its word n-grams; how many words it met.

    `seen` and `sums` remember words by their hash: where one lies in `data`, its size, how many vectors, their sum.
    The line's end is a word of its own, and the last one of word n-grams.
    """
    vocabulary = len(word_offsets) - 1
    ending = np.zeros((1, rows.shape[1]), np.float32)
    last = np.zeros(LONGEST_NGRAM, np.uint64)
    end_hash = _hash_of(_EOS)
    end_count = sum_word(
        ending, 0, _EOS, 0, len(_EOS), end_hash, words, word_offsets, table, rows, kept, kept_before, buckets, lo, hi
    )
    for row in range(len(offsets) - 1):
        at, end, count, position = offsets[row], offsets[row + 1], end_count, 0
        while at < end:
            first, found = at, _SEED
            while at < end and not is_space(data[at]):
                found = hashed(found, data[at])
                at += 1
            size = at - first
            at += 1
            if size == 0:
                continue
            met[row] += 1
            if size == len(_EOS) and same(data, first, _EOS, 0, size):
                break
            slot = np.int64(found) & (REMEMBERED - 1)
            if seen[slot, 1] != size or not same(data, seen[slot, 0], data, first, size):
                seen[slot, 0], seen[slot, 1] = first, size
                seen[slot, 2] = sum_word(
                    sums, slot, data, first, size, found, words, word_offsets, table, rows, kept, kept_before,
                    buckets, lo, hi,
                )  # fmt: skip
            add(embedded, row, sums, slot)
            count += seen[slot, 2]
            if word_ngrams > 1 and not _is_label(data, first, size):
                _extend(last, found, position, word_ngrams)
                for k in range(min(position, word_ngrams - 1)):
                    count += _add_bucket(embedded, row, last[k + 1], vocabulary, rows, kept, kept_before, buckets)
                position += 1
        add(embedded, row, ending, 0)
        _extend(last, end_hash, position, word_ngrams)
        for k in range(min(position, word_ngrams - 1)):
            count += _add_bucket(embedded, row, last[k + 1], vocabulary, rows, kept, kept_before, buckets)
        for k in range(rows.shape[1]):
            embedded[row, k] *= np.float32(1.0 / max(count, 1))


@kernel
def _hash_of(word: Bytes) -> Any:
    found = _SEED
    for byte in word:
        found = hashed(found, byte)
    return found


@kernel
def _extend(last: UInt64s, found: Any, position: Any, word_ngrams: Any) -> None:
    """Makes `last[k]` the hash of the k + 1 words that end with this one.

    The hash of words is h(w1) * m + h(w2) …; those of words are sign-extended to 64 bits.
    """
    hashed_word = np.uint64(np.int64(np.int32(found)))
    for k in range(min(position, word_ngrams - 1) - 1, -1, -1):
        last[k + 1] = last[k] * _MULTIPLIER + hashed_word
    last[0] = hashed_word


@kernel
def _add_bucket(
    embedded: Float32s,
    row: Any,
    ngram: Any,
    vocabulary: Any,
    rows: Float32s,
    kept: UInt64s,
    kept_before: Int32s,
    buckets: Any,
) -> Any:
    """Adds the vector of a word n-gram; 1, or 0 where it was pruned."""
    at = ngram_row(np.int64(ngram % np.uint64(buckets)), vocabulary, kept, kept_before, buckets)
    if at < 0:
        return 0
    add(embedded, row, rows, at)
    return 1

"""fastText's prediction with word n-grams, over `classifiers.lid_kernel`'s parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.jit import kernel
from classifiers.lid_kernel import REMEMBERED, add, dot, hashed, is_space, ngram_row, same, sum_word
from classifiers.lid_model import Floats, Ints
from classifiers.linear_model import LONGEST_NGRAM

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]

_SEED = np.uint32(2166136261)
_LABEL = np.frombuffer(b"__label__", np.uint8)
_EOS = np.frombuffer(b"</s>", np.uint8)
_MULTIPLIER = np.uint64(116049371)


@kernel
def embed_rows(
    embedded: Floats, met: Any, offsets: Offsets, data: Bytes, seen: Any, sums: Floats, words: Bytes,
    word_offsets: Offsets, table: Ints, rows: Floats, kept: Words, kept_before: Ints, buckets: Any, lo: Any, hi: Any,
    word_ngrams: Any,
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
def _is_label(data: Bytes, first: Any, size: Any) -> Any:
    return size >= len(_LABEL) and same(data, first, _LABEL, 0, len(_LABEL))


@kernel
def _hash_of(word: Bytes) -> Any:
    found = _SEED
    for byte in word:
        found = hashed(found, byte)
    return found


@kernel
def _extend(last: Words, found: Any, position: Any, word_ngrams: Any) -> None:
    """Makes `last[k]` the hash of the k + 1 words that end with this one.

    The hash of words is h(w1) * m + h(w2) …; those of words are sign-extended to 64 bits.
    """
    hashed_word = np.uint64(np.int64(np.int32(found)))
    for k in range(min(position, word_ngrams - 1) - 1, -1, -1):
        last[k + 1] = last[k] * _MULTIPLIER + hashed_word
    last[0] = hashed_word


@kernel
def _add_bucket(
    embedded: Floats, row: Any, ngram: Any, vocabulary: Any, rows: Floats, kept: Words, kept_before: Ints, buckets: Any
) -> Any:
    """Adds the vector of a word n-gram; 1, or 0 where it was pruned."""
    at = ngram_row(np.int64(ngram % np.uint64(buckets)), vocabulary, kept, kept_before, buckets)
    if at < 0:
        return 0
    add(embedded, row, rows, at)
    return 1


@kernel
def sigmoid_rows(score: Floats, embedded: Floats, output: Floats, label: Any) -> None:
    """Probability of a label among independent ones (one versus all, negative sampling), in fastText's 512 steps."""
    for row in range(len(embedded)):
        value = np.float64(dot(output, label, embedded, row))
        step = np.floor((min(max(value, -8.0), 8.0) + 8.0) * 32.0) / 32.0 - 8.0
        score[row] = 0.0 if value < -8.0 else 1.0 if value > 8.0 else np.float32(1.0 / (1.0 + np.exp(-step)))

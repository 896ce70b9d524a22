"""Shingles: the word n-grams of a normalised text as 64-bit hashes, and the Jaccard similarity of two sets of them.

A word is what stands between two spaces of the normalised text. Letters of scripts that are written without spaces are
words of their own, so that Chinese or Thai has shingles too. A text of fewer words than n has a single shingle made of
all of them, and a text without words has none. Two different shingles share a hash with probability 2^-64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bytes, Float64s, Int, Offsets, UInt64s
from classifiers.kernels.hash import GOLDEN, POLYNOMIAL_BASE, avalanche, mixed
from classifiers.kernels.jit import kernel
from stages.kernels.dialects import BLANK, Dialect, Normal, normal
from stages.kernels.normalise import Clean, most_words, new_clean, normalise, views_of
from stages.kernels.words import longest

_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)  # the mask of eight bytes


class Shingles(NamedTuple):
    """Row i has the shingles `hashes[offsets[i]:offsets[i + 1]]`, in the order of the text, including repeated ones."""

    offsets: Offsets
    hashes: UInt64s


def text_shingles(column: pa.Array | pa.ChunkedArray, ngram: int, dialect: Dialect) -> Shingles:
    """The shingles of every text of a column. The texts are normalised first."""
    offsets, data = views_of(column, dialect)
    size = longest(offsets)
    clean, words = new_clean(size), np.empty(most_words(size, 1), np.uint64)
    ends = np.zeros(len(offsets), np.int64)
    out = np.empty(most_words(int(offsets[-1] - offsets[0]), len(ends)), np.uint64)
    _text_shingles(offsets, data, normal(dialect), ngram, clean, _by_eight(clean.text), words, ends, out)
    return Shingles(ends, out[: ends[-1]])


def _by_eight(text: Bytes) -> UInt64s:
    """For each byte, the eight bytes that start there, as a number."""
    return np.ndarray((len(text) - 7,), "<u8", text, strides=(1,))


def token_shingles(offsets: Offsets, tokens: UInt64s, ngram: int) -> Shingles:
    """The shingles of rows of token numbers: row i has the tokens `tokens[offsets[i]:offsets[i + 1]]`."""
    ends, out = np.zeros(len(offsets), np.int64), np.empty(len(tokens), np.uint64)
    words = np.empty(longest(offsets), np.uint64)
    _token_shingles(offsets, tokens, ngram, words, ends, out)
    return Shingles(ends, out[: ends[-1]])


@kernel
def _text_shingles(
    offsets: Offsets,
    data: Bytes,
    tables: Normal,
    ngram: Int,
    clean: Clean,
    eights: UInt64s,
    words: UInt64s,
    ends: Offsets,
    out: UInt64s,
) -> None:
    for row in range(len(offsets) - 1):
        _, count = normalise(data[offsets[row] : offsets[row + 1]], tables, clean)
        hash_words(clean, eights, count, words)
        ends[row + 1] = ends[row] + hash_shingles(words, count, ngram, out[ends[row] :])


@kernel
def _token_shingles(offsets: Offsets, tokens: UInt64s, ngram: Int, words: UInt64s, ends: Offsets, out: UInt64s) -> None:
    for row in range(len(offsets) - 1):
        count = offsets[row + 1] - offsets[row]
        for k in range(count):
            words[k] = avalanche(tokens[offsets[row] + k] + GOLDEN)
        ends[row + 1] = ends[row] + hash_shingles(words, count, ngram, out[ends[row] :])


@kernel
def hash_words(clean: Clean, eights: UInt64s, count: Int, out: UInt64s) -> None:
    """Hash the first `count` words of the normalised text, eight bytes at a time."""
    start, text, ends = 0, clean.text, clean.end
    for word in range(count):
        end = ends[word]
        hashed = GOLDEN * np.uint64(end - start)
        while end - start > 8:
            hashed = mixed(hashed ^ eights[start])
            start += 8
        hashed ^= eights[start] & (_ALL_BITS >> np.uint64(64 - 8 * (end - start)))
        out[word] = avalanche(hashed)
        start = end + (text[end] == BLANK)


@kernel
def hash_shingles(words: UInt64s, count: Int, ngram: Int, out: UInt64s) -> Int:
    """Hash every n-gram of the `count` words by a rolling polynomial; returns how many n-grams there are."""
    if count == 0:
        return 0
    n = min(ngram, count)
    hashed, gone, size = np.uint64(0), np.uint64(1), np.uint64(n) * GOLDEN
    for k in range(n):
        hashed, gone = hashed * POLYNOMIAL_BASE + words[k], gone * POLYNOMIAL_BASE
    out[0] = avalanche(hashed + size)
    for k in range(n, count):
        hashed = hashed * POLYNOMIAL_BASE + words[k] - words[k - n] * gone
        out[k - n + 1] = avalanche(hashed + size)
    return count - n + 1


def shared_shingles(a: Shingles, b: Shingles) -> Float64s:
    """The Jaccard similarity of the sets in row i of `a` and row i of `b`; 0 if either is empty.

    Raises ValueError if the two have different numbers of rows.
    """
    if len(a.offsets) != len(b.offsets):
        raise ValueError(f"{len(a.offsets) - 1} rows and {len(b.offsets) - 1} rows: pairs need as many of each")
    out = np.zeros(len(a.offsets) - 1, np.float64)
    _shared_shingles(a, b, out)
    return out


@kernel
def _shared_shingles(a: Shingles, b: Shingles, out: Float64s) -> None:
    for row in range(len(out)):
        mine = np.unique(a.hashes[a.offsets[row] : a.offsets[row + 1]])
        yours = np.unique(b.hashes[b.offsets[row] : b.offsets[row + 1]])
        both, i, j = 0, 0, 0
        while i < len(mine) and j < len(yours):
            both += mine[i] == yours[j]
            here, there = mine[i] <= yours[j], yours[j] <= mine[i]
            i, j = i + here, j + there
        if both > 0:
            out[row] = both / (len(mine) + len(yours) - both)

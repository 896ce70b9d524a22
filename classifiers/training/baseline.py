"""A plain linear model to compare with: logistic regression on hashed words and pairs of words, by AdaGrad.

Duchi et al. 2011 (AdaGrad); hashing as in Weinberger et al. 2009. No characters, no dense vectors: a fastText
model must beat this to be worth its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from classifiers.kernels.arrays import Bools, Bytes, Float32s, Offsets
from classifiers.kernels.jit import kernel
from classifiers.normalise.normalise import packed, whole
from classifiers.wordlist import next_word

BITS = 18


def fit(texts: Sequence[str], truth: Bools, epochs: int = 3, rate: float = 0.1) -> Float32s:
    """The weights of 2**18 hashed features, trained on the texts in their order."""
    lines = whole(*packed(texts), "words_v1")
    weights, squares = np.zeros(1 << BITS, np.float32), np.full(1 << BITS, 1e-2, np.float32)
    for _ in range(epochs):
        _learn(weights, squares, lines.offsets, lines.data, truth.astype(np.float32), np.float32(rate))
    return weights


def score(weights: Float32s, texts: Sequence[str]) -> Float32s:
    """The probability of each text."""
    lines = whole(*packed(texts), "words_v1")
    scores = np.zeros(len(texts), np.float32)
    _score(scores, weights, lines.offsets, lines.data)
    return scores


@kernel
def _learn(
    weights: Float32s, squares: Float32s, offsets: Offsets, data: Bytes, truth: Float32s, rate: np.float32
) -> None:
    features = np.zeros(4096, np.int64)
    for row in range(len(offsets) - 1):
        count = _features(features, offsets[row], offsets[row + 1], data)
        slope = _probability(weights, features, count) - truth[row]
        for k in range(count):
            at = features[k]
            squares[at] += slope * slope
            weights[at] -= rate * slope / np.sqrt(squares[at])


@kernel
def _score(scores: Float32s, weights: Float32s, offsets: Offsets, data: Bytes) -> None:
    features = np.zeros(4096, np.int64)
    for row in range(len(offsets) - 1):
        count = _features(features, offsets[row], offsets[row + 1], data)
        scores[row] = _probability(weights, features, count)


@kernel
def _features(features: Offsets, at: Any, end: Any, data: Bytes) -> Any:
    """Write the hashed words and pairs of words of a line, and a constant feature. Returns how many there are."""
    features[0], count, before = 0, 1, np.uint64(0)
    while at + 1 < end and count + 2 <= len(features):
        at, found = next_word(data, at)
        for value in (found, before * np.uint64(0x9E3779B97F4A7C15) + found):
            features[count] = np.int64((value ^ value >> np.uint64(31)) & np.uint64((1 << BITS) - 1))
            count += 1
        before = found
    return count


@kernel
def _probability(weights: Float32s, features: Offsets, count: Any) -> Any:
    total = np.float32(0)
    for k in range(count):
        total += weights[features[k]]
    return np.float32(1.0) / (np.float32(1.0) + np.exp(-total))

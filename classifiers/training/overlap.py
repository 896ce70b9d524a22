"""Leakage: texts of a test set that are also, nearly, in the training set.

Two texts are near-duplicates if the Jaccard similarity of their sets of character 5-grams (of the normalised text)
is `least` or more. Candidates come from MinHash (Broder 1997): 32 values in 8 bands of 4 rows find a pair of
similarity 0.8 with probability 0.985; each candidate is then compared exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bytes, Offsets, UInt64s
from classifiers.kernels.jit import kernel
from classifiers.normalise.normalise import normalised, packed

GRAM, BANDS, ROWS = 5, 8, 4
_MOST_COMPARED = 50  # texts that share a band; what a thousand texts have in common is not a copy


def without_overlap(train: pa.Table, test: pa.Table, least: float = 0.8) -> pa.Table:
    """The training rows without those that are near-duplicates of a test row."""
    copies = overlap(train["text"].to_pylist(), test["text"].to_pylist(), least)
    keep = np.ones(train.num_rows, bool)
    keep[list({row for row, _ in copies})] = False
    return train.filter(pa.array(keep))


def overlap(train: Sequence[str], test: Sequence[str], least: float = 0.8) -> list[tuple[int, int]]:
    """Pairs (row of train, row of test) of near-duplicates. A text without a word is not a copy of anything."""
    texts = normalised([*train, *test])
    bands = signatures(texts)
    found = set[tuple[int, int]]()
    for band in range(BANDS):
        places = defaultdict[int, list[int]](list)
        for row, key in enumerate(bands[: len(train), band].tolist()):
            if texts[row]:
                places[key].append(row)
        for other, key in enumerate(bands[len(train) :, band].tolist()):
            found.update((row, other) for row in places.get(key, [])[:_MOST_COMPARED])
    return sorted(pair for pair in found if similarity(texts[pair[0]], texts[len(train) + pair[1]]) >= least)


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the character 5-grams; a shorter text is one gram."""
    a, b = _grams(one), _grams(other)
    return len(a & b) / max(len(a | b), 1)


def _grams(text: str) -> set[str]:
    return {text[k : k + GRAM] for k in range(max(len(text) - GRAM + 1, 1))}


def signatures(texts: Sequence[str]) -> UInt64s:
    """A row of BANDS hashes for each text, over the 5-grams of its UTF-8 bytes."""
    offsets, data = packed(texts)
    out = np.zeros((len(texts), BANDS), np.uint64)
    multipliers = np.random.default_rng(1).integers(1, 2**63, BANDS * ROWS, np.uint64) * np.uint64(2) + np.uint64(1)
    _sign(out, offsets, data, multipliers)
    return out


@kernel
def _sign(out: UInt64s, offsets: Offsets, data: Bytes, multipliers: UInt64s) -> None:
    smallest = np.zeros(len(multipliers), np.uint64)
    for row in range(len(offsets) - 1):
        smallest[:] = np.uint64(0xFFFFFFFFFFFFFFFF)
        start, end = offsets[row], offsets[row + 1]
        for at in range(start, max(end - GRAM + 1, start + 1)):
            gram = _gram(data, at, min(at + GRAM, end))
            for k in range(len(multipliers)):
                value = gram * multipliers[k]
                value ^= value >> np.uint64(32)
                smallest[k] = min(smallest[k], value)
        for band in range(BANDS):
            key = np.uint64(band)
            for k in range(band * ROWS, band * ROWS + ROWS):
                key = (key ^ smallest[k]) * np.uint64(0x9E3779B97F4A7C15)
            out[row, band] = key


@kernel
def _gram(data: Bytes, at: Any, end: Any) -> Any:
    found = np.uint64(14695981039346656037)
    for k in range(at, end):
        found = (found ^ np.uint64(data[k])) * np.uint64(1099511628211)
    return found ^ found >> np.uint64(29)

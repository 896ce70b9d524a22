"""Which blocks a page's scores keep: those from the cut with the highest expected F on, and no passage twice.

A block's score is the chance that it is main text. The chances of a page go together: if one item of a list is
wrongly taken for main text, all are. So the expectation is over a shift of all of the page's log-odds, normal with a
standard deviation of `SPREAD` (a random effect of the page), by Gauss-Hermite quadrature; each block's own chance stays
its mean over the shifts, by the probit approximation of MacKay, "The Evidence Framework Applied to Classification
Networks", Neural Computation 4(5), 1992.
"""

from __future__ import annotations

import numpy as np

from classifiers.blocks.features.numbers import slot, table
from classifiers.kernels.arrays import Bools, Float, Float32s, Int, UInt64s
from classifiers.kernels.jit import kernel

SPREAD = 2.0  # of the log-odds of a page
BETA = 0.8  # of F: precision counts for a little more than recall; chosen on the grouped folds
TWICE = 0.3  # share of the kept words that a repeated passage must have
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_WEIGHTS /= _WEIGHTS.sum()
_WIDENED = np.sqrt(1 + np.pi / 8 * SPREAD**2)  # MacKay's factor of the log-odds
_LEAST = 1e-6  # chances nearer to 0 or 1 are not believed


def best_cut(scores: Float32s, sizes: Float32s) -> tuple[float, float]:
    """The score from which blocks are kept, and the F to expect of that: the highest there is.

    With p the chance that a word is main text, a kept set K has an F of about (1 + β²) Σ_K p / (|K| + β² Σ p).
    """
    if not len(scores):
        return 1.0, 0.0
    order = np.argsort(-scores, kind="stable")
    best, expected = _best(scores[order], sizes[order])
    return float(scores[order[best]]), float(expected)


@kernel
def _best(scores: Float32s, sizes: Float32s) -> tuple[Int, Float]:
    """How many of these blocks, sorted by falling scores, are kept besides the first; and the F."""
    expected = np.zeros(len(scores))
    for k in range(len(_POINTS)):
        shift, right = SPREAD * _POINTS[k], np.empty(len(scores))
        found = 0.0
        for block in range(len(scores)):
            chance = min(max(np.float64(scores[block]), _LEAST), 1 - _LEAST)
            found += sizes[block] / (1 + np.exp(-_WIDENED * np.log(chance / (1 - chance)) - shift))
            right[block] = found
        kept = 0.0
        for block in range(len(scores)):
            kept += sizes[block]
            expected[block] += _WEIGHTS[k] * (1 + BETA**2) * right[block] / max(kept + BETA**2 * found, 1e-9)
    best = np.argmax(expected)
    return best, expected[best]


@kernel
def once(hashes: UInt64s, sizes: Float32s, kept: Bools) -> None:
    """Keep only the first of two equal passages of two blocks or more, such as an article that a page holds for two
    widths of screens. Short ones stay: quotes of a forum, a song's refrain.
    """
    at, total = np.flatnonzero(kept), np.float64(0)
    keys, counts = table(len(at))
    firsts = np.zeros(len(keys), np.int64)
    first = np.empty(len(at), np.int64)  # where this block's text occurs first among the kept blocks
    for k in range(len(at)):
        place = slot(keys, counts, hashes[at[k]])
        if counts[place] == 0:
            keys[place], firsts[place] = hashes[at[k]], k
        counts[place] += 1
        first[k] = firsts[place]
        total += sizes[at[k]]
    start = 0
    while start < len(at):
        end, words = start + 1, np.float64(sizes[at[start]])
        while end < len(at) and first[start] < start and first[end] < end and first[end] == first[end - 1] + 1:
            words += sizes[at[end]]
            end += 1
        if first[start] < start and end - start >= 2 and words >= TWICE * total:
            kept[at[start:end]] = False
        start = end

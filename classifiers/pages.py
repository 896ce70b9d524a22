"""From scored lines to a score of the page: the largest, the mean by length, and the share of profane words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Float32s, Int64s
from classifiers.kernels.jit import kernel
from classifiers.predict import PageScores


class Aggregates(NamedTuple):
    """One value per page; 0 for a page without words.

    `share`: of the words, in lines that score `line_threshold` or more. `mean`: of the lines' scores, weighted by their
    words. `max`: the largest score of a line.
    """

    share: Float32s
    mean: Float32s
    max: Float32s
    words: Int64s


def aggregate(scored: PageScores, line_threshold: float) -> Aggregates:
    pages = len(scored.rows) - 1
    share, mean, most = np.zeros((3, pages), np.float32)
    out = Aggregates(share, mean, most, np.zeros(pages, np.int64))
    _aggregate_rows(*out, scored.rows, scored.scores, scored.words, np.float32(line_threshold))
    return out


@kernel
def _aggregate_rows(
    share: Float32s, mean: Float32s, most: Float32s, words: Int64s, rows: Int64s,
    scores: Float32s, line_words: Int64s, threshold: np.float32,
) -> None:  # fmt: skip
    for page in range(len(rows) - 1):
        all_words, above, weighted = 0, 0, 0.0
        for line in range(rows[page], rows[page + 1]):
            count = line_words[line]
            all_words += count
            above += count if scores[line] >= threshold else 0
            weighted += np.float64(scores[line]) * count
            most[page] = max(most[page], scores[line])
        words[page] = all_words
        share[page], mean[page] = above / max(all_words, 1), weighted / max(all_words, 1)

"""How good scores are: ranking (ROC AUC, average precision) and decisions (precision, recall) at a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from classifiers.kernels.arrays import Bools

Scores = npt.NDArray[np.floating]
Truth = Bools


class Metrics(NamedTuple):
    """Over `rows` texts, `positives` of them true. NaN if undefined (no positive, no negative, none found)."""

    rows: int
    positives: int
    auc: float
    average_precision: float
    precision: float
    recall: float
    false_alarms: float


def measured(scores: Scores, truth: Truth, threshold: float) -> Metrics:
    """All metrics. A text counts as found if its score is `threshold` or more; `false_alarms` is per negative text."""
    found = scores >= threshold
    hits = int((found & truth).sum())
    positives, negatives = int(truth.sum()), int((~truth).sum())
    return Metrics(
        len(scores),
        positives,
        auc(scores, truth),
        average_precision(scores, truth),
        _ratio(hits, int(found.sum())),
        _ratio(hits, positives),
        _ratio(int(found.sum()) - hits, negatives),
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def auc(scores: Scores, truth: Truth) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half (Mann and Whitney's U)."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[place][truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(scores: Scores, truth: Truth) -> float:
    """Sum over the thresholds of precision x gain in recall; equal scores are one threshold."""
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(truth[order])[last]
    return float(np.sum(np.diff(np.append(0, hits)) * hits / (last + 1)) / truth.sum())


def by_group(scores: Scores, truth: Truth, groups: Sequence[str], threshold: float) -> dict[str, Metrics]:
    """The metrics of each group's texts, and of all of them under "all"."""
    names = np.array(groups, object)
    rows = {name: names == name for name in sorted(set(groups))}
    return {
        **{name: measured(scores[mask], truth[mask], threshold) for name, mask in rows.items()},
        "all": measured(scores, truth, threshold),
    }

"""Thresholds that reach a stated precision, at the share of positives that the texts really have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from classifiers.training.evaluate import Scores, Truth


class ThresholdPoint(NamedTuple):
    """What flagging scores of `threshold` and more means: shares of the flagged, the positives, the negatives."""

    threshold: float
    precision: float
    recall: float
    false_alarms: float


class Unreachable(ValueError):
    """No threshold reaches the wanted precision on these texts."""


def curve(scores: Scores, truth: Truth, prevalence: float | None = None) -> list[ThresholdPoint]:
    """A point for every score that occurs, from the highest to the lowest.

    Precision is for texts of which the share `prevalence` is positive (None = as many as here): labelled texts usually
    have far more positives than the web. Raises Unreachable if there are no positives or no negatives.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        raise Unreachable(f"{positives} positive and {negatives} negative texts: a threshold needs both")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    recall = np.cumsum(truth[order])[last] / positives
    false_alarms = np.cumsum(~truth[order])[last] / negatives
    share = positives / len(scores) if prevalence is None else prevalence
    found = share * recall + (1 - share) * false_alarms
    return [
        ThresholdPoint(*map(float, p))
        for p in zip(scores[order][last], share * recall / found, recall, false_alarms, strict=True)
    ]


def calibrate(scores: Scores, truth: Truth, precision: float, prevalence: float | None = None) -> ThresholdPoint:
    """The lowest threshold with the wanted precision, and so the one with the largest recall. Raises Unreachable."""
    points = curve(scores, truth, prevalence)
    good = [point for point in points if point.precision >= precision]
    if not good:
        best = max(points, key=lambda point: point.precision)
        raise Unreachable(
            f"no threshold has precision {precision:g}; the best is {best.precision:.4f} at {best.threshold:g}"
        )
    return good[-1]


def table(
    scores: Scores, truth: Truth, thresholds: npt.ArrayLike, prevalence: float | None = None
) -> list[ThresholdPoint]:
    """The points at given thresholds; precision is NaN where nothing is found."""
    points = []
    for threshold in np.asarray(thresholds, np.float64).tolist():
        found = scores >= threshold
        recall, alarms = float(found[truth].mean()), float(found[~truth].mean())
        share = float(truth.mean()) if prevalence is None else prevalence
        reached = share * recall + (1 - share) * alarms
        points.append(ThresholdPoint(threshold, share * recall / reached if reached else float("nan"), recall, alarms))
    return points

"""Metrics beside their definitions, and thresholds that keep what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.training import card
from classifiers.training.calibrate import Unreachable, calibrate, curve, table
from classifiers.training.evaluate import auc, average_precision, by_group, measured
from tests.examples import examples

samples = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1), st.booleans()), max_size=40
)


def arrays(sample: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in sample], float), np.array([truth for _, truth in sample], bool)


@given(samples)
def test_auc_is_the_share_of_pairs_in_order(sample: list[tuple[float, bool]]) -> None:
    scores, truth = arrays(sample)
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[truth] for b in scores[~truth]]
    if pairs:
        assert auc(scores, truth) == pytest.approx(np.mean(pairs))
    else:
        assert math.isnan(auc(scores, truth))


@given(samples)
def test_average_precision_is_the_sum_over_thresholds(sample: list[tuple[float, bool]]) -> None:
    scores, truth = arrays(sample)
    if not truth.any():
        assert math.isnan(average_precision(scores, truth))
        return
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        found = scores >= threshold
        recall = truth[found].sum() / truth.sum()
        total, before = total + (recall - before) * truth[found].mean(), recall
    assert average_precision(scores, truth) == pytest.approx(total)


@given(samples, st.floats(0, 1))
def test_decisions_are_counted(sample: list[tuple[float, bool]], threshold: float) -> None:
    scores, truth = arrays(sample)
    m = measured(scores, truth, threshold)
    found = [t for s, t in sample if s >= threshold]
    assert (m.rows, m.positives) == (len(sample), sum(t for _, t in sample))
    for value, part, whole in [
        (m.precision, sum(found), len(found)),
        (m.recall, sum(found), m.positives),
        (m.false_alarms, len(found) - sum(found), m.rows - m.positives),
    ]:
        assert value == part / whole if whole else math.isnan(value)


def test_groups_are_measured_apart() -> None:
    scores, truth = np.array([0.9, 0.1, 0.8, 0.2]), np.array([True, False, False, True])
    found = by_group(scores, truth, ["a", "a", "b", "b"], 0.5)
    assert list(found) == ["a", "b", "all"]
    assert (found["a"].auc, found["b"].auc, found["all"].auc) == (1, 0, 0.75)
    assert "| a | 2 | 1 | 1.0000 |" in card.metrics_table("source", found)


@settings(max_examples=examples(200))
@given(samples, st.floats(0, 1), st.none() | st.floats(0.01, 0.99))
def test_the_threshold_has_the_precision_and_none_below_it_has(
    sample: list[tuple[float, bool]], precision: float, prevalence: float | None
) -> None:
    scores, truth = arrays(sample)
    try:
        point = calibrate(scores, truth, precision, prevalence)
    except Unreachable:
        if truth.any() and not truth.all():
            assert all(p.precision < precision for p in curve(scores, truth, prevalence))
        return
    assert point.precision >= precision
    assert point.recall == measured(scores, truth, point.threshold).recall
    (same,) = table(scores, truth, [point.threshold], prevalence)
    assert same == pytest.approx(point)
    if prevalence is None:
        assert point.precision == pytest.approx(measured(scores, truth, point.threshold).precision)
    assert all(p.precision < precision for p in curve(scores, truth, prevalence) if p.threshold < point.threshold)


def test_an_unreachable_precision_says_what_there_is() -> None:
    with pytest.raises(Unreachable, match=r"no threshold has precision 0\.9; the best is 0\.5000 at 0\.3"):
        calibrate(np.array([0.9, 0.3]), np.array([False, True]), 0.9)
    with pytest.raises(Unreachable, match="0 positive and 1 negative texts"):
        calibrate(np.array([0.9]), np.array([False]), 0.9)

"""Scores → a table by stage and reason, with 95 % confidence intervals.

An item's score is the mean over the people who judged it. Shares get Wilson's interval (1927), which holds for small
numbers and for shares near 0 and 1; means get a percentile bootstrap. The line of a whole stage weighs its reasons by
how many documents they removed, because the sample gave rare ones more than their share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from classifiers.kernels.arrays import Float64s
from jobs.audit.samples import Item, Score

Z = 1.959964  # standard deviations: the normal distribution's two-sided 95 %
PERCENTILES = (2.5, 97.5)  # of the bootstrap: 95 %
DRAWS = 2000  # bootstrap samples: enough for two stable digits of an interval
ALL = "all"

Interval = tuple[float, float]


@dataclass(frozen=True)
class Judged:
    """One line of the table: how many `items` were judged, with how many `answers`; the mean score, the share of wrong
    decisions, and their intervals (None: no data).
    """

    stage: str
    reason: str
    items: int
    answers: int
    score: float | None
    score_interval: Interval | None
    wrong: float | None
    wrong_interval: Interval | None


def wilson(share: float, n: int) -> Interval:
    """Wilson's score interval for a share among n. Raises ValueError if n is 0."""
    if n < 1:
        raise ValueError("there is no interval for a share of nothing")
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap(strata: Sequence[Float64s], weights: Sequence[float], seed: int = 0) -> tuple[float, Interval]:
    """The weighted mean of the strata's means, and its interval: each stratum is resampled from itself.

    A stratum of one item does not show how its items differ: it is assumed to vary as all items together do.
    """
    dice = np.random.default_rng(seed)
    shares = np.array(weights, float) / sum(weights)
    means = np.array([stratum.mean() for stratum in strata])
    drawn = np.zeros(DRAWS)
    everything = np.concatenate(strata)
    for share, stratum in zip(shares, strata, strict=True):
        if len(stratum) == 1:
            stratum = stratum + (everything - everything.mean())
            drawn += share * dice.choice(stratum, DRAWS)
            continue
        drawn += share * dice.choice(stratum, (DRAWS, len(stratum))).mean(axis=1)
    low, high = np.percentile(drawn, PERCENTILES)
    return float(shares @ means), (float(low), float(high))


@dataclass(frozen=True)
class _Group:
    """The judged items of one stage and reason."""

    stage: str
    reason: str
    count: int
    scores: Float64s
    wrongs: Float64s
    answers: int


def table(items: Mapping[str, Item], scores: Iterable[Score]) -> list[Judged]:
    """A line for each stage and reason that was judged; after a stage with several reasons, a line for all of them."""
    groups = _groups(items, scores)
    found: list[Judged] = []
    for stage in dict.fromkeys(group.stage for group in groups):
        of_stage = [group for group in groups if group.stage == stage]
        found += [_line(group) for group in of_stage]
        if len(of_stage) > 1:
            found.append(_all(stage, of_stage))
    return found


def _groups(items: Mapping[str, Item], scores: Iterable[Score]) -> list[_Group]:
    latest = {(score.item, score.who): score for score in scores}  # a person who judged twice changed their mind
    by_item: dict[str, list[Score]] = {}
    for score in latest.values():
        by_item.setdefault(score.item, []).append(score)
    keys = dict.fromkeys((item.stage, item.reason) for item in items.values())
    return [group for key in keys if (group := _group(key, items, by_item)).answers]


def _group(key: tuple[str, str], items: Mapping[str, Item], by_item: Mapping[str, list[Score]]) -> _Group:
    here = [item for item in items.values() if (item.stage, item.reason) == key]
    judged = [by_item[item.item] for item in here if item.item in by_item]
    given = [[score.score for score in one if score.score is not None] for one in judged]
    scores = np.array([sum(one) / len(one) for one in given if one])
    wrongs = np.array([sum(score.wrong for score in one) / len(one) for one in judged])
    return _Group(*key, here[0].count, scores, wrongs, sum(map(len, judged)))


def _line(group: _Group) -> Judged:
    score = bootstrap([group.scores], [1.0]) if len(group.scores) else None
    several = len(group.scores) > 1  # one item says nothing about how others differ
    share = float(group.wrongs.mean())
    return Judged(
        group.stage, group.reason, len(group.wrongs), group.answers,
        None if score is None else score[0], score[1] if score is not None and several else None,
        share, wilson(share, len(group.wrongs)),
    )  # fmt: skip


def _all(stage: str, groups: Sequence[_Group]) -> Judged:
    scored = [group for group in groups if len(group.scores)]
    score = bootstrap([g.scores for g in scored], [g.count for g in scored]) if scored else None
    weights = np.array([group.count for group in groups], float)
    weights /= weights.sum()
    share = float(sum(w * group.wrongs.mean() for w, group in zip(weights, groups, strict=True)))
    # the number of evenly weighted items that would say as much (Kish 1965)
    effective = 1 / sum(w * w / len(group.wrongs) for w, group in zip(weights, groups, strict=True))
    return Judged(
        stage, ALL, sum(len(g.wrongs) for g in groups), sum(g.answers for g in groups),
        None if score is None else score[0], None if score is None else score[1],
        share, wilson(share, max(1, int(effective))),
    )  # fmt: skip

"""Log-odds of class and id tokens: how much more often main text is under a token than other text, page by page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from classifiers.blocks.html.layout import FOUND, NODE, PARENT, TOKEN_SLOTS, ScannedPage
from classifiers.kernels.arrays import Float32s
from classifiers.kernels.jit import kernel

LEVELS = 4  # a block's element and the ones around it that count
LEAST_GROUPS = 3  # sites that must have a token for it to count
_SMOOTHING, _MOST = 0.25, 3.0


class CueCounts:
    """Mass of main and of other text under each token, by group of pages. Each page has a mass of 1 of both."""

    def __init__(self, group_count: int) -> None:
        self.mass = np.zeros((group_count, 2, TOKEN_SLOTS), np.float32)

    def add(self, group: int, page: ScannedPage, labels: Float32s, sizes: Float32s, weight: float) -> None:
        main, other = labels * sizes, (1 - labels) * sizes
        main, other = main / max(main.sum(), 1.0), other / max(other.sum(), 1.0)
        accumulate(page, main * np.float32(weight), other * np.float32(weight), self.mass[group])

    def tables(self, learnt: Iterable[int]) -> CueTables:
        return CueTables(self, sorted(set(learnt)))


class CueTables:
    """The cues learnt from some groups, and from all of them but one."""

    def __init__(self, counts: CueCounts, groups: list[int]) -> None:
        self.counts, self.groups = counts, frozenset(groups)
        self.total = counts.mass[groups].sum(axis=0, dtype=np.float64)
        self.sites = (counts.mass[groups].sum(axis=1) > 0).sum(axis=0)

    def without(self, group: int) -> Float32s:
        """The cues for pages of this group, learnt without the group itself."""
        if group not in self.groups:
            return _log_odds(self.total, self.sites)
        own = self.counts.mass[group]
        return _log_odds(self.total - own, self.sites - (own.sum(axis=0) > 0))

    def all(self) -> Float32s:
        return _log_odds(self.total, self.sites)


def _log_odds(mass: Any, sites: Any) -> Float32s:
    odds = np.log((np.maximum(mass[0], 0) + _SMOOTHING) / (np.maximum(mass[1], 0) + _SMOOTHING))
    return np.where(sites >= LEAST_GROUPS, np.clip(odds, -_MOST, _MOST), 0).astype(np.float32)


@kernel
def accumulate(page: ScannedPage, main: Float32s, other: Float32s, mass: Any) -> None:
    for block in range(len(main)):
        node = page.blocks[block, NODE]
        for _ in range(LEVELS):
            for k in range(page.nodes[node, FOUND]):
                mass[0, page.tokens[node, k]] += main[block]
                mass[1, page.tokens[node, k]] += other[block]
            node = page.nodes[node, PARENT]

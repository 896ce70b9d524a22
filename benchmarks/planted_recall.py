"""Judges how many of the near-duplicates that `planted` hid an answer found.

An answer says in which cluster each document is (`clusters_of` derives that from removed id → kept id). Recall is
counted per Jaccard similarity, over the pairs of families of two: in larger families a third document may connect two,
which the S-curve does not cover. Precision is the share of the pairs in one cluster that belong to one family.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from math import comb, sqrt
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.planted import TARGETS

Clusters = Mapping[str, Hashable]


class Bin(NamedTuple):
    """The pairs whose similarity is nearest to `jaccard`."""

    jaccard: float
    pairs: int
    found: int
    expected: float  # how many 1-(1-s^r)^b promises at the true similarities
    deviation: float  # standard deviation of that number

    @property
    def recall(self) -> float:
        return self.found / self.pairs

    def agrees(self, deviations: float = 4) -> bool:
        """Whether the number found is within `deviations` standard deviations (and half a pair) of the promised one."""
        return abs(self.found - self.expected) <= deviations * self.deviation + 0.5


class Score(NamedTuple):
    """The judgement of one answer."""

    bins: list[Bin]
    clustered_pairs: int  # pairs of documents in one cluster
    planted_pairs: int  # those of them that are of one family
    family_recall: float  # share of all pairs within families, of any size, that are in one cluster

    @property
    def precision(self) -> float:
        """The share of clustered pairs that were planted; 1 if no pair was clustered, because nothing is wrong then."""
        return self.planted_pairs / self.clustered_pairs if self.clustered_pairs else 1.0


def s_curve(jaccard: float, bands: int, rows: int) -> float:
    """The probability that two documents share a band: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4."""
    return 1 - (1 - jaccard**rows) ** bands


def clusters_of(kept: Mapping[str, str]) -> dict[str, str]:
    """The cluster of every document that is in one, from removed id → kept id. A kept one may itself be removed in
    favour of another.

    Raises ValueError if documents are removed in favour of each other in a ring, so that none of them is left.
    """
    clusters = {}
    for removed in kept:
        last, steps = removed, 0
        while last in kept:
            last, steps = kept[last], steps + 1
            if steps > len(kept):
                raise ValueError(f"document {removed} is removed in favour of a ring of removed documents")
        clusters[removed] = clusters[last] = last
    return clusters


def score(truth: pa.Table, clusters: Clusters, bands: int, rows: int) -> Score:
    """Judge an answer by the table `truth.parquet`. Documents that `clusters` does not name are in no cluster."""
    found = [
        clusters.get(a) is not None and clusters.get(a) == clusters.get(b)
        for a, b in zip(truth["id_a"].to_pylist(), truth["id_b"].to_pylist(), strict=True)
    ]
    of_two = [members == 2 for members in truth["members"].to_pylist()]
    similar = truth["jaccard"].to_pylist()
    pairs = [(s, hit) for s, hit, two in zip(similar, found, of_two, strict=True) if two]
    sizes = Counter(clusters.values())
    return Score(
        [_bin(target, pairs, bands, rows) for target in TARGETS if any(_nearest(s) == target for s, _ in pairs)],
        sum(comb(size, 2) for size in sizes.values()),
        sum(found),
        sum(found) / max(1, len(found)),
    )


def _nearest(jaccard: float) -> float:
    return min(TARGETS, key=lambda target: abs(target - jaccard))


def _bin(target: float, pairs: list[tuple[float, bool]], bands: int, rows: int) -> Bin:
    inside = [(s_curve(s, bands, rows), hit) for s, hit in pairs if _nearest(s) == target]
    deviation = sqrt(sum(p * (1 - p) for p, _ in inside))
    return Bin(target, len(inside), sum(hit for _, hit in inside), sum(p for p, _ in inside), deviation)


def report(answers: Mapping[str, Clusters], out: Path, bands: int, rows: int) -> str:
    """A Markdown table with a line per similarity and a column per answer, and precision in the last line."""
    truth = pq.read_table(out / "truth.parquet")
    scores = {name: score(truth, clusters, bands, rows) for name, clusters in answers.items()}
    lines = [
        f"| Jaccard | pairs | {bands} × {rows} promises | {' | '.join(scores)} |",
        "|---" * (3 + len(scores)) + "|",
    ]
    for bins in zip(*(one.bins for one in scores.values()), strict=True):
        first = bins[0]
        recalls = " | ".join(f"{one.recall:.1%}{'' if one.agrees() else ' (!)'}" for one in bins)
        promised = f"{first.expected / first.pairs:.1%} ± {2 * first.deviation / first.pairs:.1%}"
        lines.append(f"| {first.jaccard} | {first.pairs:,} | {promised} | {recalls} |")
    lines.append(f"| precision | | | {' | '.join(f'{one.precision:.3%}' for one in scores.values())} |")
    return "\n".join(lines)

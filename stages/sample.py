"""`sample_v1`: keeps a random share of the documents, the same ones in every run."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from classifiers.kernels.arrays import Float64s
from stages.base import drop_where, stage
from stages.errors import WrongUse, nearest


@stage("sample_v1")
class Sample:
    """Keeps each document with a probability and drops the others (`not_sampled`). The id decides, not the order.

    `share`: the probability. `by`, with `pareto`: a column with a score from 0 to 1, of which high ones are kept more
    often: a document stays if a draw from the Pareto distribution (Lomax) of this shape exceeds 1 - score. GPT-3's
    shape is 9: it keeps all documents of score 1, 2.6 % of those of score 0.5 and 0.2 % of those of score 0, times
    `share`. A document without a score is dropped (`no_score`). `seed`: other seeds draw other documents; the same seed
    draws the same in several runs, and a larger share contains a smaller one.
    Source: ours; Pareto: Brown et al. 2020, appendix A.
    """

    name: ClassVar[str]

    share: float = 1.0
    by: str | None = None
    pareto: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be from 0 to 1, not {self.share}")
        if (self.by is None) != (self.pareto is None):
            raise ValueError("by (a column) and pareto (a shape, such as 9) belong together; give both or neither")
        if self.pareto is not None and not 0 < self.pareto < np.inf:
            raise ValueError(f"pareto must be a shape above 0, not {self.pareto}")

    def __call__(self, docs: pa.Table) -> pa.Table:
        ids = docs.column("id")
        stays = draws(ids, f"share {self.seed}") < self.share
        reasons = pc.if_else(pa.array(stays), pa.scalar(None, pa.string()), "not_sampled")
        if self.by is not None and self.pareto is not None:
            scores = _scores(docs, self.by)
            lucky = draws(ids, f"pareto {self.seed}") < chance(scores, self.pareto)
            reasons = pc.if_else(pa.array(lucky), reasons, "not_sampled")
            reasons = pc.if_else(pa.array(np.isnan(scores)), "no_score", reasons)
        return drop_where(docs, reasons)


def draws(ids: pa.Array | pa.ChunkedArray, seed: str) -> Float64s:
    """For each id a number from 0 (included) to 1 (excluded), uniform over ids and independent between seeds."""
    key = xxhash.xxh3_64_intdigest(seed.encode())
    hashed = (xxhash.xxh3_64_intdigest(str(one).encode(errors="replace"), key) for one in ids.to_pylist())
    drawn: Float64s = (np.fromiter(hashed, np.uint64, len(ids)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return drawn


def chance(scores: Float64s, shape: float) -> Float64s:
    """The probability that a Lomax draw of this shape exceeds 1 - score: (2 - score)^-shape, and 1 from score 1 on."""
    kept: Float64s = np.maximum(2.0 - scores, 1.0) ** -shape
    return kept


def _scores(docs: pa.Table, column: str) -> Float64s:
    """The column as numbers, NaN if null. Raises WrongUse if there is none, or it holds no numbers."""
    if column not in docs.column_names:
        raise WrongUse(f"sample_v1: there is no column {column!r} to sample by: {nearest(column, docs.column_names)}")
    values = docs.column(column)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_null(values.type)):
        raise WrongUse(f"sample_v1: the column {column!r} is of the type {values.type}, not of numbers")
    scores: Float64s = pc.fill_null(values.cast(pa.float64(), safe=False), np.nan).to_numpy()
    return scores

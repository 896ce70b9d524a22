"""`classifier_v1`: any supervised fastText model as a quality or topic filter."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from classifiers.kernels.arrays import Bools, Float32s, Float64s
from stages.assets import Asset
from stages.base import check_numbers, drop_where, set_column, stage
from stages.kernels.buffers import utf8_views
from stages.language import check_share
from stages.profanity import classifier
from stages.schema import DOCUMENT, is_measure


@stage("classifier_v1")
class FastTextFilter:
    """Drops documents whose probability of `label`, written to `column`, is below `threshold` (`low_classifier_score`).

    The whole text is read as one line, normalised as the model's file says (any other fastText model gets the text as
    it is, with line feeds as spaces). The column (float32, 0 to 1; 0 for a text without words) stays in the corpus, so
    that another threshold needs no second run. `mode="tag"` writes the column and drops nothing.

    `pareto` > 0 samples instead, as was done for GPT-3's data: a document stays if 1 - score is less than a number
    drawn from a Pareto distribution (Lomax form) with that shape, so that a few low scores stay (GPT-3: 9). The number
    depends only on the document's id and `seed`, so the same documents stay in every run. `threshold` is then not used.

    `model`: path of a supervised model (.bin, .ftz); by default the shipped profanity model, with `label="clean"`.
    Source: GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix A); threshold on a fastText score: DataComp-LM
    (Li et al. 2024, arXiv 2406.11794).
    """

    name: ClassVar[str]
    model: Asset | None = None
    label: str = "clean"
    threshold: float = 0.5
    pareto: float = 0.0
    seed: int = 0
    mode: Literal["drop", "tag"] = "drop"
    column: str = "classifier_score"

    def __post_init__(self) -> None:
        check_share("threshold", self.threshold)
        if not 0 <= self.pareto < float("inf"):
            raise ValueError(f"pareto is {self.pareto}; give the shape of the distribution (GPT-3: 9), or 0 for none")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed is {self.seed}; give a whole number from 0 to 2**64 - 1")
        if self.mode not in ("drop", "tag"):
            raise ValueError(f'mode must be "drop" or "tag", not {self.mode!r}')
        if not self.column or is_measure(self.column) or self.column in DOCUMENT.names:
            raise ValueError(f"column is {self.column!r}; give a name that neither a document column nor a measure has")

    def __call__(self, docs: pa.Table) -> pa.Table:
        model = classifier(self.model, self.label)
        scores = model.score_rows(*utf8_views(docs.column("text")), self.label).scores
        check_numbers(self.column, pa.array(scores))
        low = self._low(docs, scores) if self.mode == "drop" else np.zeros(len(scores), bool)
        reasons = pc.if_else(pa.array(low), "low_classifier_score", pa.scalar(None, pa.string()))
        return set_column(drop_where(docs, reasons), self.column, pa.array(scores, pa.float32()))

    def _low(self, docs: pa.Table, scores: Float32s) -> Bools:
        if self.pareto == 0:
            return np.asarray(scores < np.float32(self.threshold))
        return np.asarray(pareto_draws(docs.column("id"), self.pareto, self.seed) <= 1 - scores.astype(np.float64))


def pareto_draws(ids: pa.ChunkedArray, shape: float, seed: int) -> Float64s:
    """Draws like `np.random.pareto(shape)`, by inversion: (1 - u) ** (-1 / shape) - 1, with u = hash of id and seed."""
    hashes = (xxhash.xxh3_64_intdigest(str(i).encode(), seed) for i in ids.to_pylist())
    uniform = np.fromiter(hashes, np.uint64, len(ids)).astype(np.float64) * 2.0**-64
    # The largest hashes round to 1.
    return np.asarray(np.maximum(1 - uniform, 2.0**-64) ** (-1 / shape) - 1)

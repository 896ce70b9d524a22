"""`weight_v1`: how often a document should be seen in training, by how many copies it had."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.base import set_column, stage
from stages.errors import WrongUse

# FineWeb-2: from which size of a cluster on a document is seen how often.
FINEWEB2 = {1: 1, 2: 2, 3: 3, 5: 5, 100: 8, 1000: 1}


@stage("weight_v1")
class Weight:
    """Adds the column `weight`: how often a document should be seen, by the number of documents that it stands for.

    It removes nothing. `column`: that number (1 or more; null counts as 1), by default `cluster_size`, which the
    deduplicating stages before it write.
    `table`: "fineweb2" is the one that FineWeb-2 published: a single document once, of a cluster of 2 twice, of 3 or
    4 three times, from 5 on 5 times, from 100 on 8 times, and from 1,000 on once, since what has a thousand copies is
    rarely good. "identity" is the number itself, "log" is 1 + log2 of it.
    Source: FineWeb-2 (Penedo et al. 2025, arXiv 2506.20920), README of its code, "Deduplication"; the others are ours.
    """

    name: ClassVar[str]

    table: Literal["fineweb2", "identity", "log"] = "fineweb2"
    column: str = "cluster_size"

    def __post_init__(self) -> None:
        if self.table not in ("fineweb2", "identity", "log"):
            raise ValueError(f'table must be "fineweb2", "identity" or "log", not {self.table!r}')

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns without which the stage cannot work."""
        return (self.column,)

    def __call__(self, docs: pa.Table) -> pa.Table:
        if self.column not in docs.column_names and docs.num_rows == 0:
            return set_column(docs, "weight", pa.array([], pa.float64()))
        if self.column not in docs.column_names:
            raise WrongUse(f"weight_v1: the documents have no column {self.column!r}; they have {docs.column_names}")
        column = docs.column(self.column)
        if not pa.types.is_integer(column.type):
            raise WrongUse(f"weight_v1: the column {self.column!r} has values of type {column.type}, not whole numbers")
        sizes = np.maximum(pc.fill_null(column.cast(pa.int64()), 1).to_numpy(), 1)
        if self.table == "identity":
            weights = sizes.astype(np.float64)
        elif self.table == "log":
            weights = 1 + np.log2(sizes)
        else:
            steps = np.array(list(FINEWEB2))
            weights = np.array(list(FINEWEB2.values()), np.float64)[np.searchsorted(steps, sizes, side="right") - 1]
        return set_column(docs, "weight", pa.array(weights, pa.float64()))

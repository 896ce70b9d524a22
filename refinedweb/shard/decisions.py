"""What a global step decided about a shard, as later readers see it.

At the end of the steps that one pass applies, a few of their decisions are amended (see `dedup.amend`). The pass, and
what looks at the run after it, take a decision as it was amended; the steps themselves never do.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Int64s
from refinedweb.ledger import layout
from refinedweb.storage import Missing, Store
from refinedweb.storage.parquet import read_parquet
from stages.dedup import DECISION

STEP = "step"
AMENDED = pa.schema([pa.field(STEP, pa.string()), *DECISION])  # decisions, each with the step whose decision it is


def decisions_of(store: Store, step: str, shard: int, amended_in: str | None = None) -> pa.Table:
    """The decisions of a step about a shard (DECISION), by row. `amended_in`: the step that has their amendments.

    Raises Missing if the step has not decided yet.
    """
    found = read_parquet(store.get(layout.decisions_key(step, shard))[0])
    if amended_in is None:
        return found
    amended = amendments(store, amended_in, shard)
    mine = amended.filter(pa.array(np.array(amended.column(STEP).to_pylist(), object) == step, pa.bool_()))
    return replaced(found, mine.column("row").to_numpy(), mine.select(DECISION.names))


def amendments(store: Store, step: str, shard: int) -> pa.Table:
    """The amendments about a shard (AMENDED) that a step has; none if it wrote none."""
    try:
        return read_parquet(store.get(layout.amended_key(step, shard))[0])
    except Missing:
        return AMENDED.empty_table()


def replaced(decisions: pa.Table, rows: Int64s, by: pa.Table) -> pa.Table:
    """The decisions without those about these `rows`, and with others instead (both are DECISION), by row."""
    if not len(rows):
        return decisions
    others = decisions.filter(pa.array(~np.isin(decisions.column("row").to_numpy(), rows)))
    return pa.concat_tables([others.select(DECISION.names).cast(DECISION), by.cast(DECISION)]).sort_by("row")

"""The end of every global step: what was found about a block becomes decisions about its shards."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.dedup.again import RULED, Again
from refinedweb.dedup.context import Context
from refinedweb.dedup.phase import PhaseOutputs
from refinedweb.ledger.layout import decisions_key
from stages.dedup import DECISION

DECIDED_AGAIN = "ruled"  # the name of those objects
_ROW_MASK = np.uint64(0xFFFFFFFF)  # the half of an address that is the row


def write_decisions(context: Context, block: int, found: pa.Table, outputs: PhaseOutputs) -> None:
    """Write an object per shard of the block, with a DECISION row for each row of `found` (sorted by address).

    What is decided about documents that come again is one object of the block, by which decisions are amended.
    """
    rows = _as_decisions(found)
    if isinstance(context, Again):
        ruled = rows.add_column(0, RULED.field("address"), found.column("address"))
        outputs.shuffle(DECIDED_AGAIN, RULED, 1).write(context.ruling(ruled))
        return
    nodes = found.column("address").to_numpy()
    for shard in range(*context.blocks[block]):
        first, last = np.searchsorted(nodes, [np.uint64(shard << 32), np.uint64((shard + 1) << 32)])
        outputs.parquet(decisions_key(context.step.name, shard), rows.slice(first, last - first))


def removed_by(context: Context, found: pa.Table) -> dict[str, dict[str, int]]:
    """Count the rows by reason, as a record does."""
    reasons = pc.value_counts(found.column("reason").drop_null())
    counts = {str(item["values"]): int(item["counts"].as_py()) for item in reasons}
    return {context.stage.name: dict(sorted(counts.items()))} if counts else {}


def _as_decisions(found: pa.Table) -> pa.Table:
    row = pa.array((found.column("address").to_numpy() & _ROW_MASK).astype(np.int64))
    known = {**{name: found.column(name) for name in found.column_names}, "row": row}
    columns = [known.get(f.name, pa.nulls(found.num_rows, f.type)) for f in DECISION]
    return pa.table(columns, schema=DECISION)

"""Documents that share a key form a cluster, of which one is kept: `exact_v1`, `minhash_v1`, `url_dedup_v1`.

    sign      documents of a block → (key, address), shuffled by key; edges between those that share one in the block
    group     rows of equal keys → edges, of which a spanning forest is enough
    link      edges → (address, smallest address of its component), shuffled by block
    describe, elect, decide: see `election`

Nothing depends on the number of blocks, partitions or workers: components do not, and the best member is the one with
the lowest rank, documents of earlier runs first. Only ids with the same rank (two in 2⁶⁴) fall back on input order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from refinedweb.dedup.candidates import verified
from refinedweb.dedup.components import linked
from refinedweb.dedup.context import Context
from refinedweb.dedup.election import elected
from refinedweb.dedup.exchange import Exchange, arrived, by_block
from refinedweb.dedup.keys import EDGES, SignKeys, edges_table, keys_schema, signed_rows
from refinedweb.dedup.merged import with_matching
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.tasks import Sign
from stages.dedup import Clustered, checks_column, keys_column
from stages.kernels.edges import grouped_edges
from stages.kernels.unionfind import forest
from stages.minhash import MinHash


def phases(context: Context) -> Iterator[Phase]:
    """The phases, in order. Request each only when the phases before it are complete."""
    stage = cast(Clustered, context.stage)
    columns = (*stage.reads, keys_column(stage.name), checks_column(stage.name))
    sign: Sign | SignKeys
    edges: tuple[Shuffled, ...]
    if _verifies(context):  # which pairs it verifies must not depend on the blocks, so every key travels
        sign = Sign(context, signed_rows, keys_schema(stage), columns)
        yield sign
        keys = yield from arrived(sign.rows, sign)
        group = Group(context, keys)
        yield group
        candidates = yield from arrived(group.candidates, group)
        edges = ((yield from verified(context, candidates)),)
    else:
        sign = SignKeys(context, keys_schema(stage), columns)
        yield sign
        keys = yield from arrived(sign.rows, sign)
        group = Group(context, keys)
        yield group
        edges = (sign.edges, Shuffled(group, "edges", EDGES))
    members = yield from linked(context, edges)
    yield from elected(context, members, sign)


@dataclass(frozen=True)
class Group:
    """Rows of equal keys → edges."""

    context: Context
    keys: Shuffled
    name: str = "2-group"

    @property
    def count(self) -> int:
        return self.context.partitions

    @property
    def candidates(self) -> Exchange:
        """The edges of a stage that verifies all of them, in the blocks of their first documents."""
        return by_block(self.context, "edges", EDGES, self.count, "a")

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        rows = with_matching(self.context.old_keys, self.keys.read(task))
        check = rows.column("check").to_numpy() if "check" in rows.column_names else None
        a, b = grouped_edges(rows.column("key").to_numpy(), check, rows.column("node").to_numpy())
        if _verifies(self.context):
            self.candidates.open(outputs).write(edges_table(a, b))
        else:
            outputs.shuffle("edges", EDGES, 1).write(edges_table(*forest(a, b)))
        return PhaseCounts(rows.num_rows)


def _verifies(context: Context) -> bool:
    return isinstance(context.stage, MinHash) and context.stage.verify is not None

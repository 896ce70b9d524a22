"""Documents that share a key form a cluster, of which one is kept: `exact_v1`, `minhash_v1`, `url_dedup_v1`.

    sign      documents of a block → (key, address), shuffled by key
    group     rows of equal keys → edges, of which a spanning forest is enough
    link      edges → (address, smallest address of its component), shuffled by block
    describe  members' ids and ranks, read from their shards, shuffled by component
    elect     each component keeps its best member → what becomes of the others, shuffled by block
    decide    the decisions about each shard, as Parquet

Nothing depends on the number of blocks, partitions or workers: components do not, and the best member is the one with
the lowest rank, documents of earlier runs first. Only ids with the same rank (two in 2⁶⁴) fall back on input order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.candidates import verified
from refinedweb.dedup.components import linked
from refinedweb.dedup.context import Context, is_old, within
from refinedweb.dedup.decide import Decide
from refinedweb.dedup.keepers import like_their_keepers
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.tasks import Find, Sign, write_by_key
from stages.dedup import Clustered, checks_column, keys_column
from stages.kernels.edges import grouped_edges
from stages.kernels.unionfind import forest
from stages.minhash import MinHash
from stages.schema import DOCUMENT

KEYS = pa.schema([("key", pa.uint64()), ("check", pa.uint64()), ("node", pa.uint64())])
EDGES = pa.schema([("a", pa.uint64()), ("b", pa.uint64())])
DESCRIBED = pa.schema(
    [("component", pa.uint64()), ("address", pa.uint64()), ("rank", pa.uint64()), ("id", pa.string())]
)
ELECTED = pa.schema(
    [
        ("address", pa.uint64()),
        ("id", pa.string()),
        ("reason", pa.string()),
        ("kept_id", pa.string()),
        ("kept_at", pa.uint64()),
        ("cluster_size", pa.int64()),
    ]
)


def phases(context: Context) -> Iterator[Phase]:
    """The phases, in order. Request each only when the phases before it are complete."""
    stage = _stage(context)
    columns = [*stage.reads, keys_column(stage.name), checks_column(stage.name)]
    sign = Sign(context, _signed, _keys_schema(stage), columns)
    yield sign
    group = Group(context, sign.rows)
    yield group
    edges = Shuffled(group, "edges", EDGES)
    if _verifies(context):
        edges = yield from verified(context, edges)
    members = yield from linked(context, edges)
    describe = Describe(context, members)
    yield describe
    described = Shuffled(describe, "described", DESCRIBED)
    elect = Find(context, described, _elected, (("elected", ELECTED),), "5-elect")
    yield elect
    elected = elect.tables[0]
    if _verifies(context) and cast(MinHash, context.stage).verifies_kept:
        elected = yield from like_their_keepers(context, elected)
    yield Decide(context, elected, sign)


def _stage(context: Context) -> Clustered:
    return cast(Clustered, context.stage)


def _keys_schema(stage: Clustered) -> pa.Schema:
    """KEYS, without the checks if the stage has none: at 450 keys per document, each column counts."""
    signed = stage(DOCUMENT.empty_table()).column_names
    return KEYS if checks_column(stage.name) in signed else KEYS.remove(KEYS.get_field_index("check"))


def _signed(stage: Clustered, docs: pa.Table, addresses: UInt64s) -> pa.Table:
    """A row for each key of each document. Documents of an index may come with their keys."""
    name = stage.name
    signed = docs if keys_column(name) in docs.column_names else stage(docs)
    keys = signed.column(keys_column(name)).combine_chunks()
    counts = pc.fill_null(pc.list_value_length(keys), 0).to_numpy(zero_copy_only=False)
    columns = {"key": keys.flatten(), "node": pa.array(np.repeat(addresses, counts))}
    if checks_column(name) in signed.column_names:
        columns["check"] = signed.column(checks_column(name)).combine_chunks().flatten()
    names = [column for column in KEYS.names if column in columns]
    return pa.table([columns[column] for column in names], names=names)


@dataclass(frozen=True)
class Group:
    """Rows of equal keys → edges."""

    context: Context
    keys: Shuffled
    name: str = "2-group"

    @property
    def count(self) -> int:
        return self.context.partitions

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        rows = self.keys.read(task)
        check = rows.column("check").to_numpy() if "check" in rows.column_names else None
        a, b = grouped_edges(rows.column("key").to_numpy(), check, rows.column("node").to_numpy())
        if _verifies(self.context):  # every candidate is verified, in the block of its first document
            where = self.context.block_of(a)
            outputs.shuffle("edges", EDGES, len(self.context.blocks)).write(_edges(a, b), where)
        else:
            outputs.shuffle("edges", EDGES, 1).write(_edges(*forest(a, b)))
        return PhaseCounts(rows.num_rows)


def _edges(a: UInt64s, b: UInt64s) -> pa.Table:
    return pa.table([pa.array(a), pa.array(b)], schema=EDGES)


def _verifies(context: Context) -> bool:
    return isinstance(context.stage, MinHash) and context.stage.verify is not None


@dataclass(frozen=True)
class Describe:
    """Members of clusters → the same with rank and id, which only their shards have."""

    context: Context
    members: Shuffled
    name: str = "4-describe"

    @property
    def count(self) -> int:
        return len(self.context.blocks)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        members = self.members.read(task).sort_by("address")
        writer = outputs.shuffle("described", DESCRIBED, self.context.partitions)
        if members.num_rows:
            for addresses, docs in self.context.documents(task, _stage(self.context).ranks_by):
                if (here := within(addresses, members)).num_rows:
                    rows = docs.take(pa.array(np.searchsorted(addresses, here.column("address").to_numpy())))
                    write_by_key(self.context, self._with_rank(here, rows), writer)
        return PhaseCounts(members.num_rows)

    def _with_rank(self, members: pa.Table, docs: pa.Table) -> pa.Table:
        ranks = pa.array(_stage(self.context).rank(docs), pa.uint64())
        columns = [members.column("component"), members.column("address"), ranks, docs.column("id")]
        return pa.table(columns, schema=DESCRIBED)


def _elected(stage: Clustered, members: pa.Table) -> Sequence[pa.Table]:
    return (elect(members, stage.reason),)


def elect(members: pa.Table, reason: str) -> pa.Table:
    """Members of whole components (DESCRIBED) → a row (ELECTED) for each that belongs to this run, ordered by address.

    `reason`, `kept_id` and `kept_at` are null for the member that is kept.
    """
    component, node, rank = (members.column(name).to_numpy() for name in ("component", "address", "rank"))
    order = np.lexsort((node, rank, ~is_old(node), component))
    starts = np.flatnonzero(np.diff(component[order], prepend=~component[order[:1]]))
    sizes = np.diff(starts, append=len(order))
    best = np.empty(len(order), np.int64)
    best[order] = np.repeat(order[starts], sizes)
    size = np.empty(len(order), np.int64)
    size[order] = np.repeat(sizes, sizes)
    stays = best == np.arange(len(best))
    ids = members.column("id")
    elected = pa.table(
        [
            members.column("address"),
            ids,
            pa.array(np.full(len(best), reason), pa.string(), mask=stays),
            ids.take(pa.array(best, mask=stays)),
            pa.array(node[best], mask=stays),
            pa.array(size),
        ],
        schema=ELECTED,
    )
    return elected.filter(pa.array(~is_old(node))).sort_by("address")

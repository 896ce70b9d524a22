"""Which member of each cluster stays, and what is decided about the others.

    describe  members of a block, with ids and ranks from their shards → the block's best member of each cluster and how
              many it has, shuffled by cluster; and the members, for `decide`
    elect     the best of the blocks' best members, and the sum of their numbers → to each block that has members
    decide    the members of a block, and who won → the decisions about each shard, as Parquet

What travels is a row per cluster and block. So a cluster of a hundred million members is not more than a row from each
block to any worker, and no task holds more than the members of one block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa

from refinedweb.dedup.candidates import PAIRS
from refinedweb.dedup.context import Context, Documents, within
from refinedweb.dedup.decide import removed_by, write_decisions
from refinedweb.dedup.exchange import Exchange, arrived
from refinedweb.dedup.keepers import like_their_keepers, spared, verifies_keepers
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.planning import split_shuffle
from refinedweb.dedup.shuffle import concatenated
from refinedweb.dedup.signing import with_refused
from refinedweb.ledger.layout import DECIDE
from stages.dedup import Clustered, drops_all_copies, is_old

MEMBER = pa.schema([("address", pa.uint64()), ("component", pa.uint64()), ("id", pa.string())])
BEST = pa.schema(
    [
        ("component", pa.uint64()),
        ("address", pa.uint64()),
        ("rank", pa.uint64()),
        ("id", pa.string()),
        ("members", pa.int64()),
        ("block", pa.uint32()),
    ]
)
WINNER = pa.schema(
    [
        ("component", pa.uint64()),
        ("kept_at", pa.uint64()),
        ("kept_id", pa.string()),
        ("cluster_size", pa.int64()),
        ("block", pa.uint32()),
    ]
)
BEST_BYTES = 80  # of a row: five numbers and an id


def elected(context: Context, members: Shuffled, sign: Phase) -> Iterator[Phase]:
    """The phases. `members` of clusters are shuffled by block; `sign` counted the documents of each block."""
    size = members.rows() * BEST_BYTES
    _, partitions = split_shuffle(size)
    describe = Describe(context, members, partitions, size)
    yield describe
    best = yield from arrived(describe.best, describe)
    elect = Elect(context, best, partitions, size)
    yield elect
    winners = yield from arrived(elect.winners, elect)
    held = None
    if verifies_keepers(context):
        held = yield from like_their_keepers(context, describe.members_seen, winners)
    yield DecideClusters(context, describe.members_seen, winners, sign, held)


@dataclass(frozen=True)
class Describe:
    """Members of clusters → the same with ids, which only their shards have, and the best one of each cluster."""

    context: Context
    members: Shuffled
    partitions: int
    size: int
    name: str = "4-describe"

    @property
    def count(self) -> int:
        return len(self.context.blocks)

    @property
    def best(self) -> Exchange:
        """The best member of each cluster in a block."""
        return Exchange(self.context, "best", BEST, self.count, self.partitions, self.size, "key", "component")

    @property
    def members_seen(self) -> Shuffled:
        """The members of each block, in the object of its task, by address."""
        return Shuffled(self, "members", MEMBER)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        members = self.members.read(task).sort_by("address")
        seen, found = outputs.shuffle("members", MEMBER, 1), [BEST.empty_table()]
        for addresses, docs in self._documents(task, members):
            here = within(addresses, members)
            rows = docs.take(pa.array(np.searchsorted(addresses, here.column("address").to_numpy())))
            here = here.append_column("id", rows.column("id"))
            if not self.context.blocks[task].old:
                seen.write(here)
            ranks = pa.array(cast(Clustered, self.context.stage).rank(rows), pa.uint64())
            found.append(best_members(_described(here, ranks, task)))
        self.best.open(outputs).write(best_members(concatenated(found, BEST)))
        return PhaseCounts(members.num_rows)

    def _documents(self, task: int, members: pa.Table) -> Iterator[Documents]:
        """The batches of the block that have members."""
        if members.num_rows:
            ranks_by, wanted = cast(Clustered, self.context.stage).ranks_by, members.column("address").to_numpy()
            for batch in self.context.documents(task, ranks_by, wanted):
                if within(batch.addresses, members).num_rows:
                    yield batch


def _described(members: pa.Table, ranks: pa.Array, block: int) -> pa.Table:
    ones, blocks = np.ones(len(ranks), np.int64), np.full(len(ranks), block, np.uint32)
    columns = [members.column("component"), members.column("address"), ranks, members.column("id")]
    return pa.table([*columns, pa.array(ones), pa.array(blocks)], schema=BEST)


def best_members(found: pa.Table) -> pa.Table:
    """The best of some members (BEST) of each cluster, with the sum of their numbers, by cluster.

    It is the one with the lowest rank, documents of earlier runs first, and of equal ones the one with the lowest
    address. So the best of the best of several blocks is the best of all.
    """
    component, address, rank, number = (found.column(name).to_numpy() for name in BEST.names if name not in _CARRIED)
    order = np.lexsort((address, rank, ~is_old(address), component))
    starts = np.flatnonzero(np.diff(component[order], prepend=~component[order[:1]]))
    sums = np.add.reduceat(number[order], starts) if len(starts) else number
    best = found.take(pa.array(order[starts]))
    return best.set_column(BEST.get_field_index("members"), "members", pa.array(sums, pa.int64()))


_CARRIED = ("id", "block")


@dataclass(frozen=True)
class Elect:
    """The best members of all blocks → the winner of each cluster, for each of this run's blocks that has members."""

    context: Context
    best: Shuffled
    partitions: int
    size: int
    name: str = "5-elect"

    @property
    def count(self) -> int:
        return self.partitions

    @property
    def winners(self) -> Exchange:
        """The winners."""
        blocks = len(self.context.blocks)
        return Exchange(self.context, "winners", WINNER, self.count, blocks, self.size, "number", "block")

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        found = self.best.read(task)
        block = found.column("block").to_numpy()
        mine = found.filter(pa.array(block < self.context.new_blocks))
        self.winners.open(outputs).write(winners_of(best_members(found), mine))
        return PhaseCounts(found.num_rows)


def winners_of(best: pa.Table, asked: pa.Table) -> pa.Table:
    """For each row of `asked`, which names a cluster and a block, the winner of that cluster (WINNER)."""
    at = pa.array(np.searchsorted(best.column("component").to_numpy(), asked.column("component").to_numpy()))
    columns = [best.column(name).take(at) for name in ("component", "address", "id", "members")]
    return pa.table([*columns, asked.column("block")], schema=WINNER)


@dataclass(frozen=True)
class DecideClusters:
    """The members of a block and the winners of their clusters → decisions. `sign` counted the documents."""

    context: Context
    members: Shuffled
    winners: Shuffled
    sign: Phase
    held: Shuffled | None = None  # pairs of members with their winners that were verified, if the stage does that
    name: str = DECIDE

    @property
    def count(self) -> int:
        return self.context.new_blocks

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        members = concatenated([*self.members.tables(task, 0)], MEMBER)
        winners = self.winners.read(task).sort_by("component")
        stage = cast(Clustered, self.context.stage)
        decided = joined(members, winners, stage.reason, all_copies=drops_all_copies(stage))
        if self.held is not None:
            pairs = concatenated([*self.held.tables(task, 0)], PAIRS)
            decided = spared(decided, pairs.column("b").to_numpy())
        decided, counts = with_refused(decided, self.sign, task)
        write_decisions(self.context, task, decided, outputs)
        counts.removed = removed_by(self.context, decided)
        return counts


def joined(members: pa.Table, winners: pa.Table, reason: str, *, all_copies: bool = False) -> pa.Table:
    """What is decided about each member (MEMBER), given the winners of its block (WINNER, by component).

    `reason`, `kept_id` and `kept_at` are null for the member that is kept. `all_copies`: only old ones are; then
    removed documents name nobody.
    """
    at = np.searchsorted(winners.column("component").to_numpy(), members.column("component").to_numpy())
    kept_at = winners.column("kept_at").to_numpy()[at]
    size = winners.column("cluster_size").take(pa.array(at))
    stays = kept_at == members.column("address").to_numpy()
    nobody = stays | (~is_old(kept_at) if all_copies else np.zeros(len(at), bool))
    if all_copies:
        stays = stays & (size.to_numpy() < 2)
    return pa.table(
        {
            "address": members.column("address"),
            "id": members.column("id"),
            "reason": pa.array(np.full(len(at), reason), pa.string(), mask=stays),
            "kept_id": winners.column("kept_id").take(pa.array(at, mask=nobody)),
            "kept_at": pa.array(kept_at, mask=nobody),
            "cluster_size": size,
        }
    )

"""Compare each document that is to be removed with the one that is kept for it, if the stage verifies that.

    pair      members of a block and who won → pairs of a keeper and a member, shuffled by the keeper's block
    fetch     the keepers' texts, shuffled to the blocks of the members (as in `candidates`)
    verify    both texts → the pairs that are as alike as the stage requires, in the object of the member's block

A chain of candidates that are alike two by two may end in a document that has little in common with the kept one.
Members that stay for that keep the size of the cluster that connects them, but no `kept_id`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.candidates import PAIRS, Fetch, Verify
from refinedweb.dedup.context import Context
from refinedweb.dedup.exchange import Exchange, arrived, by_block
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from stages.dedup import drops_all_copies
from stages.minhash import MinHash

POINTERS = ("reason", "kept_id", "kept_at")  # columns that are null for a document that stays


def verifies_keepers(context: Context) -> bool:
    """Whether the stage compares removed documents with those that are kept."""
    stage = context.stage
    return (
        isinstance(stage, MinHash) and stage.verifies_kept and stage.verify is not None and not drops_all_copies(stage)
    )


def like_their_keepers(context: Context, members: Shuffled, winners: Shuffled) -> Generator[Phase, None, Shuffled]:
    """The phases; returns the pairs that hold, of each block in the object of its task."""
    pair = Pair(context, members, winners)
    yield pair
    pairs = yield from arrived(pair.pairs, pair)
    fetch = Fetch(context, pairs, "6-keeper-fetch")
    yield fetch
    fetched = yield from arrived(fetch.pairs, fetch)
    texts = yield from arrived(fetch.texts, fetch)
    verify = Verify(context, fetched, texts, "6-keeper-verify")
    yield verify
    return Shuffled(verify, "edges", PAIRS)


@dataclass(frozen=True)
class Pair:
    """Members of a block and the winners of their clusters → pairs (winner, member), for the blocks of the winners."""

    context: Context
    members: Shuffled
    winners: Shuffled
    name: str = "6-keeper-pair"

    @property
    def count(self) -> int:
        return self.context.new_blocks  # documents of earlier runs are never removed

    @property
    def pairs(self) -> Exchange:
        """The pairs, for the blocks of their first documents."""
        return by_block(self.context, "pairs", PAIRS, self.count, "a")

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        sender, winners, rows = self.pairs.open(outputs), self.winners.read(task).sort_by("component"), 0
        for members in self.members.tables(task, 0):
            address = members.column("address").to_numpy()
            kept_at = kept_for(members, winners)
            removed = kept_at != address
            sender.write(pa.table([pa.array(kept_at[removed]), pa.array(address[removed])], schema=PAIRS))
            rows += members.num_rows
        return PhaseCounts(rows)


def kept_for(members: pa.Table, winners: pa.Table) -> UInt64s:
    """The address of the document that is kept for each member; `winners` are by component."""
    at = np.searchsorted(winners.column("component").to_numpy(), members.column("component").to_numpy())
    kept: UInt64s = winners.column("kept_at").to_numpy()[at]
    return kept


def spared(decided: pa.Table, held: UInt64s) -> pa.Table:
    """What is decided about members of clusters, but those that no pair holds for stay (`held`: of the others)."""
    goes = pa.array(np.isin(decided.column("address").to_numpy(), held))
    for name in POINTERS:
        at, column = decided.schema.get_field_index(name), decided.column(name)
        decided = decided.set_column(at, name, pc.if_else(goes, column, pa.scalar(None, column.type)))
    return decided

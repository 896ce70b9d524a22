"""Compare each document that is to be removed with the one that is kept for it, if the stage verifies that.

    pair      elected members → pairs of a keeper and a member, shuffled by the keeper's block
    fetch     the keepers' texts, shuffled to the blocks of the members (as in `candidates`)
    verify    both texts → the pairs that are as alike as the stage requires, by the member's block
    spare     elected members without such a pair → members that stay

A chain of candidates that are alike two by two may end in a document that has little in common with the kept one.
Members that stay keep the size of the cluster that connects them, but no `kept_id`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.dedup.candidates import PAIRS, Fetch, Verify
from refinedweb.dedup.context import Context
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled

_POINTERS = ("reason", "kept_id", "kept_at")  # columns that are null for a document that stays


def like_their_keepers(context: Context, elected: Shuffled) -> Generator[Phase, None, Shuffled]:
    """The phases; returns the elected members, of which those that are unlike their keeper stay."""
    pair = Pair(context, elected)
    yield pair
    fetch = Fetch(context, Shuffled(pair, "pairs", PAIRS), "5-elect-fetch")
    yield fetch
    verify = Verify(context, fetch, "5-elect-verify", by_block=True)
    yield verify
    spare = Spare(context, elected, Shuffled(verify, "edges", PAIRS))
    yield spare
    return Shuffled(spare, "elected", elected.schema)


@dataclass(frozen=True)
class Pair:
    """Elected members → pairs (keeper, member), in the blocks of the keepers."""

    context: Context
    elected: Shuffled
    name: str = "5-elect-pair"

    @property
    def count(self) -> int:
        return self.context.new_blocks  # documents of earlier runs are never removed

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        members = self.elected.read(task)
        members = members.filter(pc.is_valid(members.column("kept_at")))
        keepers = members.column("kept_at").to_numpy()
        pairs = pa.table([members.column("kept_at"), members.column("address")], schema=PAIRS)
        outputs.shuffle("pairs", PAIRS, len(self.context.blocks)).write(pairs, self.context.block_of(keepers))
        return PhaseCounts(members.num_rows)


@dataclass(frozen=True)
class Spare:
    """Elected members and the pairs that hold → elected members, each in its block."""

    context: Context
    elected: Shuffled
    held: Shuffled
    name: str = "5-elect-spare"

    @property
    def count(self) -> int:
        return self.context.new_blocks  # documents of earlier runs are never removed

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        members, held = self.elected.read(task), self.held.read(task).column("b").to_numpy()
        stays = pa.array(~np.isin(members.column("address").to_numpy(), held))
        for name in _POINTERS:
            at = members.schema.get_field_index(name)
            spared = pc.if_else(stays, pa.scalar(None, members.schema.field(name).type), members.column(name))
            members = members.set_column(at, members.schema.field(name), spared)
        writer = outputs.shuffle("elected", self.elected.schema, len(self.context.blocks))
        writer.write(members, np.full(members.num_rows, task, np.uint16))
        return PhaseCounts(members.num_rows)

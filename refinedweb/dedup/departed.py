"""Which removed documents have nobody left who stands for them.

    departed  the decisions about the shards of a block → documents that others were removed for, and that were removed
    orphans   all of those → the ones whose own removal leads to no document of the corpus that is alike
    again     those, and the decisions of a block → the documents that were removed for them

A document stands for those that were removed for it while it is in the corpus. If a later step removes it, the document
that is kept for it stands for them as well, but only if that step compares the same columns: what has the same address
need not have the same text. A step that finds spans may remove all copies of a text, as the paper wants it. Then nobody
has it any more; but documents that were removed for one of them come again once, in case they have less of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Bools, Int64s, UInt64s
from refinedweb.dedup.again import AGAIN, Ruling, StepGroup, ruled_since
from refinedweb.dedup.context import Context
from refinedweb.dedup.phase import PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.shuffle import concatenated
from stages.dedup import drops_all_copies

DEPARTED = pa.schema([("address", pa.uint64()), ("step", pa.uint8()), ("kept_at", pa.uint64())])
ORPHANED = pa.schema([("address", pa.uint64()), ("likeness", pa.uint8())])
NOBODY = np.uint64(2**64 - 1)  # the address of what is kept instead, if there is no such document
FOUND = "found"  # a fact: how many rows a task wrote


@dataclass(frozen=True)
class OfGroup:
    """A phase that looks at the decisions of a group of steps."""

    group: StepGroup
    history: tuple[Ruling, ...]
    name: str

    @property
    def context(self) -> Context:
        return self.group.last

    @property
    def count(self) -> int:
        return self.context.new_blocks

    def ruled(self, shard: int) -> list[pa.Table]:
        """What each step decided about a shard by now."""
        return ruled_since(self.group, shard, self.history)


@dataclass(frozen=True)
class Departed(OfGroup):
    """Decisions about a block → removed documents that others may have been removed for."""

    @property
    def rows(self) -> Shuffled:
        return Shuffled(self, "departed", DEPARTED)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        writer, counts = outputs.shuffle("departed", DEPARTED, 1), PhaseCounts()
        for shard in self.group.shards(task):
            stood_for, tables = np.empty(0, np.int64), self.ruled(shard)
            for at, decisions in enumerate(tables):
                rows = decisions.column("row").to_numpy()
                goes = decisions.column("reason").is_valid().to_numpy()
                asked = goes & (self._names_any(at) | np.isin(rows, stood_for))
                writer.write(_departed(shard, at, decisions.filter(pa.array(asked))))
                several = pc.fill_null(pc.greater(decisions.column("cluster_size"), 1), False).to_numpy()
                stood_for = np.concatenate([stood_for, rows[several & ~goes]])
        counts.facts[FOUND] = counts.rows_in = writer.rows
        return counts

    def _names_any(self, at: int) -> bool:
        """Whether a step up to this one names documents that are no winners of a cluster."""
        return not all(self.group.clustered(before) for before in range(at + 1))


def _departed(shard: int, at: int, decisions: pa.Table) -> pa.Table:
    rows = decisions.column("row").to_numpy().astype(np.uint64) | np.uint64(shard << 32)
    steps = np.full(len(rows), at, np.uint8)
    kept_at = pc.fill_null(decisions.column("kept_at"), pa.scalar(NOBODY, pa.uint64()))
    return pa.table([pa.array(rows), pa.array(steps), kept_at], schema=DEPARTED)


@dataclass(frozen=True)
class Orphans:
    """All departed documents → those that nobody stands for, by likeness. It is one task: it follows who names whom.

    `by_rule`: those whose text was removed in all copies are none.
    """

    departed: Departed
    name: str
    by_rule: bool

    @property
    def context(self) -> Context:
        return self.departed.context

    @property
    def count(self) -> int:
        return 1

    @cached_property
    def rows(self) -> Shuffled:
        return Shuffled(self, "orphaned", ORPHANED)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        departed = concatenated([*self.departed.rows.each(0)], DEPARTED).sort_by("address")
        likeness = np.array(self.departed.group.likeness, np.uint8)
        writer = outputs.shuffle("orphaned", ORPHANED, 1)
        address, step, kept_at = (departed.column(name).to_numpy() for name in DEPARTED.names)
        group = self.departed.group
        spans = np.array([self.by_rule and not group.clustered(at) for at in range(len(likeness))])
        all_copies = np.array([drops_all_copies(stage) for stage in group.stages])
        rule = (spans | all_copies)[step]
        for kind in np.unique(likeness).tolist():
            lost = ~leads(address, kept_at, likeness[step] == kind, rule)
            kinds = np.full(int(lost.sum()), kind, np.uint8)
            writer.write(pa.table([pa.array(address[lost]), pa.array(kinds)], schema=ORPHANED))
        return PhaseCounts(len(address), facts={FOUND: writer.rows})

    def __getstate__(self) -> dict[str, object]:
        return {"departed": self.departed, "name": self.name, "by_rule": self.by_rule}


def leads(address: UInt64s, kept_at: UInt64s, goes_on: Bools, ends: Bools) -> Bools:
    """Which documents (by address) lead to one that is none of them, by what is kept at each where it `goes_on`.

    Those that lead to one that keeps nobody, or to each other, do so as well if all of those are `ends`. Every round
    doubles how far all of them are followed.
    """
    there, nowhere = -1, -2
    at = np.minimum(np.searchsorted(address, kept_at), max(len(address) - 1, 0))
    follows: Int64s = np.where(address[at] == kept_at, at, there) if len(address) else np.empty(0, np.int64)
    alone = kept_at == NOBODY
    follows = np.where(goes_on & (~alone | ends), np.where(alone, there, follows), nowhere)
    for _ in range(len(address).bit_length() + 1):
        follows = np.where(follows >= 0, follows[np.maximum(follows, 0)], follows)
    found: Bools = (follows == there) | ((follows >= 0) & ends[np.maximum(follows, 0)])
    return found


@dataclass(frozen=True)
class ComeAgain(OfGroup):
    """Orphaned documents, and the decisions about a block → documents that clustered steps removed for them."""

    orphans: Orphans

    @property
    def rows(self) -> Shuffled:
        return Shuffled(self, "again", AGAIN)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        writer, counts = outputs.shuffle("again", AGAIN, 1), PhaseCounts()
        names = Names(self.group, self.orphans)
        for shard in self.group.shards(task):
            for at, decisions in enumerate(self.ruled(shard)):
                if not self.group.clustered(at):
                    continue
                found = decisions.filter(pa.array(names.lost(at, decisions)))
                writer.write(_departed(shard, at, found).select(AGAIN.names))
                counts.facts[f"step_{at}"] = counts.facts.get(f"step_{at}", 0) + found.num_rows
        counts.facts[FOUND] = counts.rows_in = writer.rows
        return counts


class Names:
    """Looks up whether a decision names an orphaned document."""

    def __init__(self, group: StepGroup, orphans: Orphans) -> None:
        rows = concatenated([*orphans.rows.tables(0, 0)], ORPHANED)
        self._address, self._kind = (rows.column(name).to_numpy() for name in ORPHANED.names)
        self._likeness = group.likeness

    def lost(self, at: int, decisions: pa.Table) -> npt.NDArray[np.bool_]:
        """Which decisions of step number `at` remove a document for one that does not stand for it any more."""
        named = decisions.column("kept_at").is_valid() if decisions.num_rows else pa.array([], pa.bool_())
        goes = pc.and_(named, pc.is_valid(decisions.column("reason"))).to_numpy()
        kept_at = pc.fill_null(decisions.column("kept_at"), pa.scalar(0, pa.uint64())).to_numpy()
        found: Bools = goes & np.isin(kept_at, self._address[self._kind == self._likeness[at]])
        return found

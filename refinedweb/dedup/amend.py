"""No cluster is lost because of the order of steps: where its keeper leaves in a later step, the next one is elected.

MinHash keeps A and removes B; then A goes because it has the address of another document. Nobody stands for B any more
(see `departed`), so B comes again: it passes through the steps from the one that removed it, and what all of them keep
is there already, like an earlier run's documents (see `again`). In each round

    e   every step compares those that come again with what is kept; who is like a kept document, goes for it
    rest  the others
    t   every step compares these with each other as it always does, so of each cluster the next one is elected

and what was ruled takes the place of what had been decided. Somebody may be removed for one who leaves again, so rounds
follow until nobody is. Who comes back is the next in the order of `keep`, whatever the blocks and workers.

    amend   at the end, decisions that have changed are written for the pass that applies them

What finds spans removes all copies of a text if the paper wants it so. Then a removed document has nobody to name.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Bools, Int64s
from refinedweb.dedup.again import (
    AGAIN,
    RULED,
    WANTED,
    Again,
    Ruling,
    StepGroup,
    each_once,
    of_shard,
    removed_rows,
    rows_of,
)
from refinedweb.dedup.context import Block, Context
from refinedweb.dedup.decide import DECIDED_AGAIN
from refinedweb.dedup.departed import FOUND, ComeAgain, Departed, Names, OfGroup, Orphans
from refinedweb.dedup.keys import signed_rows
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled, facts_of
from refinedweb.dedup.planning import planned_step, shuffle_bytes, split_shuffle
from refinedweb.dedup.signing import SignedBy
from refinedweb.ledger.layout import AMEND, amended_key
from refinedweb.recipe.plan import group_of, steps_of
from refinedweb.shard.decisions import AMENDED, STEP
from stages.dedup import DECISION, Clustered
from stages.paragraph import Paragraph
from stages.paragraph import sign as signed_paragraphs
from stages.substring.phases import sign as signed_passages

PhasesOf = Callable[[Context], Iterator[Phase]]
ROUNDS = 40  # in case documents come again for longer than any that we saw, which was three rounds
MOST_WANTED = 1 << 23  # keys that a task looks up: 64 MiB
KEPT_COPIES = 16  # assumed of each key among what is kept, to split the rows that have it
TEXT_BYTES = 4096  # assumed of a document that comes again, to split the few that there are


def amended(context: Context, phases_of: PhasesOf) -> Iterator[Phase]:
    """The phases that follow those of the last step of its group; none after the others."""
    steps = steps_of([name for name, _ in context.recipe.stages])
    group = StepGroup(context, group_of(steps, context.step))
    if group.steps[-1].name != context.step.name or (len(group.steps) == 1 and group.clustered(0)):
        return
    history: tuple[Ruling, ...] = ()
    for number in range(ROUNDS):
        departed = Departed(group, history, f"7-{number:02d}-departed")
        yield departed
        if not facts_of(departed, FOUND):
            return
        orphans = Orphans(departed, f"7-{number:02d}-orphans", by_rule=number > 0)
        yield orphans
        again = ComeAgain(group, history, f"7-{number:02d}-again", orphans)
        yield again
        if not facts_of(again, FOUND):
            break
        history = yield from _compared(group, history, again, number, phases_of)
    alone = Orphans(departed, "8-alone", by_rule=False)
    yield alone
    yield Amend(group, history, AMEND, alone)


def _compared(
    group: StepGroup, history: tuple[Ruling, ...], again: ComeAgain, number: int, phases_of: PhasesOf
) -> Generator[Phase, None, tuple[Ruling, ...]]:
    """One round; returns the history with what was ruled in it."""
    first = next(at for at in range(len(group.steps)) if facts_of(again, f"step_{at}"))
    steps = range(first, len(group.steps))
    comparison = _Comparison(group, again.rows, history, tuple(Ruling(at, again.rows) for at in steps))
    for at in steps:
        if group.clustered(at) and (at > first or number):
            prefix = f"7-{number:02d}-e{at:02d}-"
            yield from comparison.compare(at, prefix, phases_of, facts_of(again, FOUND), old=True, only_old=True)
    rest = Rest(group, (*history, *comparison.now), f"7-{number:02d}-rest", again.rows)
    yield rest
    if left := facts_of(rest, FOUND):
        comparison.again = rest.rows
        for at in steps:
            old = not all(group.clustered(before) for before in range(first, at + 1))
            yield from comparison.compare(at, f"7-{number:02d}-t{at:02d}-", phases_of, left, old=old)
    return (*history, *comparison.now)


class _Comparison:
    """The comparisons of one round; `now` grows by what each of them tells."""

    def __init__(self, group: StepGroup, again: Shuffled, before: tuple[Ruling, ...], now: tuple[Ruling, ...]) -> None:
        self._group = group
        self._before = before
        self.again = again
        self.now = now

    def compare(
        self, at: int, prefix: str, phases_of: PhasesOf, documents: int, *, old: bool, only_old: bool = False
    ) -> Iterator[Phase]:
        """The phases of step number `at` for this number of documents that come. `old`: and for what is kept."""
        context = self._context(at, prefix, documents, only_old)
        if old:
            wanted = Wanted(context)
            yield wanted
            context = _with_kept(context, wanted)
        phases = phases_of(context)
        yield (last := next(phases))
        for last in phases:
            yield last
        self.now = (*self.now, Ruling(at, self.again, Shuffled(last, DECIDED_AGAIN, RULED)))

    def _context(self, at: int, prefix: str, documents: int, only_old: bool) -> Again:
        last, step = self._group.last, self._group.steps[at]
        plan = planned_step(last.store, step)
        new = tuple(block for block in plan.blocks if not block.old)
        size = min(plan.size, shuffle_bytes(self._group.stages[at], documents, documents * TEXT_BYTES))
        return Again(
            last.out, step, last.recipe, new, split_shuffle(size)[1], size, plan.limits, tuple(plan.index), last.lost,
            tuple(plan.merged), group=self._group, at=at, prefix=prefix, again=self.again, before=self._before,
            now=self.now, only_old=only_old,
        )  # fmt: skip


def _with_kept(context: Again, wanted: Wanted) -> Again:
    """The same, and what is kept: all of it, or as much as has one of the `wanted` keys, if those are few."""
    plan = planned_step(context.store, context.step)
    kept = (Block(context.first_kept + first, context.first_kept + last) for first, last in context.blocks)
    blocks = tuple(sorted((*plan.blocks, *kept)))  # those of merged indexes are last
    if facts_of(wanted, FOUND) > MOST_WANTED:
        return replace(context, blocks=blocks, partitions=plan.partitions, size=plan.size)
    size = min(plan.size, KEPT_COPIES * context.size)
    return replace(context, blocks=blocks, partitions=split_shuffle(size)[1], size=size, wanted=wanted.rows)


@dataclass(frozen=True)
class Wanted:
    """Documents that come again → their keys, or whatever the step compares first."""

    context: Again
    name: str = "0-wanted"

    @property
    def count(self) -> int:
        return len(self.context.blocks)

    @property
    def rows(self) -> Shuffled:
        return Shuffled(self, "wanted", WANTED)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        writer, counts, stage = outputs.shuffle("wanted", WANTED, 1), PhaseCounts(), self.context.stage
        sign: SignedBy = signed_rows
        if not isinstance(stage, Clustered):
            sign = signed_paragraphs if isinstance(stage, Paragraph) else signed_passages
        for addresses, docs in self.context.documents(task, stage.reads):
            counts.rows_in += docs.num_rows
            keys = np.unique(sign(stage, docs, addresses).column(0).to_numpy())
            writer.write(pa.table([pa.array(keys)], schema=WANTED))
        counts.facts[FOUND] = writer.rows
        return counts


@dataclass(frozen=True)
class Rest(OfGroup):
    """Documents that come again → those that are not like a kept one by what was ruled."""

    again: Shuffled

    @property
    def rows(self) -> Shuffled:
        return Shuffled(self, "again", AGAIN)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        writer, counts = outputs.shuffle("again", AGAIN, 1), PhaseCounts()
        for shard in self.group.shards(task):
            again = of_shard(self.again, shard)
            counts.rows_in += again.num_rows
            if again.num_rows:
                stays = ~np.isin(rows_of(again.column("address").to_numpy()), removed_rows(self.ruled(shard)))
                writer.write(again.filter(pa.array(stays)))
        counts.facts[FOUND] = writer.rows
        return counts


@dataclass(frozen=True)
class Amend(OfGroup):
    """What was ruled in all rounds → the decisions of a block's shards that have changed.

    Its records count the documents that came again, and which of them are removed after all.
    `orphans`: who was removed by a step that finds spans, and names one of them, names nobody.
    """

    orphans: Orphans

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        names, counts = Names(self.group, self.orphans), PhaseCounts()
        for shard in self.group.shards(task):
            tables = self.ruled(shard)
            came = each_once(ruled.rows(shard) for ruled in self.history)
            counts.rows_in += len(came)
            for step, decisions in zip(self.group.steps, tables, strict=True):
                _count_removed(counts, step.stages[0], decisions, came)
            rows = pa.concat_tables([self._changed(shard, at, one, names) for at, one in enumerate(tables)])
            if rows.num_rows:
                outputs.parquet(amended_key(self.context.step.name, shard), rows)
        return counts

    def _changed(self, shard: int, at: int, decisions: pa.Table, names: Names) -> pa.Table:
        """The decisions of step number `at` that have changed (AMENDED); those that are void are rows of nulls."""
        rows = each_once(one.rows(shard) for one in self.history if one.at == at)
        alone = np.zeros(decisions.num_rows, bool) if self.group.clustered(at) else names.lost(at, decisions)
        decisions = _naming_nobody(decisions, alone)
        of = decisions.column("row").to_numpy()
        void = np.setdiff1d(rows, of)
        empty = [pa.array(void) if f.name == "row" else pa.nulls(len(void), f.type) for f in DECISION]
        found = decisions.filter(pa.array(np.isin(of, rows) | alone)).select(DECISION.names).cast(DECISION)
        together = pa.concat_tables([found, pa.table(empty, schema=DECISION)]).sort_by("row")
        steps = pa.array([self.group.steps[at].name] * together.num_rows, pa.string())
        amended: pa.Table = together.add_column(0, AMENDED.field(STEP), steps)
        return amended


def _count_removed(counts: PhaseCounts, stage: str, decisions: pa.Table, rows: Int64s) -> None:
    """Add which of these rows the decisions of a stage remove."""
    about = decisions.filter(pa.array(np.isin(decisions.column("row").to_numpy(), rows)))
    for one in pc.value_counts(about.column("reason").drop_null()).to_pylist():
        reasons = counts.removed.setdefault(stage, {})
        reasons[one["values"]] = reasons.get(one["values"], 0) + one["counts"]


def _naming_nobody(decisions: pa.Table, rows: Bools) -> pa.Table:
    """The decisions, of which some name no document."""
    for name in ("kept_id", "kept_at"):
        at, column = decisions.schema.get_field_index(name), decisions.column(name).combine_chunks()
        nobody = pa.nulls(len(column), column.type)
        decisions = decisions.set_column(at, name, pc.if_else(pa.array(rows), nobody, column))
    return decisions

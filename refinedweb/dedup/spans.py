"""The last phases of the steps that find spans: what was found in each document becomes byte spans and a verdict.

judge     all that was found in a block → spans of its documents' texts, with the stage's verdict; and of those that
          are removed, which documents have the same text
name      the ids of those documents, and whether the step removes them as well
decide    the decisions, in which a removed document names one that has the same text
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.context import Context, Documents, within
from refinedweb.dedup.decide import removed_by, write_decisions
from refinedweb.dedup.exchange import Exchange, arrived, by_block
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.shuffle import concatenated
from refinedweb.dedup.signing import with_refused
from refinedweb.ledger.layout import DECIDE
from stages.dedup import SPANS, Global

JUDGED = pa.schema([("address", pa.uint64()), ("id", pa.string()), ("reason", pa.string()), ("spans", SPANS)])
HELD = pa.schema([("address", pa.uint64()), ("holder", pa.uint64())])  # a removed document, one with the same text
ASKED = pa.schema([("holder", pa.uint64()), ("block", pa.uint32())])  # which block asks
NAMED = pa.schema([("holder", pa.uint64()), ("kept_id", pa.string()), ("gone", pa.bool_()), ("block", pa.uint32())])
MOST_HOLDERS = 4  # looked at for each removed document: those that share most passages with it
SpansOf = Callable[[Any, pa.Table, UInt64s, pa.Table], pa.Array]


class Spanned(Global, Protocol):
    """A stage that judges a document by the spans found in it."""

    def reasons(self, docs: pa.Table, found: pa.Array | pa.ChunkedArray) -> pa.Array:
        """The reason to remove each document (string); null keeps it."""
        ...


def decided(context: Context, found: tuple[Shuffled, ...], sign: Phase, spans_of: SpansOf) -> Iterator[Phase]:
    """The phases. `found` are shuffled by block: `address`, what `spans_of` needs, and `other`, the address of a
    document that has the same.
    """
    judge = Judge(context, found, spans_of)
    yield judge
    asked = yield from arrived(judge.asked, judge)
    name = NameHolders(context, judge, asked)
    yield name
    named = yield from arrived(name.named, name)
    yield DecideSpans(context, judge, named, sign)


@dataclass(frozen=True)
class Judge:
    """What was found in the documents of a block → the stage's verdict on each, and who else holds the text."""

    context: Context
    found: tuple[Shuffled, ...]
    spans_of: SpansOf
    name: str = "5-judge"

    @property
    def count(self) -> int:
        return self.context.new_blocks

    @property
    def asked(self) -> Exchange:
        """The questions who else holds a text, to the blocks of the holders."""
        return by_block(self.context, "asked", ASKED, self.count, "holder")

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        stage = cast(Spanned, self.context.stage)
        judged, held = outputs.shuffle("judged", JUDGED, 1), outputs.shuffle("held", HELD, 1)
        asked = self.asked.open(outputs)
        found = pa.concat_tables([shuffled.read(task) for shuffled in self.found]).sort_by("address")
        for batch in self.context.documents(task, stage.reads) if found.num_rows else ():
            if (here := within(batch.addresses, found)).num_rows:
                rows = self._judged(stage, batch, here)
                judged.write(rows)
                pairs = _holders(here, rows)
                held.write(pairs)
                holders = pc.unique(pairs.column("holder")).to_numpy()
                block = pa.array(np.full(len(holders), task, np.uint32))
                asked.write(pa.table([pa.array(holders), block], schema=ASKED))
        return PhaseCounts(found.num_rows)

    def _judged(self, stage: Spanned, batch: Documents, found: pa.Table) -> pa.Table:
        """The documents of the batch that have spans, with the stage's verdict."""
        with self.context.limit():
            spans = self.spans_of(stage, batch.docs, batch.addresses, found)
            reasons = stage.reasons(batch.docs, spans)
        columns = [pa.array(batch.addresses), batch.docs.column("id"), reasons, spans]
        judged = pa.table(columns, schema=JUDGED)
        return judged.filter(pc.greater(pc.list_value_length(spans), 0))


def _own(phase: Phase, name: str, schema: pa.Schema, task: int) -> pa.Table:
    """What one task of a phase wrote, which no other task shares."""
    return concatenated([*Shuffled(phase, name, schema).tables(task, 0)], schema)


def _holders(found: pa.Table, judged: pa.Table) -> pa.Table:
    """For each removed document up to `MOST_HOLDERS` others that have its text (`HELD`), best first."""
    removed = judged.filter(pc.is_valid(judged.column("reason"))).column("address").combine_chunks()
    pairs = found.select(["address", "other"]).filter(
        pc.and_(pc.is_in(found.column("address"), value_set=removed), pc.not_equal(found["address"], found["other"]))
    )
    counted = pairs.group_by(["address", "other"]).aggregate([([], "count_all")])
    counted = counted.sort_by([("address", "ascending"), ("count_all", "descending"), ("other", "ascending")])
    address = counted.column("address").to_numpy()
    first = np.searchsorted(address, address)
    best = counted.filter(pa.array(np.arange(len(address)) - first < MOST_HOLDERS))
    return pa.table([best.column("address"), best.column("other")], schema=HELD)


@dataclass(frozen=True)
class NameHolders:
    """Addresses that other blocks ask about → their ids, and whether this step removes them."""

    context: Context
    judge: Judge
    asked: Shuffled
    name: str = "6-name"

    @property
    def count(self) -> int:
        return len(self.context.blocks)

    @property
    def named(self) -> Exchange:
        """The answers, to the blocks that asked."""
        context, blocks = self.context, len(self.context.blocks)
        return Exchange(context, "named", NAMED, self.count, blocks, context.size, "number", "block")

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        asked = self.asked.read(task).group_by(["holder", "block"]).aggregate([]).rename_columns(["address", "block"])
        asked = asked.sort_by([("address", "ascending"), ("block", "ascending")])
        writer = self.named.open(outputs)
        if asked.num_rows:
            gone = self._gone(task)
            for addresses, docs in self.context.documents(task, ()):
                if (here := within(addresses, asked)).num_rows:
                    holder = here.column("address")
                    ids = docs.column("id").take(pa.array(np.searchsorted(addresses, holder.to_numpy())))
                    columns = [holder, ids, pc.is_in(holder, value_set=gone), here.column("block")]
                    writer.write(pa.table(columns, schema=NAMED))
        return PhaseCounts(asked.num_rows)

    def _gone(self, task: int) -> pa.Array:
        """The addresses of the documents of a block that this step removes."""
        if task >= self.context.new_blocks:
            return pa.array([], pa.uint64())
        judged = _own(self.judge, "judged", JUDGED, task)
        return judged.filter(pc.is_valid(judged.column("reason"))).column("address").combine_chunks()


@dataclass(frozen=True)
class DecideSpans:
    """Verdicts, and the names of those who hold the same text → decisions."""

    context: Context
    judge: Judge
    named: Shuffled
    sign: Phase
    name: str = DECIDE

    @property
    def count(self) -> int:
        return self.context.new_blocks

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        judged = _own(self.judge, "judged", JUDGED, task)
        held = _own(self.judge, "held", HELD, task)
        decided = _with_holders(judged, held, self.named.read(task))
        decided, counts = with_refused(decided, self.sign, task)
        write_decisions(self.context, task, decided.combine_chunks(), outputs)
        counts.removed = removed_by(self.context, decided)
        return counts


def _with_holders(judged: pa.Table, held: pa.Table, named: pa.Table) -> pa.Table:
    """The verdicts with `kept_id` and `kept_at` of one that has the same text: if possible, one that stays."""
    at = pc.index_in(held.column("holder"), value_set=named.column("holder").combine_chunks())
    gone = pc.fill_null(named.column("gone").take(at), True)
    order = np.lexsort((np.arange(held.num_rows), gone.to_numpy(), held.column("address").to_numpy()))
    sorted_held = held.append_column("kept_id", named.column("kept_id").take(at)).take(pa.array(order))
    at = pc.index_in(judged.column("address"), value_set=sorted_held.column("address").combine_chunks())
    judged = judged.append_column("kept_id", sorted_held.column("kept_id").take(at))
    kept_at = pc.if_else(pc.is_valid(judged["kept_id"]), sorted_held.column("holder").take(at), None)
    return judged.append_column("kept_at", kept_at.cast(pa.uint64()))

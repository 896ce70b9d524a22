"""The last phase of the steps that find spans: turn what was found in each document into byte spans of its text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.context import Context, Documents, within
from refinedweb.dedup.decide import removed_by, write_decisions
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled, ledger_of
from refinedweb.ledger.layout import DECIDE
from stages.dedup import SPANS, Global

FOUND = pa.schema([("address", pa.uint64()), ("id", pa.string()), ("reason", pa.string()), ("spans", SPANS)])
SpansOf = Callable[[Any, pa.Table, UInt64s, pa.Table], pa.Array]


class Spanned(Global, Protocol):
    """A stage that judges a document by the spans found in it."""

    def reasons(self, docs: pa.Table, found: pa.Array | pa.ChunkedArray) -> pa.Array:
        """The reason to remove each document (string); null keeps it."""
        ...


@dataclass(frozen=True)
class DecideSpans:
    """Found runs (`address` and what `spans_of` needs), shuffled by block → decisions."""

    context: Context
    found: tuple[Shuffled, ...]
    sign: Phase
    spans_of: SpansOf
    name: str = DECIDE

    @property
    def count(self) -> int:
        return self.context.new_blocks

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        stage = cast(Spanned, self.context.stage)
        found = pa.concat_tables([shuffled.read(task) for shuffled in self.found]).sort_by("address")
        parts = [FOUND.empty_table()]
        if found.num_rows:
            batches = self.context.documents(task, stage.reads)
            touched = ((batch, within(batch.addresses, found)) for batch in batches)
            parts.extend(self._judged(stage, batch, here) for batch, here in touched if here.num_rows)
        decided = pa.concat_tables(parts).combine_chunks()
        write_decisions(self.context, task, decided, outputs)
        return PhaseCounts(ledger_of(self.sign).record(task).rows_in, removed_by(self.context, decided))

    def _judged(self, stage: Spanned, batch: Documents, found: pa.Table) -> pa.Table:
        """The documents of the batch that have spans, with the stage's verdict."""
        spans = self.spans_of(stage, batch.docs, batch.addresses, found)
        reasons = stage.reasons(batch.docs, spans)
        columns = [pa.array(batch.addresses), batch.docs.column("id"), reasons, spans]
        judged = pa.table(columns, schema=FOUND)
        return judged.filter(pc.greater(pc.list_value_length(spans), 0))

"""The two phases that every global step is made of: documents → keyed rows, and all rows of some keys → findings.

What a step computes are pure functions of tables. These phases read their input, and send their results to where the
next phase will read them: to the partition of the key, or to the block of the document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.dedup.context import Context
from refinedweb.dedup.exchange import Exchange, by_block, by_key
from refinedweb.dedup.phase import PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.signing import SignedBy, Signing
from stages.errors import WrongUse

FoundBy = Callable[[Any, pa.Table], Sequence[pa.Table]]


@dataclass(frozen=True)
class Sign:
    """Documents of a block → rows of `schema`, shuffled by their first column: `signed(stage, docs, addresses)`."""

    context: Context
    signed: SignedBy
    schema: pa.Schema
    columns: Sequence[str]
    name: str = "1-sign"

    @property
    def count(self) -> int:
        return self.context.signed_blocks

    @property
    def rows(self) -> Exchange:
        """What the tasks write."""
        return by_key(self.context, "signed", self.schema, self.count)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        counts, sender = PhaseCounts(), self.rows.open(outputs)
        texts = 0
        with Signing(self.context, self.signed, self.schema, outputs) as signing:
            for addresses, docs in self.context.documents(task, self.columns):
                counts.rows_in += docs.num_rows
                texts += texts_of(docs)
                sender.write(self.context.asked(task, signing.rows(docs, addresses)))
            signing.finish(counts)
        check_texts(self.context, counts, texts)
        return counts


def texts_of(docs: pa.Table) -> int:
    """How many documents have a text; all of them if the step does not read it."""
    return docs.num_rows if "text" not in docs.column_names else int(pc.count(docs.column("text")).as_py())


def check_texts(context: Context, counts: PhaseCounts, texts: int) -> None:
    """Raises WrongUse if a task read documents, but none with a text."""
    if counts.rows_in and not texts and not context.second:
        raise WrongUse(f"{context.stage.name}: the documents have no text; put extract_v1 before it")


@dataclass(frozen=True)
class Find:
    """All rows of a partition → tables with an `address`, each shuffled by block.

    `found(stage, rows)` returns a table for each of `results`, which are names with their schemas.
    """

    context: Context
    source: Shuffled
    found: FoundBy
    results: tuple[tuple[str, pa.Schema], ...]
    name: str = "2-group"

    @property
    def count(self) -> int:
        return self.context.partitions

    @property
    def tables(self) -> tuple[Exchange, ...]:
        """What the tasks write, result by result."""
        return tuple(by_block(self.context, name, schema, self.count) for name, schema in self.results)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        rows = self.source.read(task)
        tables = self.found(self.context.stage, rows)
        for exchange, table in zip(self.tables, tables, strict=True):
            exchange.open(outputs).write(table)
        return PhaseCounts(rows.num_rows)

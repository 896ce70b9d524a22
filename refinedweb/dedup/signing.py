"""Sign documents under the limit that a pass has: a document costs at most itself.

One that takes too long, kills its process or makes the stage raise an error is signed with nothing, so nothing is
compared with it. It is removed for that reason: who kept it would keep what was made to escape the comparison. So are
the copies of its text that are not signed because they are copies.

The record says which documents were refused. A task that writes its objects again refuses the same ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.context import Context, Documents
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled, ledger_of
from refinedweb.dedup.shuffle import concatenated
from refinedweb.shard.deadline import batch_limit
from refinedweb.shard.quarantine import Apart
from stages.base import Stage

SignedBy = Callable[[Any, pa.Table, UInt64s], pa.Table]
REFUSED = pa.schema([("address", pa.uint64()), ("id", pa.string()), ("reason", pa.string())])
_ADDRESS = "@address"


class Signing:
    """Signs the documents of one task: `signed(stage, docs, addresses)` gives rows of `schema`."""

    def __init__(self, context: Context, signed: SignedBy, schema: pa.Schema, outputs: PhaseOutputs) -> None:
        self._stage = context.stage
        self._signed = signed
        self._seconds = context.recipe.run.stage_seconds
        self._outputs = outputs
        self._careful = outputs.careful
        self._known = {int(one["address"]): one["reason"] for one in outputs.refused}
        self._reasons: dict[int, str] = {}
        self._refused = [REFUSED.empty_table()]
        stages, imports = context.recipe.only(context.step.stages), context.recipe.imports
        work = partial(_signed_apart, signed)
        self._runner = Apart(stages, imports, self._seconds, work, partial(self._without, schema))

    def rows(self, docs: pa.Table, addresses: UInt64s) -> pa.Table:
        """What the documents are signed with. If they take longer than one may, each is looked at by itself."""
        docs, addresses = self._unknown(docs, addresses)
        if self._careful:
            return pa.concat_tables(self._runner.apply(_addressed(docs, addresses)))
        start = time.thread_time()
        with batch_limit(self._seconds):
            rows = self._signed(self._stage, docs, addresses)
        if time.thread_time() - start <= self._seconds:
            return rows
        self._careful = True
        return pa.concat_tables(self._runner.one_by_one(_addressed(docs, addresses)))

    def refuse_copies(self, copies: pa.Table, batch: Documents) -> None:
        """Refuse the copies (edges from the first document of a text to others, in this batch) of what was refused."""
        if self._reasons:
            for first, copy in zip(*(copies.column(name).to_pylist() for name in ("a", "b")), strict=True):
                if first in self._reasons:
                    row = int(np.searchsorted(batch.addresses, copy))
                    self._refuse(batch.docs.slice(row, 1), copy, self._reasons[first])

    def finish(self, counts: PhaseCounts) -> None:
        """Write which documents were refused, and count those that were met as such."""
        counts.quarantined = [
            {"address": str(address), "id": poison.id, "reason": poison.reason, "error": poison.error}
            for address, poison in zip(self._reasons, self._runner.poison, strict=False)
        ]
        refused = concatenated(self._refused, REFUSED).sort_by("address")
        if refused.num_rows:
            self._outputs.shuffle("refused", REFUSED, 1).write(refused)

    def _unknown(self, docs: pa.Table, addresses: UInt64s) -> tuple[pa.Table, UInt64s]:
        """The documents that the record does not name."""
        if not self._known:
            return docs, addresses
        named = np.isin(addresses, np.array([*self._known], np.uint64))
        for row in np.flatnonzero(named).tolist():
            address = int(addresses[row])
            self._reasons[address] = self._known[address]
            self._refuse(docs.slice(row, 1), address, self._known[address])
        return docs.filter(pa.array(~named)), addresses[~named]

    def _without(self, schema: pa.Schema, doc: pa.Table, reason: str) -> pa.Table:
        address = int(doc.column(_ADDRESS)[0].as_py())
        self._reasons[address] = reason
        self._refuse(doc, address, reason)
        return schema.empty_table()

    def _refuse(self, doc: pa.Table, address: int, reason: str) -> None:
        named = [pa.array([address], pa.uint64()), doc.column("id"), pa.array([reason])]
        self._refused.append(pa.table(named, schema=REFUSED))

    def __enter__(self) -> Signing:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._runner.close()


def with_refused(found: pa.Table, sign: Phase, task: int) -> tuple[pa.Table, PhaseCounts]:
    """What was found about a block (sorted by address) and its documents that could not be signed, with their reasons;
    and the counts of those who decide: the documents that were signed or not.
    """
    record = ledger_of(sign).record(task)
    counts = PhaseCounts(record.rows_in, quarantined=record.quarantined)
    if not record.quarantined:
        return found, counts
    refused = concatenated([*Shuffled(sign, "refused", REFUSED).tables(task, 0)], REFUSED)
    columns = [
        refused.column(field.name) if field.name in REFUSED.names else pa.nulls(refused.num_rows, field.type)
        for field in found.schema
    ]
    return pa.concat_tables([found, pa.table(columns, schema=found.schema)]).sort_by("address"), counts


def _addressed(docs: pa.Table, addresses: UInt64s) -> pa.Table:
    return docs.append_column(_ADDRESS, pa.array(addresses))


def _signed_apart(signed: SignedBy, stages: Sequence[Stage], docs: pa.Table) -> pa.Table:
    (stage,) = stages
    return signed(stage, docs.drop_columns([_ADDRESS]), docs.column(_ADDRESS).to_numpy())

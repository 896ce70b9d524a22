"""A run, finished or not, as seen from Python. It only reads objects, and never starts Ray."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from refinedweb.ledger.gaps import lost_to
from refinedweb.ledger.layout import CORPUS, removed_folders
from refinedweb.ledger.manifest import Ledger, Output, Totals
from refinedweb.ledger.own_runs import trust_in
from refinedweb.ledger.run_file import open_run
from refinedweb.ledger.totals import StepState, is_complete, ledger_folders, run_totals, step_states, totals_of
from refinedweb.storage import open_store
from refinedweb.storage.parquet import read_parquet
from refinedweb.views import funnel
from refinedweb.views.frame import SHOWN_ROWS, Frame
from refinedweb.views.html import cut_html, documents_html, funnel_html, pair_html
from stages.errors import ConfigError, nearest

if TYPE_CHECKING:
    from refinedweb.views.decisions import Decisions
    from refinedweb.views.records import CutDocument, DuplicatePair
    from refinedweb.views.rethreshold import WhatIf


class DecisionList(list["DuplicatePair | CutDocument"]):
    """What a deduplicating stage decided about some documents: a list with an HTML repr."""

    def _repr_html_(self) -> str:
        from refinedweb.views.records import DuplicatePair

        shown = [pair_html(one) if isinstance(one, DuplicatePair) else cut_html(one) for one in self]
        return "".join(shown) or "<p>this stage removed and cut nothing, or its step is not complete yet</p>"


class Run:
    """The run below `out`. Only committed objects are read.

    Of what lies outside of `out`, nothing is opened unless this user made the run, or says `trust`: who wrote
    `run.json` chose the names.
    """

    def __init__(self, out: str, *, trust: bool = False) -> None:
        self.out = out
        self.file = open_run(out)
        self.stages = [stage["name"] for stage in self.file.recipe["stages"]]
        self.store = open_store(out)
        self.trust = trust_in(self.store, self.file, given=trust)

    def totals(self) -> Totals:
        """The sums of the commit records that all passes have written so far."""
        return run_totals(self.store, self.file.steps)

    def states(self) -> list[StepState]:
        """How far each step is."""
        return step_states(self.store, self.file.steps, len(self.file.inputs))

    def failed(self) -> dict[int, str]:
        """The errors of failed tasks by task number, of the first step that has any."""
        ledgers = (Ledger(self.store, folder) for folder in ledger_folders(self.store, self.file.steps))
        return next((failed for ledger in ledgers if (failed := ledger.failed())), {})

    def lost(self) -> dict[int, str]:
        """Why each shard is lost that the run goes on without, by its number (that of its input)."""
        return lost_to(self.store, self.file.steps)

    def funnel(self) -> Frame:
        """A row for each stage: rows in, removed and kept, share of all input left, the paper's share, reasons."""
        rows = funnel.funnel(self.stages, self.totals(), faithful=self.file.faithful)
        columns = ("stage", "rows_in", "rows_removed", "rows_kept", "left", "paper")
        data: dict[str, list[object]] = {name: [getattr(row, name) for row in rows] for name in columns}
        reasons = [", ".join(f"{reason} {n}" for reason, n in row.removed.items()) for row in rows]
        return Frame(pa.table({**data, "reasons": reasons}), lambda: funnel_html(rows))

    def table(self, step: str = CORPUS) -> Frame:
        """All rows of the corpus, or all rows that the stage `step` removed. They must fit into memory."""
        tables = list(self.tables(step))
        return Frame(pa.concat_tables(tables, promote_options="default") if tables else pa.table({}))

    def tables(self, step: str = CORPUS) -> Iterator[pa.Table]:
        """The same rows, object by object."""
        return self._tables(self._outputs(step))

    def columns(self, step: str, names: Sequence[str]) -> Iterator[pa.Table]:
        """Those of the columns `names` that exist, by row group, so that a run of any size can be read."""
        for output in self._outputs(step):
            with self.store.open(output.key, random=True) as file:
                parquet = pq.ParquetFile(file)
                wanted = [name for name in parquet.schema_arrow.names if name in names]
                for group in range(parquet.num_row_groups):
                    yield parquet.read_row_group(group, columns=wanted, use_threads=False)

    def rethreshold(self, stage: str, **params: Any) -> WhatIf:
        """What other limits of a stage would change, from the measures that the run kept; nothing is run again.

        Example: `run.rethreshold("quality_v1", min_words=30)`. Raises ConfigError if the run kept no measures
        (`keep_measures`).
        """
        from refinedweb.views.rethreshold import rethreshold

        return rethreshold(self, stage, params)

    def sample(self, n: int = 10, stage: str | None = None, reason: str | None = None, seed: int = 0) -> Frame:
        """Up to `n` kept rows, or rows that `stage` removed (for `reason`). A seed gives the same rows again."""
        outputs = list(self._outputs(CORPUS if stage is None else stage))
        random.Random(seed).shuffle(outputs)
        chosen: list[pa.Table] = []
        rows = 0
        for table in self._tables(outputs):
            picked = _pick(table, n - rows, reason, seed)
            chosen.append(picked)
            rows += picked.num_rows
            if rows >= n:
                break
        sampled = pa.concat_tables(chosen, promote_options="default") if chosen else pa.table({})
        return Frame(sampled, lambda: documents_html(sampled.slice(0, SHOWN_ROWS).to_pylist(), sampled.num_rows))

    def pairs(self, stage: str, n: int = 5, reason: str | None = None, seed: int = 0) -> DecisionList:
        """Up to `n` decisions of a deduplicating stage: removed documents with those kept instead, or what was cut.

        Raises ConfigError for a stage that judges each document by itself.
        """
        decisions = self.decisions(stage)
        if decisions is None:
            raise ConfigError(
                f"{stage} judges each document by itself, or its step is not complete; `sample(stage={stage!r})` shows "
                "what it removed"
            )
        return DecisionList(decisions.sample(n, seed, reason))

    def decisions(self, stage: str) -> Decisions | None:
        """What a deduplicating stage decided, pair by pair. None for a stage that judges each document by itself, and
        for one whose step is not complete.
        """
        name = self.stage(stage)
        step = next((step for step in self.file.steps if step.kind == "global" and name in step.stages), None)
        if step is None or not is_complete(self.store, step):
            return None
        from refinedweb.views.decisions import Decisions  # kernels are expensive to import

        return Decisions(self.store, self.file, name, self.trust)

    def stage(self, name: str) -> str:
        """The full name of a stage of the run: `minhash` stands for `minhash_v1`. Raises ConfigError if it has none."""
        known = [CORPUS, "source", *self.stages, "quarantine"]
        short = [stage for stage in known if stage.rpartition("_v")[0] == name]
        if name not in known and len(short) != 1:
            raise ConfigError(f"the run has no stage {name!r}: {nearest(name, known)}")
        return name if name in known else short[0]

    def _outputs(self, step: str) -> Iterator[Output]:
        stage = self.stage(step)
        last = self.file.steps[-1]
        places = [(last, CORPUS)] if stage == CORPUS else removed_folders(self.file.steps, stage)
        for place, folder in places:
            ledger = Ledger(self.store, place.name)
            for record in ledger.records(sorted(ledger.committed())):
                yield from (output for output in record.outputs if output.key.startswith(f"{folder}/") and output.rows)

    def _tables(self, outputs: Iterator[Output] | list[Output]) -> Iterator[pa.Table]:
        for output in outputs:
            with self.store.open(output.key) as file:
                yield read_parquet(file.read())

    def __repr__(self) -> str:
        states = self.states()
        totals = totals_of(states)
        return (
            f"Run {self.out}: {sum(state.complete for state in states)}/{len(states)} steps, "
            f"{totals.rows_in:,} documents in, {totals.rows_kept:,} kept"
        )

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.funnel()._repr_html_()}"


def _pick(table: pa.Table, n: int, reason: str | None, seed: int) -> pa.Table:
    if reason is not None:
        table = table.filter(pc.equal(table.column("drop"), reason))
    ids = table.column("id").to_pylist()
    order = sorted(range(len(ids)), key=lambda row: xxhash.xxh3_64_intdigest(str(ids[row]).encode(), seed))
    return table.take(pa.array(order[:n], pa.int64()))

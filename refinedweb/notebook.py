"""A finished or running run, to look at from Python. Reads objects only; never starts Ray."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from refinedweb import funnel
from refinedweb.engine.run import LOCAL_STEP, open_run
from refinedweb.frame import Frame
from refinedweb.manifest import Ledger, Output, Totals
from refinedweb.storage import open_store
from stages.errors import ConfigError, nearest

CORPUS = "corpus"


class Run:
    """The run below `out`. Only committed objects are ever read."""

    def __init__(self, out: str) -> None:
        self.out = out
        self.file = open_run(out)
        self.stages = [stage["name"] for stage in self.file.recipe["stages"]]
        self._store = open_store(out)
        self._ledger = Ledger(self._store, LOCAL_STEP)

    def totals(self) -> Totals:
        """The sums of all commit records so far."""
        return self._ledger.totals(self._ledger.committed())

    def failed(self) -> dict[int, str]:
        """Why shards failed, by shard number."""
        return self._ledger.failed()

    def funnel(self) -> Frame:
        """A row per stage: rows in, removed, kept, share of all input left, the paper's share, reasons."""
        faithful = self.file.recipe_name == "refinedweb"
        rows = funnel.funnel(self.stages, self.totals(), faithful=faithful)
        columns = ("stage", "rows_in", "rows_removed", "rows_kept", "left", "paper")
        data: dict[str, list[object]] = {name: [getattr(row, name) for row in rows] for name in columns}
        reasons = [", ".join(f"{reason} {n}" for reason, n in row.removed.items()) for row in rows]
        return Frame(pa.table({**data, "reasons": reasons}))

    def table(self, step: str = CORPUS) -> Frame:
        """All rows of the corpus, or all removed rows of the stage called `step` (in memory: for runs that fit)."""
        tables = list(self._tables(self._outputs(step)))
        return Frame(pa.concat_tables(tables, promote_options="default") if tables else pa.table({}))

    def sample(self, n: int = 10, stage: str | None = None, reason: str | None = None, seed: int = 0) -> Frame:
        """Up to `n` kept rows, or rows that `stage` removed (for `reason`). The same seed gives the same rows."""
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
        return Frame(pa.concat_tables(chosen, promote_options="default") if chosen else pa.table({}))

    def _outputs(self, step: str) -> Iterator[Output]:
        known = [CORPUS, "source", *self.stages, "quarantine"]
        if step not in known:
            raise ConfigError(f"the run has no stage {step!r}: {nearest(step, known)}")
        folder = "corpus/" if step == CORPUS else f"{LOCAL_STEP}/removed/{step}/"
        for record in self._ledger.records(sorted(self._ledger.committed())):
            yield from (output for output in record.outputs if output.key.startswith(folder) and output.rows)

    def _tables(self, outputs: Iterator[Output] | list[Output]) -> Iterator[pa.Table]:
        for output in outputs:
            # All columns are wanted: whole bytes, as Arrow's reader threads over a Python file can outlive the program.
            with self._store.open(output.key) as file:
                yield pq.read_table(pa.BufferReader(file.read()))

    def __repr__(self) -> str:
        totals = self.totals()
        return (
            f"Run {self.out}: {totals.tasks}/{len(self.file.inputs)} shards, "
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

"""A pass over one shard: read it once, run the fused stages over each batch, write once, commit."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pyarrow as pa

from refinedweb.ledger import layout
from refinedweb.ledger.gaps import commit_filling
from refinedweb.ledger.manifest import Ledger, Record
from refinedweb.ledger.memory import peak_memory
from refinedweb.ledger.origin import user
from refinedweb.ledger.record import COUNTED, filled
from refinedweb.ledger.version import code_version
from refinedweb.recipe.plan import Step, is_whole, steps_of
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.apply import Split, apply_stages
from refinedweb.shard.deadline import batch_limit
from refinedweb.shard.index_format import index_rows, index_writer
from refinedweb.shard.kept import kept_shards
from refinedweb.shard.outputs import RemovedWriter, RowsWriter, ShardOutputs, content_bytes
from refinedweb.shard.quarantine import Careful
from refinedweb.shard.seen import seen_by
from refinedweb.shard.source import SOURCE, InputShard, KeptShard, ShardSource
from refinedweb.shard.stage_cache import built
from refinedweb.sources import Damage
from refinedweb.sources.inputs import Input
from refinedweb.storage import Store, open_store
from stages.dedup import ROW, Clustered
from stages.schema import is_measure

NOT_IN_CORPUS = ("drop", ROW)
MOST_DAMAGE = 100  # places in a record: a rotten file may have thousands


@dataclass(frozen=True)
class LocalStep:
    """The work of one pass, the same for all its shards. It is called with one shard's number and input."""

    out: str
    step: Step
    recipe: Recipe
    driver: str = ""
    columns: pa.Schema | None = None  # of the run, besides those of a document

    def __call__(self, shard: int, item: Input | None, careful: bool) -> Record:
        """Process and commit a shard; the record. `item` is None for the shard that the previous pass kept.

        `careful` runs the stages in a child process and quarantines what kills it.
        """
        store = open_store(self.out)
        return _Pass(self, store, shard, self._source(store, shard, item), careful).run()

    def _source(self, store: Store, shard: int, item: Input | None) -> ShardSource:
        if item is not None:
            return InputShard(item, self.recipe.source, self.recipe.run.limit, self.columns)
        amended_in = self.step.applies[-1] if self.step.applies else None
        return KeptShard(kept_shards(store, self.step, self.recipe, amended_in), shard)


class _Pass:
    """The state of one pass over one shard."""

    def __init__(self, step: LocalStep, store: Store, shard: int, source: ShardSource, careful: bool) -> None:
        self._step = step
        self._recipe = step.recipe
        self._source = source
        self._shard = shard
        self._store = store
        chosen = step.recipe.only(step.step.stages)
        self._stages = built(chosen, self._recipe.imports)
        self._indexed = _indexed(step) if step.step.last else []
        self._seconds: dict[str, float] = {}
        self._runner = Careful(chosen, self._recipe.imports, self._recipe.run.stage_seconds)
        self._careful = careful
        self._rows_in = 0
        self._filled: dict[str, int] = {}
        self._bytes_kept = 0
        self._ids_kept: list[pa.Array] = []  # if an index is written

    def run(self) -> Record:
        start = time.perf_counter()
        batches = self._timed(self._source.batches())
        first = next(batches)
        with closing(self._runner), self._outputs(first.kept.slice(0, 0)) as outputs:
            for batch in chain([first], batches):
                self._take(batch, outputs)
            self._write_indexes(outputs)
            written = outputs.finish()
        item, report = self._source.item, self._source.report
        record = Record(
            task=self._shard,
            fingerprint=self._recipe.fingerprint(),
            code_version=code_version(),
            input_key=item.uri,
            input_etag=item.etag,
            input_size=item.size,
            rows_in=self._rows_in,
            rows_kept=outputs.kept.rows,
            bytes_kept=self._bytes_kept,
            removed=outputs.removed.counts,
            outputs=written,
            skipped=dict(report.skipped),
            damage=_damage(report.damage),
            quarantined=[{"id": p.id, "error": p.error} for p in self._runner.poison],
            facts=self._filled,
            seconds=round(time.perf_counter() - start, 3),
            stage_seconds={name: round(s, 3) for name, s in self._seconds.items()},
            peak_memory=peak_memory(),
            host=socket.gethostname(),
            user=user(),
            driver=self._step.driver,
            committed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        ledger = Ledger(self._store, self._step.step.name)
        return commit_filling(ledger, record) if is_whole(self._step.step) else ledger.commit(record)

    def _outputs(self, empty: pa.Table) -> ShardOutputs:
        """Writers with the columns that the stages give an empty table (which they must accept by law)."""
        kept_schema = self._written(apply_stages(self._stages, empty, {}).kept).schema
        kept = RowsWriter(self._store, layout.shard_key(layout.kept_folder(self._step.step), self._shard), kept_schema)
        index = [index_writer(self._store, stage, self._shard) for stage in self._indexed]
        return ShardOutputs(
            kept, RemovedWriter(self._store, self._step.step.name, self._shard, self._recipe.run), index
        )

    def _timed(self, batches: Iterator[Split]) -> Iterator[Split]:
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self._seconds[SOURCE] = self._seconds.get(SOURCE, 0.0) + time.perf_counter() - start
            if batch is None:
                return
            yield batch

    def _take(self, batch: Split, outputs: ShardOutputs) -> None:
        self._count([batch.kept, *(removal.rows for removal in batch.removed)])
        self._write_removed(batch, outputs)
        for part in self._apply(batch.kept):
            self._bytes_kept += int(content_bytes(part.kept).sum())
            outputs.kept.write(self._written(part.kept))
            if self._indexed:
                self._ids_kept += part.kept.column("id").chunks
            self._write_removed(part, outputs)

    def _count(self, tables: list[pa.Table]) -> None:
        """Count what came in and, of an input's documents, those with a value in the columns that stages look at."""
        self._rows_in += sum(table.num_rows for table in tables)
        for name in COUNTED if isinstance(self._source, InputShard) else ():
            there = sum(table.num_rows - table.column(name).null_count for table in tables)
            self._filled[filled(name)] = self._filled.get(filled(name), 0) + there

    def _write_indexes(self, outputs: ShardOutputs) -> None:
        """Sign the documents again as each step saw them: by now it is known which of them stay."""
        corpus = pa.chunked_array(self._ids_kept, pa.string()).combine_chunks()
        steps = steps_of([name for name, _ in self._recipe.stages])
        for stage, writer in zip(self._indexed, outputs.more, strict=True):
            seen = seen_by(self._store, steps, stage.name, self._recipe)
            for rows in index_rows(stage, seen, self._shard, corpus):
                writer.write(rows)

    def _write_removed(self, part: Split, outputs: ShardOutputs) -> None:
        for removal in part.removed:
            rows = removal.rows.drop_columns([name for name in (ROW,) if name in removal.rows.column_names])
            outputs.removed.write(removal.stage, self._without_measures(rows))

    def _apply(self, docs: pa.Table) -> list[Split]:
        """The batch after the stages. If it takes longer than a document may, it is looked at closely, and so is the
        rest of the shard: whether a document is one that takes too long is found out for each by itself.
        """
        if self._careful:
            return self._runner.apply(docs)
        limit, start = self._recipe.run.stage_seconds, time.thread_time()
        with batch_limit(limit):
            done = apply_stages(self._stages, docs, self._seconds)
        if time.thread_time() - start <= limit:
            return [done]
        self._careful = True
        return self._runner.one_by_one(docs)

    def _written(self, rows: pa.Table) -> pa.Table:
        return self._without_measures(rows.drop_columns([name for name in NOT_IN_CORPUS if name in rows.column_names]))

    def _without_measures(self, rows: pa.Table) -> pa.Table:
        if self._recipe.run.keep_measures:
            return rows
        own = [name for name, _ in self._recipe.stages]
        return rows.select([name for name in rows.column_names if not is_measure(name, own)])


def _indexed(step: LocalStep) -> list[Clustered]:
    """The stages whose keys are written for later runs."""
    names = [name for name, values in step.recipe.stages if values.get("write_index")]
    return [stage for stage in built(step.recipe.only(names), step.recipe.imports) if isinstance(stage, Clustered)]


def _damage(found: list[Damage]) -> list[dict[str, Any]]:
    """The first places where the input is broken, and how many more there are."""
    places = [{"offset": place.offset, "error": place.error} for place in found[:MOST_DAMAGE]]
    more = len(found) - len(places)
    return [*places, {"offset": found[-1].offset, "error": f"the last of {more} further places"}] if more else places

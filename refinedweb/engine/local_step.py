"""One local step over one shard: read it once, run the fused stages over each batch, write once, commit."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, BinaryIO

import pyarrow as pa

from refinedweb.engine.apply import Split, apply_stages, split
from refinedweb.engine.careful import Careful
from refinedweb.engine.outputs import RemovedWriter, RowsWriter, ShardOutputs, content_bytes
from refinedweb.engine.stage_cache import built
from refinedweb.inputs import Input
from refinedweb.manifest import Ledger, Record, task_name
from refinedweb.recipe import Recipe
from refinedweb.sources import Damage, open_reader
from refinedweb.storage import open_store, split_uri
from refinedweb.version import code_version
from stages.errors import ShardError
from stages.schema import DOCUMENT, is_measure

SOURCE = "source"
NOT_IN_CORPUS = ("drop",)
MOST_DAMAGE = 100


@dataclass(frozen=True)
class LocalStep:
    """The work of one step, the same for all its shards; called with one shard's number and input."""

    out: str
    step: str
    recipe: Recipe
    driver: str = ""

    def __call__(self, shard: int, item: Input, careful: bool) -> Record:
        """The committed record. `careful` runs the stages in a child process and quarantines what kills it."""
        return _Pass(self, shard, item, careful).run()


class _Pass:
    """The state of one pass over one shard."""

    def __init__(self, step: LocalStep, shard: int, item: Input, careful: bool) -> None:
        self._step = step
        self._recipe = step.recipe
        self._item = item
        self._shard = shard
        self._store = open_store(step.out)
        self._stages = built(self._recipe.stages, self._recipe.imports)
        self._seconds: dict[str, float] = {}
        self._careful = Careful(self._recipe.stages, self._recipe.imports) if careful else None
        self._rows_in = 0
        self._bytes_kept = 0

    def run(self) -> Record:
        start = time.perf_counter()
        with self._open_input() as file:
            reader = open_reader(file, self._item.uri, self._recipe.source)
            batches = self._limited(self._timed(reader.batches()))
            first = next(batches, DOCUMENT.empty_table())
            with self._outputs(first.slice(0, 0)) as outputs:
                for batch in chain([first], batches):
                    self._take(batch, outputs)
                written = outputs.finish()
        poison = [] if self._careful is None else self._careful.poison
        record = Record(
            task=self._shard,
            fingerprint=self._recipe.fingerprint(),
            code_version=code_version(),
            input_key=self._item.uri,
            input_etag=self._item.etag,
            input_size=self._item.size,
            rows_in=self._rows_in,
            rows_kept=outputs.kept.rows,
            bytes_kept=self._bytes_kept,
            removed=outputs.removed.counts,
            outputs=written,
            skipped=dict(reader.report.skipped),
            damage=_damage(reader.report.damage),
            quarantined=[{"id": p.id, "error": p.error} for p in poison],
            seconds=round(time.perf_counter() - start, 3),
            stage_seconds={name: round(s, 3) for name, s in self._seconds.items()},
            peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            host=socket.gethostname(),
            driver=self._step.driver,
            committed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return Ledger(self._store, self._step.step).commit(record)

    def _open_input(self) -> BinaryIO:
        store, key = split_uri(self._item.uri)
        found = store.info(key)
        if found.etag != self._item.etag:
            raise ShardError(
                f"{self._item.uri} changed since the run began (etag {self._item.etag} then, {found.etag} now); "
                "put the old file back, or start a new run with another output"
            )
        return store.open(key)

    def _outputs(self, empty: pa.Table) -> ShardOutputs:
        """Writers with the columns that the stages make of an empty table (a law lets them be asked)."""
        name = task_name(self._shard)
        kept_schema = self._written(apply_stages(self._stages, empty, {}).kept).schema
        kept = RowsWriter(self._store, f"corpus/{name}.parquet", kept_schema)
        return ShardOutputs(kept, RemovedWriter(self._store, self._step.step, name, self._recipe.run))

    def _timed(self, batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self._seconds[SOURCE] = self._seconds.get(SOURCE, 0.0) + time.perf_counter() - start
            if batch is None:
                return
            yield batch

    def _limited(self, batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
        left = self._recipe.run.limit
        for batch in batches:
            yield batch if left is None else batch.slice(0, left)
            if left is not None:
                left -= batch.num_rows
                if left <= 0:
                    return

    def _take(self, batch: pa.Table, outputs: ShardOutputs) -> None:
        self._rows_in += batch.num_rows
        usable, unusable = split(batch, batch)
        outputs.removed.write(SOURCE, unusable)
        for part in self._apply(usable):
            self._bytes_kept += int(content_bytes(part.kept).sum())
            outputs.kept.write(self._written(part.kept))
            for removal in part.removed:
                outputs.removed.write(removal.stage, self._without_measures(removal.rows))

    def _apply(self, docs: pa.Table) -> list[Split]:
        if self._careful is not None:
            return self._careful.apply(docs)
        return [apply_stages(self._stages, docs, self._seconds)]

    def _written(self, rows: pa.Table) -> pa.Table:
        return self._without_measures(rows.drop_columns([name for name in NOT_IN_CORPUS if name in rows.column_names]))

    def _without_measures(self, rows: pa.Table) -> pa.Table:
        if self._recipe.run.keep_measures:
            return rows
        return rows.select([name for name in rows.column_names if not is_measure(name)])


def _damage(found: list[Damage]) -> list[dict[str, Any]]:
    """The first places where the input broke, and how many there were: a rotten file may have thousands."""
    places = [{"offset": place.offset, "error": place.error} for place in found[:MOST_DAMAGE]]
    more = len(found) - len(places)
    return [*places, {"offset": found[-1].offset, "error": f"the last of {more} further places"}] if more else places

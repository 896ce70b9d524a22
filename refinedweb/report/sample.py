"""A bounded part of a run: some of its shards, chosen by hash, and what became of their documents.

A run of 10⁸ documents has thousands of shards. What the ledger counts is exact. What only the objects know (languages,
domains, measures, texts) is estimated from whole shards, so that kept and removed documents are in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from refinedweb.ledger.layout import CORPUS, REMOVED
from refinedweb.ledger.manifest import Ledger, Output
from refinedweb.recipe.plan import Step
from refinedweb.storage import Store
from refinedweb.views.run import Run

MOST_ROWS = 200_000  # documents: reading their light columns takes seconds
MOST_SHARDS = 48  # shards: each costs some requests to the store, however few documents it has


@dataclass(frozen=True)
class ReportSample:
    """Shards that every pass so far has committed and none has lost.

    `outputs`: their objects by where the documents ended, `corpus` or the stage that removed them. `removed`: exact
    counts by stage and reason. `rows`: documents that went into these shards; `rows_all`: into all shards.
    """

    store: Store
    shards: list[int]
    shards_all: int
    rows: int
    rows_all: int
    kept: int
    outputs: dict[str, list[Output]]
    removed: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether the sample is the whole run."""
        return len(self.shards) == self.shards_all


def sample_of(run: Run, *, most_rows: int = MOST_ROWS, most_shards: int = MOST_SHARDS) -> ReportSample:
    """Shards in the order of a hash of the run's fingerprint and their number, up to `most_rows` documents."""
    store = run.store
    ledgers = [Ledger(store, step.name) for step in _passes(run.file.steps)]
    committed = [ledger.committed() for ledger in ledgers]
    used = [(ledger, done) for ledger, done in zip(ledgers, committed, strict=True) if done]
    common = set.intersection(*(done for _, done in used)) - set(run.lost()) if used else set()
    last = run.file.steps[-1].name
    sample = ReportSample(store, [], len(common), 0, run.totals().rows_in, 0, {})
    shards, rows, kept = sample.shards, 0, 0
    for shard in sorted(common, key=lambda shard: shard_rank(run.file.fingerprint, shard)):
        if shards and (rows >= most_rows or len(shards) >= most_shards):
            break
        shards.append(shard)
        records = [ledger.record(shard) for ledger, _ in used]
        rows += records[0].rows_in
        for (ledger, _), record in zip(used, records, strict=True):
            for stage, reasons in record.removed.items():
                counts = sample.removed.setdefault(stage, {})
                for reason, n in reasons.items():
                    counts[reason] = counts.get(reason, 0) + n
            for output in record.outputs:
                end = end_of(output.key, ledger.step)
                if end is not None and output.rows:
                    sample.outputs.setdefault(end, []).append(output)
            kept += record.rows_kept if ledger.step == last else 0
    return ReportSample(store, shards, len(common), rows, sample.rows_all, kept, sample.outputs, sample.removed)


def shard_rank(fingerprint: str, shard: int) -> int:
    """Shards are taken in the order of this number: practically random, and the same every time."""
    return xxhash.xxh3_64_intdigest(f"{fingerprint} {shard}".encode())


def _passes(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step.kind == "local"]


def end_of(key: str, step: str) -> str | None:
    """Where the documents of an object ended; None for an object whose documents go on to the next step."""
    if key.startswith(f"{CORPUS}/"):
        return CORPUS
    prefix = f"{step}/{REMOVED}/"
    return key.removeprefix(prefix).partition("/")[0] if key.startswith(prefix) else None


def row_groups(store: Store, output: Output, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    """Read an object by row groups, with those of `columns` that it has (None = all)."""
    with store.open(output.key, random=True) as file:
        parquet = pq.ParquetFile(file)
        names = parquet.schema_arrow.names
        wanted = names if columns is None else [name for name in names if name in columns]
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group, columns=wanted, use_threads=False)

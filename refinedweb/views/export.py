"""Exports the corpus in another form: with the columns of the published RefinedWeb, or as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.ledger.layout import CORPUS, PARQUET_SUFFIX
from refinedweb.ledger.manifest import Ledger
from refinedweb.ledger.run_file import open_run
from refinedweb.sources.unify import plain
from refinedweb.storage import Store, open_store
from stages.errors import ConfigError

# The columns of tiiuae/falcon-refinedweb, and which of ours fill them.
FALCON = {
    "content": "text",
    "url": "url",
    "timestamp": "timestamp",
    "dump": "dump",
    "segment": "segment",
    "image_urls": "image_urls",
}
BATCH_ROWS = 4096  # documents in memory at a time


def export(out: str, destination: str, schema: Literal["falcon", "full"], kind: Literal["parquet", "jsonl"]) -> int:
    """Write the corpus of the finished run `out` below `destination`, one file per shard. Returns the number of rows.

    Raises ConfigError if the run is not finished: an export of a part would look like the whole.
    """
    run, store, target = open_run(out), open_store(out), open_store(destination)
    ledger = Ledger(store, run.steps[-1].name)
    committed = ledger.committed()
    if len(committed) < len(run.inputs):
        raise ConfigError(f"{out} has {len(committed)} of {len(run.inputs)} shards; finish it before you export it")
    rows = 0
    for record in ledger.records(sorted(committed)):
        for output in record.outputs:
            if output.key.startswith(f"{CORPUS}/"):
                name = output.key.removeprefix(f"{CORPUS}/").removesuffix(PARQUET_SUFFIX)
                rows += _export_file(store, output.key, target, f"{name}.{kind}", schema, kind)
    target.tidy()
    return rows


def _export_file(store: Store, key: str, target: Store, name: str, schema: str, kind: str) -> int:
    with store.open(key) as source, target.create(name) as sink:
        parquet = pq.ParquetFile(source)
        tables = parquet.iter_batches(BATCH_ROWS, use_threads=False)
        batches = (_columns_of(pa.Table.from_batches([batch]), schema) for batch in tables)
        if kind == "parquet":
            empty = _columns_of(parquet.schema_arrow.empty_table(), schema)
            with pq.ParquetWriter(sink, empty.schema, compression="zstd") as writer:
                for batch in batches:
                    writer.write_table(batch)
        else:
            for line in _json_lines(batches):
                sink.write(line)
        sink.finish()
        return int(parquet.metadata.num_rows)


def _columns_of(rows: pa.Table, schema: str) -> pa.Table:
    """The rows with the columns of the schema `falcon` or `full`."""
    if schema == "full":
        return rows
    return pa.table({name: rows.column(ours) for name, ours in FALCON.items()})


def _json_lines(batches: Iterator[pa.Table]) -> Iterator[bytes]:
    for batch in batches:
        for row in batch.to_pylist():
            try:
                text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=plain)
            except ValueError:  # a NaN, which JSON does not have
                text = json.dumps(plain(row), ensure_ascii=False)
            yield text.encode() + b"\n"

"""The ledger against the objects: every record's sums, and every object it names, re-read and re-hashed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow.parquet as pq
import xxhash

from refinedweb.engine.run import LOCAL_STEP, RunFile, open_run
from refinedweb.manifest import Ledger, Output, Record, Totals
from refinedweb.storage import Missing, Store, open_store
from stages.errors import ShardError

CHUNK = 8 << 20


@dataclass
class Verdict:
    """What `verify` found. `problems` are breaches of the ledger's laws; `pending` tasks have no record yet."""

    tasks: int
    pending: int = 0
    objects: int = 0
    size: int = 0
    totals: Totals = field(default_factory=Totals)
    problems: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)


def verify(out: str, *, quick: bool = False) -> Verdict:
    """Check the run below `out`. `quick` compares sizes and row counts, but does not read the objects' content."""
    run, store = open_run(out), open_store(out)
    ledger = Ledger(store, LOCAL_STEP)
    committed = ledger.committed()
    verdict = Verdict(tasks=len(run.inputs), pending=len(run.inputs) - len(committed))
    named: set[str] = set()
    with ThreadPoolExecutor(store.parallel) as pool:
        for record in ledger.records(sorted(committed)):
            verdict.totals.add(record)
            verdict.problems += _record_problems(run, record)
            named.update(output.key for output in record.outputs)
            for problem in pool.map(lambda output: _object_problem(store, output, quick), record.outputs):
                verdict.problems += problem
            verdict.objects += len(record.outputs)
            verdict.size += sum(output.size for output in record.outputs)
    verdict.problems += _rollup_problems(ledger, committed, verdict.totals)
    verdict.unrecorded = sorted(set(_data_objects(store)) - named)
    return verdict


def _record_problems(run: RunFile, record: Record) -> Iterator[str]:
    try:
        record.check()
    except ShardError as error:
        yield str(error)
    if record.fingerprint != run.fingerprint:
        yield f"task {record.task}: its record is of another recipe ({record.fingerprint}, the run's {run.fingerprint})"
    if record.task >= len(run.inputs) or record.input_key != run.inputs[record.task].uri:
        yield f"task {record.task}: its record names {record.input_key}, which is not this task's input"
    kept = sum(output.rows for output in record.outputs if output.key.startswith("corpus/"))
    if kept != record.rows_kept:
        yield f"task {record.task}: {record.rows_kept} rows kept, but {kept} in the corpus objects it names"
    removed = sum(output.rows for output in record.outputs if "/removed/" in output.key)
    if removed != record.rows_in - record.rows_kept:
        yield f"task {record.task}: {record.rows_in - record.rows_kept} rows removed, but {removed} written"


def _object_problem(store: Store, output: Output, quick: bool) -> list[str]:
    try:
        info = store.info(output.key)
        if info.size != output.size:
            return [
                f"{store.uri(output.key)}: {info.size} bytes, its record says {output.size}; delete it and its record"
            ]
        if not quick and (found := _checksum(store, output.key)) != output.checksum:
            return [f"{store.uri(output.key)}: checksum {found}, its record says {output.checksum}; it was altered"]
        rows = _rows(store, output.key)
    except Missing:
        return [f"{store.uri(output.key)} is missing, but its record stands"]
    except (OSError, ValueError) as error:
        return [f"{store.uri(output.key)} cannot be read: {error}"]
    return [] if rows == output.rows else [f"{store.uri(output.key)}: {rows} rows, its record says {output.rows}"]


def _checksum(store: Store, key: str) -> str:
    digest = xxhash.xxh3_128()
    with store.open(key) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _rows(store: Store, key: str) -> int:
    with store.open(key, random=True) as file:
        return int(pq.read_metadata(file).num_rows)


def _rollup_problems(ledger: Ledger, committed: set[int], summed: Totals) -> list[str]:
    rolled = ledger.totals(committed)
    same = (rolled.rows_in, rolled.rows_kept, rolled.removed) == (summed.rows_in, summed.rows_kept, summed.removed)
    return [] if same else [f"{ledger.store.uri(ledger.step)}/rollup does not sum to the records; delete that folder"]


def _data_objects(store: Store) -> Iterator[str]:
    for prefix in ("corpus/", f"{LOCAL_STEP}/removed/"):
        yield from (info.key for info in store.list(prefix))

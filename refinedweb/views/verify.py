"""Checks the ledger against the objects: the sums of every record, and every object it names, read and hashed again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow.parquet as pq
import xxhash

from refinedweb.dedup.shuffle import Damaged, ShuffleReader
from refinedweb.ledger import layout
from refinedweb.ledger.gaps import lost_to
from refinedweb.ledger.manifest import Ledger, Output, Record, Removed, Totals, chunks
from refinedweb.ledger.run_file import RunFile, open_run
from refinedweb.ledger.totals import combined, is_complete, ledger_folders
from refinedweb.recipe.plan import Step
from refinedweb.storage import Missing, Store, open_store
from refinedweb.storage.json_objects import Unreadable
from refinedweb.views.kept_chain import Chains, follow
from stages.errors import ConfigError, ShardError

CHUNK_BYTES = 8 << 20  # read at a time when hashing: large enough for S3, small next to a worker's memory
DATA = (layout.PARQUET_SUFFIX, layout.SHUFFLE_SUFFIX)  # of objects that a record should name
RECORDS_TOGETHER = 256  # records whose objects are checked in parallel


@dataclass
class Verdict:
    """What `verify` found. `problems` are breaches of the ledger's laws; `pending` tasks have no record yet.

    `tasks` and `pending` count the shards of all passes; a global step counts as one task that is pending until it is
    complete. `lost`: why a shard is lost that the run goes on without. `unrecorded`: objects that no record names.
    `chains`: whether removed duplicates lead to the corpus (None: not looked at, as the run is not finished, has other
    problems, or the check is quick). `foreign`: objects with names that a run does not give, which nobody reads.
    `code_versions`: number of records by the code that wrote them. More than one is not a breach (what changes output
    gets a new name), but worth checking if outputs surprise.
    """

    tasks: int = 0
    pending: int = 0
    objects: int = 0
    size: int = 0
    totals: Totals = field(default_factory=Totals)
    problems: list[str] = field(default_factory=list)
    lost: dict[int, str] = field(default_factory=dict)
    unrecorded: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    code_versions: dict[str, int] = field(default_factory=dict)
    chains: Chains | None = None


def verify(out: str, *, quick: bool = False) -> Verdict:
    """Check the run below `out`. `quick` compares sizes and row counts, and does not read the content of objects."""
    return _Check(open_run(out), open_store(out), quick).run()


class _Check:
    """The state of one check."""

    def __init__(self, run: RunFile, store: Store, quick: bool) -> None:
        self._run = run
        self._store = store
        self._quick = quick
        self._named: set[str] = set()
        self._verdict = Verdict()

    def run(self) -> Verdict:
        verdict = self._verdict
        verdict.lost = lost_to(self._store, self._run.steps)
        sums: list[Totals] = []
        for step in self._run.steps:
            if step.kind == "global":
                self._global(step)
            else:
                sums.append(self._local(step))
                verdict.problems += _handover_problems(sums, step)
        verdict.totals = combined(sums)
        for key in _objects_of(self._store, self._run):
            if not layout.is_own(key):
                verdict.foreign.append(key)
            elif key.endswith(DATA) and key not in self._named:
                verdict.unrecorded.append(key)
        verdict.problems += _remains(self._store, verdict)
        if not (self._quick or verdict.pending or verdict.problems):
            self._follow_chains()
        return verdict

    def _follow_chains(self) -> None:
        try:
            self._verdict.chains = follow(self._store, self._run, self._verdict.lost)
            self._verdict.problems += self._verdict.chains.problems
        except (KeyError, ValueError, OSError, Missing) as error:
            self._verdict.problems.append(f"what became of removed duplicates cannot be followed: {error}")

    def _local(self, step: Step) -> Totals:
        ledger = Ledger(self._store, step.name)
        committed = ledger.committed()
        self._verdict.tasks += len(self._run.inputs)
        self._verdict.pending += len(set(range(len(self._run.inputs))) - committed)
        summed = Totals()
        for records in chunks(self._records(ledger, committed), RECORDS_TOGETHER):
            for record in records:
                summed.add(record)
                self._verdict.problems += _pass_problems(self._run, step, record)
            self._objects([output for record in records for output in self._expected(step, record)])
        self._verdict.problems += _rollup_problems(ledger, committed, summed)
        return summed

    def _records(self, ledger: Ledger, committed: set[int]) -> Iterator[Record]:
        """The records that can be read; the others are problems."""
        for found in ledger.readings(sorted(committed)):
            if isinstance(found, Unreadable):
                self._verdict.problems.append(str(found))
            else:
                self._count_version(found)
                self._verdict.problems += _record_problems(self._run, found)
                yield found

    def _expected(self, step: Step, record: Record) -> list[Output]:
        """The objects of a record. What a pass kept of a shard that was lost after it cannot be asked for."""
        if record.task not in self._verdict.lost:
            return record.outputs
        self._named.update(output.key for output in record.outputs)
        return [o for o in record.outputs if step.last or not o.key.startswith(f"{layout.kept_folder(step)}/")]

    def _global(self, step: Step) -> None:
        """Check the records of the step's phases and its decisions. Shuffle objects are gone once it is complete."""
        complete = is_complete(self._store, step)
        self._verdict.tasks += 1
        self._verdict.pending += not complete
        for folder in ledger_folders(self._store, [step]):
            ledger = Ledger(self._store, folder)
            for record in self._records(ledger, ledger.committed()):
                self._objects([o for o in record.outputs if not complete or not o.key.endswith(layout.SHUFFLE_SUFFIX)])

    def _count_version(self, record: Record) -> None:
        versions = self._verdict.code_versions
        versions[record.code_version] = versions.get(record.code_version, 0) + 1

    def _objects(self, outputs: list[Output]) -> None:
        self._named.update(output.key for output in outputs)
        with ThreadPoolExecutor(self._store.parallel) as pool:
            for problem in pool.map(lambda output: _object_problem(self._store, output, self._quick), outputs):
                self._verdict.problems += problem
        self._verdict.objects += len(outputs)
        self._verdict.size += sum(output.size for output in outputs)


def _record_problems(run: RunFile, record: Record) -> Iterator[str]:
    try:
        record.check()
    except ShardError as error:
        yield str(error)
    if record.fingerprint != run.fingerprint:
        yield (
            f"task {record.task}: its record belongs to another recipe (fingerprint {record.fingerprint}, the run's is "
            f"{run.fingerprint})"
        )


def _pass_problems(run: RunFile, step: Step, record: Record) -> Iterator[str]:
    where = f"{step.name}, shard {record.task}"
    if step.reads is None and (record.task >= len(run.inputs) or record.input_key != run.inputs[record.task].uri):
        yield f"{where}: its record names {record.input_key}, which is not this shard's input"
    kept = sum(output.rows for output in record.outputs if output.key.startswith(f"{layout.kept_folder(step)}/"))
    if kept != record.rows_kept:
        yield f"{where}: its record says {record.rows_kept} rows kept, but the objects it names have {kept}"
    removed = sum(output.rows for output in record.outputs if f"/{layout.REMOVED}/" in output.key)
    told = record.rows_in - record.rows_kept - record.rows_lost
    if removed != told:
        yield f"{where}: its record says {told} rows removed, but the objects it names have {removed}"


def _remains(store: Store, verdict: Verdict) -> list[str]:
    """Objects of lost shards in the corpus: no record names them, but who reads the folder would take them for it."""
    keys = {layout.shard_key(layout.CORPUS, shard) for shard in verdict.lost}
    return [
        f"{store.uri(key)} is left over from an attempt at a shard that is lost; delete it"
        for key in verdict.unrecorded
        if key in keys
    ]


def _handover_problems(sums: list[Totals], step: Step) -> list[str]:
    """Rows must agree from pass to pass: what the one before kept is what this one got."""
    if len(sums) < 2 or sums[-1].tasks < sums[-2].tasks or sums[-1].rows_in == sums[-2].rows_kept:
        return []
    return [f"{step.name} got {sums[-1].rows_in} rows, but the pass before it kept {sums[-2].rows_kept}"]


def _object_problem(store: Store, output: Output, quick: bool) -> list[str]:
    try:
        info = store.info(output.key)
        if info.size != output.size:
            return [
                f"{store.uri(output.key)}: {info.size} bytes, its record says {output.size}; delete it and its record"
            ]
        if not quick and (found := _checksum(store, output.key)) != output.checksum:
            return [f"{store.uri(output.key)}: checksum {found}, its record says {output.checksum}; it was altered"]
        rows = _rows(store, output)
    except Missing:
        return [f"{store.uri(output.key)} is missing, but its record stands"]
    except ConfigError as error:  # a key that leads out of the run
        return [f"a record names what cannot be an object of this run: {error}"]
    except (OSError, ValueError, Damaged) as error:
        return [f"{store.uri(output.key)} cannot be read: {error}"]
    return [] if rows == output.rows else [f"{store.uri(output.key)}: {rows} rows, its record says {output.rows}"]


def _checksum(store: Store, key: str) -> str:
    digest = xxhash.xxh3_128()
    with store.open(key) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _rows(store: Store, output: Output) -> int:
    """The number of rows according to the object's metadata; for a shuffle object, its index is read and checked."""
    if not output.key.endswith(layout.PARQUET_SUFFIX):
        with ShuffleReader(store, output.key) as reader:
            return reader.rows()
    with store.open(output.key, random=True) as file:
        return int(pq.read_metadata(file).num_rows)


def _rollup_problems(ledger: Ledger, committed: set[int], summed: Totals) -> Iterator[str]:
    for block in sorted(ledger.rollups()):
        try:
            ledger.rollup(block)
        except Unreadable as error:
            yield str(error)
    rolled, whole = ledger.totals(committed), ledger.totals(committed, whole=True)
    handed_on = (whole.facts, whole.shuffled) == (summed.facts, summed.shuffled)
    if _books(rolled) != _books(summed) or not handed_on or not _sizes_add_up(ledger, committed, summed):
        yield f"{ledger.store.uri(ledger.step)}/{layout.ROLLUPS} does not add up to the records; delete that folder"


def _sizes_add_up(ledger: Ledger, committed: set[int], summed: Totals) -> bool:
    """Whether what rollups say of each task adds up, if all records are there that it takes to know."""
    if len(committed) != max(committed, default=-1) + 1 or summed.unreadable:
        return True
    try:
        sizes = list(ledger.sizes(len(committed)))
    except Unreadable:  # which is a problem of its own
        return True
    return (sum(rows for rows, _ in sizes), sum(size for _, size in sizes)) == (summed.rows_kept, summed.bytes_kept)


def _books(totals: Totals) -> tuple[int, int, int, Removed]:
    return totals.rows_in, totals.rows_kept, totals.rows_lost, totals.removed


def _objects_of(store: Store, run: RunFile) -> Iterator[str]:
    """The keys of all objects in the folders of a run's steps and results."""
    for prefix in (f"{layout.CORPUS}/", f"{layout.INDEX}/", *(f"{step.name}/" for step in run.steps)):
        yield from (info.key for info in store.list(prefix))

"""A phase of a global step: tasks that read documents or what an earlier phase shuffled, each ending in one record.

A task's outputs are shuffle objects for later phases, or decisions. Damage to a shuffle object (a truncation, a flipped
byte) is detected by its checksums, and the task that wrote it is run again on the spot: tasks are deterministic, so it
writes the same bytes.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.dedup.context import Context
from refinedweb.dedup.shuffle import Damaged, ShuffleReader, ShuffleWriter, concatenated
from refinedweb.ledger.layout import shuffle_key
from refinedweb.ledger.manifest import Ledger, Output, Record, Removed, Totals
from refinedweb.ledger.memory import peak_memory
from refinedweb.ledger.origin import user
from refinedweb.ledger.version import code_version
from refinedweb.shard.outputs import RowsWriter
from refinedweb.storage import Store
from refinedweb.storage.json_objects import Unreadable
from stages.errors import ShardError


@dataclass
class PhaseCounts:
    """What a task did, in rows: of documents if it reads documents, else of whatever it reads."""

    rows_in: int = 0
    removed: Removed = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    quarantined: list[dict[str, str]] = field(default_factory=list)

    @property
    def rows_kept(self) -> int:
        return self.rows_in - sum(n for reasons in self.removed.values() for n in reasons.values())


class Phase(Protocol):
    """A picklable object that has everything its tasks need. The tasks are numbered 0 to `count - 1`."""

    @property
    def context(self) -> Context: ...

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int: ...

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        """Run one task. It is deterministic: it has the same outputs on any worker and however often it runs."""
        ...


class PhaseOutputs:
    """What one task writes. `finish` commits all of its objects. `careful`: its worker died before. `refused`: the
    documents that its record names as refused, if the task is committed and its objects are written once more.
    """

    def __init__(
        self, store: Store, folder: str, task: int, careful: bool = False, refused: Sequence[dict[str, str]] = ()
    ) -> None:
        self.careful = careful
        self.refused = refused
        self._store = store
        self._folder = folder
        self._task = task
        self._writers: list[ShuffleWriter | RowsWriter] = []
        self._written: list[Output] = []

    def shuffle(self, name: str, schema: pa.Schema, partitions: int) -> ShuffleWriter:
        """Open a shuffle object of this task."""
        return self.lasting(shuffle_key(self._folder, name, self._task), schema, partitions)

    def lasting(self, key: str, schema: pa.Schema, partitions: int) -> ShuffleWriter:
        """Open an object in the format of a shuffle that stays when the step is complete."""
        writer = ShuffleWriter(self._store, key, schema, partitions)
        self._writers.append(writer)
        return writer

    def rows(self, key: str, schema: pa.Schema) -> RowsWriter:
        """Open a Parquet object."""
        writer = RowsWriter(self._store, key, schema)
        self._writers.append(writer)
        return writer

    def parquet(self, key: str, rows: pa.Table) -> None:
        """Write a small Parquet object."""
        with self._store.create(key) as sink:
            pq.write_table(rows, sink, compression="zstd", write_page_checksum=True)
            written = sink.finish()
        self._written.append(Output(key, rows.num_rows, written.size, written.checksum))

    def finish(self) -> list[Output]:
        """Commit the shuffle objects."""
        return [*self._written, *(writer.finish() for writer in self._writers)]

    def discard(self) -> None:
        """Abort: leave no shuffle object that was not committed."""
        for writer in self._writers:
            writer.discard()


@dataclass(frozen=True)
class PhaseWork:
    """The work of one phase, for the pool."""

    phase: Phase
    driver: str = ""

    def __call__(self, task: int, payload: Any, careful: bool) -> Record:
        """Run and commit a task; the record."""
        start, cpu = time.perf_counter(), time.process_time()
        context = self.phase.context
        written, counts = _outputs_of(self.phase, task, careful=careful)
        record = Record(
            task=task,
            fingerprint=context.recipe.fingerprint(),
            code_version=code_version(),
            input_key="",
            input_etag="",
            input_size=0,
            rows_in=counts.rows_in,
            rows_kept=counts.rows_kept,
            bytes_kept=0,
            removed=counts.removed,
            outputs=written,
            quarantined=counts.quarantined,
            facts=counts.facts,
            seconds=round(time.perf_counter() - start, 3),
            cpu_seconds=round(time.process_time() - cpu, 3),
            peak_memory=peak_memory(),
            host=socket.gethostname(),
            user=user(),
            driver=self.driver,
            committed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        return ledger_of(self.phase).commit(record)


def _outputs_of(
    phase: Phase, task: int, *, careful: bool = False, refused: Sequence[dict[str, str]] = ()
) -> tuple[list[Output], PhaseCounts]:
    outputs = PhaseOutputs(phase.context.store, folder_of(phase), task, careful, refused)
    try:
        counts = phase.run(task, outputs)
        return outputs.finish(), counts
    finally:
        outputs.discard()


def folder_of(phase: Phase) -> str:
    """The folder of a phase's objects and records."""
    return phase.context.folder(phase.name)


def ledger_of(phase: Phase) -> Ledger:
    """The phase's records."""
    return Ledger(phase.context.store, folder_of(phase))


def sums_of(phase: Phase) -> Totals:
    """The sums of a complete phase. Raises Unreadable if a record that no rollup stands for cannot be read.

    Every driver asks between two phases, so it takes a request for a thousand tasks, and not one for each.
    """
    sums = ledger_of(phase).totals(set(range(phase.count)), whole=True)
    if sums.unreadable:
        raise Unreadable(sums.unreadable[0])
    return sums


def facts_of(phase: Phase, name: str) -> int:
    """The sum of a number that the tasks of a complete phase recorded."""
    return sums_of(phase).facts.get(name, 0)


@dataclass(frozen=True)
class Shuffled:
    """The shuffle objects called `name` of all tasks of the phase `producer`.

    An object has `pieces` partitions (None: one), which are in `groups` objects side by side (None: in all of them).
    """

    producer: Phase
    name: str
    schema: pa.Schema
    pieces: int | None = None
    groups: int | None = None

    def read(self, partition: int) -> pa.Table:
        """All rows of one partition, in the order of the tasks that wrote them."""
        return concatenated([*self.each(partition)], self.schema)

    def objects(self, partition: int) -> range:
        """The tasks whose objects may have rows of a partition."""
        if self.groups is None:
            return range(self.producer.count)
        first = partition // (self.pieces or 1) * self.groups
        return range(first, first + self.groups)

    def each(self, partition: int, tasks: range | None = None) -> Iterator[pa.Table]:
        """The tables of one partition (from the objects of some `tasks`), in the order of the tasks.

        Reads as many objects in parallel as suits the store: on S3 a partition is small pieces of many objects, and
        reading them one after another would be mostly waiting.
        """
        tasks = self.objects(partition) if tasks is None else tasks
        parallel = self.producer.context.store.parallel
        if parallel == 1:
            for task in tasks:
                yield from self.tables(task, partition)
            return
        with ThreadPoolExecutor(parallel) as pool:
            ahead: deque[tuple[int, Future[tuple[list[pa.Table], int]]]] = deque()
            for task in tasks:
                ahead.append((task, pool.submit(self._part, task, partition, 0)))
                if len(ahead) > parallel:
                    yield from self._rest(*ahead.popleft(), partition)
            while ahead:
                yield from self._rest(*ahead.popleft(), partition)

    def _rest(self, task: int, first: Future[tuple[list[pa.Table], int]], partition: int) -> Iterator[pa.Table]:
        tables, parts = first.result()
        yield from tables
        del tables, first
        for part in range(1, parts):
            yield from self._part(task, partition, part)[0]

    def tables(self, task: int, partition: int) -> Iterator[pa.Table]:
        """What one task wrote for a partition, piece by piece."""
        part, parts = 0, 1
        while part < parts:
            tables, parts = self._part(task, partition, part)
            yield from tables
            part += 1

    def _part(self, task: int, partition: int, part: int) -> tuple[list[pa.Table], int]:
        """A piece of a partition, and how many there are. A damaged object is written again; ShardError if that fails.

        Tasks are deterministic, so what was read of the damaged one is also in the new one.
        """
        store, number = self.producer.context.store, partition % (self.pieces or 1)
        key = shuffle_key(folder_of(self.producer), self.name, task)
        for attempt in range(3):
            try:
                with ShuffleReader(store, key, self.schema) as reader:
                    parts = reader.parts(number)
                    return (reader.part(number, part) if part < parts else []), parts
            except Damaged as error:
                if attempt == 2:
                    raise ShardError(f"{error} (it did, and the object is damaged again: check the disk)") from error
            if attempt == 1:  # the damage was not done on the way
                _outputs_of(self.producer, task, refused=ledger_of(self.producer).record(task).quarantined)
        raise AssertionError("the last attempt returns or raises")

    def rows(self) -> int:
        """How many rows all tasks wrote."""
        return sums_of(self.producer).shuffled.get(self.name, (0, 0))[0]

    def bytes(self) -> int:
        """How many bytes the objects of all tasks have."""
        return sums_of(self.producer).shuffled.get(self.name, (0, 0))[1]

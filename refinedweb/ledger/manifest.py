"""The ledger of one step: a commit record per task, created by a conditional put, so that exactly one writer wins.

Objects are written first, then their record. A record never precedes its objects; an object without a record does not
exist. Law, checked at commit and by `verify`: rows in = rows kept + Σ rows removed + rows lost (see `gaps`).

A rollup is the sum of the records of one full block of tasks. It is a pure function of the records, so it adds nothing
to them and writing it twice is harmless; it spares `status` from reading 100,000 small objects.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from refinedweb.ledger import layout
from refinedweb.storage import Exists, Missing, Store
from stages.errors import ShardError

ROLLUP = 1000  # tasks per rollup: 100,000 records then cost 100 reads
PAGE_DIGITS = 3  # tasks that differ in the last 3 digits only fill one page of a listing: 1000 keys

Removed = dict[str, dict[str, int]]
T = TypeVar("T")


@dataclass(frozen=True)
class Output:
    """One object that a task wrote."""

    key: str
    rows: int
    size: int
    checksum: str


@dataclass(frozen=True)
class Record:
    """What one task did: the commit record, and the only proof that its outputs exist.

    `removed` counts rows by stage and reason, `skipped` counts input records that are not documents by their type;
    `facts` are other numbers that a later task needs. `damage` says where the input was broken (the shard is then
    partial), `quarantined` names documents that killed a worker. `lost` says why, if the run goes on without the
    shard; `rows_lost` of its documents had been counted by an earlier pass.
    """

    task: int
    fingerprint: str
    code_version: str
    input_key: str
    input_etag: str
    input_size: int
    rows_in: int
    rows_kept: int
    bytes_kept: int
    removed: Removed
    outputs: list[Output]
    skipped: dict[str, int] = field(default_factory=dict)
    damage: list[dict[str, Any]] = field(default_factory=list)
    quarantined: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    host: str = ""
    driver: str = ""
    committed_at: str = ""
    lost: str = ""
    rows_lost: int = 0
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def check(self) -> None:
        """Raises ShardError if the law of the ledger does not hold."""
        removed = sum(n for reasons in self.removed.values() for n in reasons.values())
        if self.rows_in != self.rows_kept + removed + self.rows_lost:
            raise ShardError(
                f"task {self.task} ({self.input_key}): {self.rows_in} rows in, but {self.rows_kept} kept and {removed} "
                "removed; a stage changed the number of rows"
            )

    def to_json(self) -> bytes:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Record:
        loaded = json.loads(data)
        loaded["outputs"] = [Output(**output) for output in loaded["outputs"]]
        return cls(**loaded)


@dataclass
class Totals:
    """Sums over records. `add` takes a record, `merge` other totals."""

    tasks: int = 0
    rows_in: int = 0
    rows_kept: int = 0
    bytes_in: int = 0
    bytes_kept: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    partial: int = 0
    quarantined: int = 0
    lost: int = 0
    rows_lost: int = 0
    peak_memory: int = 0
    removed: Removed = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    stage_seconds: dict[str, float] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        self.merge(
            Totals(
                tasks=1,
                rows_in=record.rows_in,
                rows_kept=record.rows_kept,
                bytes_in=record.input_size,
                bytes_kept=record.bytes_kept,
                bytes_written=sum(output.size for output in record.outputs),
                seconds=record.seconds,
                partial=int(bool(record.damage)),
                quarantined=len(record.quarantined),
                lost=int(bool(record.lost)),
                rows_lost=record.rows_lost,
                peak_memory=record.peak_memory,
                removed=record.removed,
                skipped=record.skipped,
                stage_seconds=record.stage_seconds,
            )
        )

    def merge(self, other: Totals) -> None:
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.peak_memory = max(self.peak_memory, other.peak_memory)
        for stage, reasons in other.removed.items():
            _add_counts(self.removed.setdefault(stage, {}), reasons)
        _add_counts(self.skipped, other.skipped)
        _add_counts(self.stage_seconds, other.stage_seconds)


_SUMMED = (
    "tasks", "rows_in", "rows_kept", "bytes_in", "bytes_kept", "bytes_written", "seconds", "partial", "quarantined",
    "lost", "rows_lost",
)  # fmt: skip


class Ledger:
    """The records, rollups and failures of one step (or phase), below its folder in the run's store."""

    def __init__(self, store: Store, step: str) -> None:
        self.store = store
        self.step = step

    def committed(self) -> set[int]:
        """The tasks that have a record."""
        return self._numbers(layout.RECORDS)

    def recorded(self, tasks: Collection[int]) -> set[int]:
        """Which of a few tasks have a record: on disk each is checked, on S3 a page or two of the listing is read."""
        if self.store.parallel == 1:
            return {task for task in tasks if self._exists(task)}
        prefixes = {self._key(layout.RECORDS, task)[: -len(layout.JSON_SUFFIX) - PAGE_DIGITS] for task in tasks}
        pages = (self.store.list(prefix) for prefix in sorted(prefixes))
        return {layout.number_of(info.key) for page in pages for info in page}.intersection(tasks)

    def _exists(self, task: int) -> bool:
        try:
            self.store.info(self._key(layout.RECORDS, task))
        except Missing:
            return False
        return True

    def failed(self) -> dict[int, str]:
        """The error message of every task that failed for good and has no record."""
        noted = self.noted()
        numbers = sorted(noted - self.recorded(noted))
        return {n: json.loads(self.store.get(self._key(layout.FAILURES, n))[0])["error"] for n in numbers}

    def record(self, task: int) -> Record:
        """Read the record of a task. Raises Missing."""
        return Record.from_json(self.store.get(self._key(layout.RECORDS, task))[0])

    def records(self, tasks: Iterable[int]) -> Iterator[Record]:
        """The records, in the order of `tasks`."""
        if self.store.parallel == 1:
            yield from map(self.record, tasks)
            return
        with ThreadPoolExecutor(self.store.parallel) as pool:
            for some in chunks(tasks, ROLLUP):  # else the pool would hold every record that was not consumed yet
                yield from pool.map(self.record, some)

    def noted(self) -> set[int]:
        """The tasks that failed for good at some time, whatever became of them."""
        return self._numbers(layout.FAILURES)

    def commit(self, record: Record) -> Record:
        """Record the task as done. Returns the winner's record: another writer's, if that one came first.

        Raises ShardError if the law does not hold or the winner wrote other bytes, CommitUnknown if the store's answer
        was lost (read again).
        """
        record.check()
        key = self._key(layout.RECORDS, record.task)
        try:
            self.store.put_new(key, record.to_json())
        except Exists:
            return self._same(self.record(record.task), record)
        return record

    def _same(self, winner: Record, loser: Record) -> Record:
        if winner.outputs != loser.outputs and not winner.lost and not loser.lost:
            raise ShardError(
                f"{self.store.uri(self._key(layout.RECORDS, loser.task))}: this task is committed with other outputs "
                f"than were just computed (code {winner.code_version} then, {loser.code_version} now); run `refinedweb "
                "verify`"
            )
        return winner

    def fail(self, task: int, error: str) -> None:
        """Note why a task failed for good. A later run will try it again."""
        self.store.put(self._key(layout.FAILURES, task), json.dumps({"task": task, "error": error}).encode())

    def totals(self, committed: set[int]) -> Totals:
        """Sum all records, using rollups for the blocks that have one."""
        total = Totals()
        rolled = self._numbers(layout.ROLLUPS)
        covered: set[int] = set()
        for block in sorted(rolled):
            rollup, apart = self._rollup(block)
            covered.update(set(_tasks_of(block)).difference(apart))
            total.merge(rollup)
        for record in self.records(sorted(committed - covered)):
            total.add(record)
        return total

    def roll_up(self, committed: set[int]) -> int:
        """Write the rollups that are due. Returns how many."""
        due = self.due(committed)
        for block in due:
            self.roll_up_block(block)
        return len(due)

    def due(self, committed: set[int]) -> list[int]:
        """The full blocks of ROLLUP tasks that have no rollup yet."""
        full = [block for block, n in Counter(task // ROLLUP for task in committed).items() if n == ROLLUP]
        return sorted(set(full) - self._numbers(layout.ROLLUPS)) if full else []

    def roll_up_block(self, block: int) -> None:
        """Write the sum of a full block's records. Those of lost shards stay apart, for they may be replaced."""
        total, apart = Totals(), []
        for record in self.records(_tasks_of(block)):
            if record.lost:
                apart.append(record.task)
            else:
                total.add(record)
        rollup = {**dataclasses.asdict(total), "apart": apart}
        self.store.put(self._key(layout.ROLLUPS, block), json.dumps(rollup).encode())

    def _rollup(self, block: int) -> tuple[Totals, list[int]]:
        loaded = json.loads(self.store.get(self._key(layout.ROLLUPS, block))[0])
        apart = loaded.pop("apart", [])
        return Totals(**loaded), apart

    def _key(self, kind: str, number: int) -> str:
        return layout.ledger_key(self.step, kind, number)

    def _numbers(self, kind: str) -> set[int]:
        found = self.store.list(layout.ledger_folder(self.step, kind))
        return {layout.number_of(info.key) for info in found if info.key.endswith(layout.JSON_SUFFIX)}


def chunks(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Split the items into lists of `most`; the last may be shorter."""
    items = iter(items)
    while some := list(islice(items, most)):
        yield some


def load_or_none(store: Store, key: str) -> Any | None:
    """Read a JSON object of the store; None if it does not exist."""
    try:
        return json.loads(store.get(key)[0])
    except Missing:
        return None


def _tasks_of(block: int) -> range:
    return range(block * ROLLUP, (block + 1) * ROLLUP)


def _add_counts(into: dict[str, Any], counts: dict[str, Any]) -> None:
    for name, n in counts.items():
        into[name] = into.get(name, 0) + n

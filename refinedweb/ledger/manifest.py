"""The ledger of one step: a commit record per task, created by a conditional put, so that exactly one writer wins.

Objects are written first, then their record. A record never precedes its objects; an object without a record does not
exist. Law, checked at commit and by `verify`: rows in = rows kept + Σ rows removed + rows lost (see `gaps`).

A rollup is the sum of the records of one full block of tasks. It is a pure function of the records, so it adds nothing
to them and writing it twice is harmless; it spares `status` from reading 100,000 small objects.

A record that cannot be read (a disk lost its bytes) still holds its place: nobody writes over it, and its task is not
done again. Sums leave it out and name it, and it costs nobody else anything; a person deletes it, and then the same
command does that task again.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from refinedweb.ledger import layout
from refinedweb.ledger.record import Output, Record, Removed, Rollup, Totals
from refinedweb.storage import Exists, Missing, Store
from refinedweb.storage.json_objects import Unreadable, load_object
from stages.errors import ShardError

__all__ = ["Ledger", "Output", "Record", "Removed", "Totals", "chunks"]

ROLLUP = 1000  # tasks per rollup: 100,000 records then cost 100 reads
PAGE_DIGITS = 3  # tasks that differ in the last 3 digits only fill one page of a listing: 1000 keys

T = TypeVar("T")

_REMEDY = "delete it and run the same command again: its task is done again, with the same result"


@dataclass(frozen=True)
class _Failure:
    """The note about a task that failed for good."""

    task: int
    error: str


class Ledger:
    """The records, rollups and failures of one step (or phase), below its folder in the run's store."""

    def __init__(self, store: Store, step: str) -> None:
        self.store = store
        self.step = step

    def committed(self) -> set[int]:
        """The tasks that have a record."""
        return self._numbers(layout.RECORDS)

    def recorded(self, tasks: Collection[int]) -> set[int]:
        """Which of a few tasks have a record: on disk each is checked, on S3 a page or two of the listing is read, and
        everything on these pages is returned, because drivers that learn of other blocks need not ask about them.
        """
        if self.store.parallel == 1:
            return {task for task in tasks if self._exists(task)}
        prefixes = {self._key(layout.RECORDS, task)[: -len(layout.JSON_SUFFIX) - PAGE_DIGITS] for task in tasks}
        pages = (self.store.list(prefix) for prefix in sorted(prefixes))
        found = (layout.number_of(info.key) for page in pages for info in page)
        return {number for number in found if number is not None}

    def _exists(self, number: int, kind: str = layout.RECORDS) -> bool:
        try:
            self.store.info(self._key(kind, number))
        except Missing:
            return False
        return True

    def failed(self) -> dict[int, str]:
        """The error message of every task that failed for good and has no record."""
        noted = self.noted()
        return {n: self._failure(n) for n in sorted(noted - self.recorded(noted))}

    def _failure(self, task: int) -> str:
        key = self._key(layout.FAILURES, task)
        try:
            return load_object(
                _Failure, self.store.get(key)[0], self.store.uri(key), "run the same command again"
            ).error
        except (Missing, Unreadable) as error:
            return f"the reason is lost: {error}"

    def record(self, task: int) -> Record:
        """Read the record of a task. Raises Missing, or Unreadable if the object is not the record of this task."""
        return self.parsed(task, self.store.get(self._key(layout.RECORDS, task))[0])

    def parsed(self, task: int, data: bytes) -> Record:
        """The record that these bytes are. Raises Unreadable if they are not the record of this task."""
        uri = self.store.uri(self._key(layout.RECORDS, task))
        record = load_object(Record, data, uri, _REMEDY)
        if record.task != task:
            raise Unreadable(f"{uri} is the record of task {record.task}; {_REMEDY}")
        return record

    def records(self, tasks: Iterable[int]) -> Iterator[Record]:
        """The records, in the order of `tasks`. Raises Unreadable."""
        for found in self.readings(tasks):
            if isinstance(found, Unreadable):
                raise found
            yield found

    def readings(self, tasks: Iterable[int]) -> Iterator[Record | Unreadable]:
        """The records in the order of `tasks`, each or why it cannot be read."""
        if self.store.parallel == 1:
            yield from map(self._reading, tasks)
            return
        with ThreadPoolExecutor(self.store.parallel) as pool:
            for some in chunks(tasks, ROLLUP):  # else the pool would hold every record that was not consumed yet
                yield from pool.map(self._reading, some)

    def _reading(self, task: int) -> Record | Unreadable:
        try:
            return self.record(task)
        except Unreadable as error:
            return error

    def noted(self) -> set[int]:
        """The tasks that failed for good at some time, whatever became of them."""
        return self._numbers(layout.FAILURES)

    def commit(self, record: Record) -> Record:
        """Record the task as done. Returns the winner's record: another writer's, if that one came first.

        Raises ShardError if the law does not hold, the winner wrote other bytes, or its record cannot be read;
        CommitUnknown if the store's answer was lost (read again).
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
        self.store.put(self._key(layout.FAILURES, task), json.dumps(_Failure(task, error).__dict__).encode())

    def totals(self, committed: set[int], *, whole: bool = False) -> Totals:
        """Sum all records, using rollups for the blocks that have one. `whole`: not those that lack newer sums."""
        total = Totals()
        covered: set[int] = set()
        for block in sorted(self._numbers(layout.ROLLUPS)):
            rollup = self._rollup_or_none(block)
            if rollup is not None and (rollup.whole or not whole):
                total.merge(rollup)
                covered.update(set(_tasks_of(block)).difference(rollup.apart))
        for found in self.readings(sorted(committed - covered)):
            if isinstance(found, Unreadable):
                total.unreadable.append(str(found))
            else:
                total.add(found)
        return total

    def _rollup_or_none(self, block: int) -> Rollup | None:
        """None if there is none that can be read. It is only a sum: the records say the same."""
        try:
            return self.rollup(block)
        except (Missing, Unreadable):
            return None

    def sizes(self, count: int) -> Iterator[tuple[int, int]]:
        """The rows and bytes that each of the first `count` tasks kept, from rollups as far as they say it.

        Raises Missing for a task that has no record, and Unreadable.
        """
        for first in range(0, count, ROLLUP):
            tasks = range(first, min(first + ROLLUP, count))
            rollup = self._rollup_or_none(first // ROLLUP) if len(tasks) == ROLLUP else None
            unknown = tasks if rollup is None or not rollup.whole else rollup.apart
            recorded = {record.task: (record.rows_kept, record.bytes_kept) for record in self.records(unknown)}
            for task in tasks:
                if task in recorded or rollup is None:
                    yield recorded[task]
                else:
                    rows, size = rollup.sizes[task - first]
                    yield rows, size

    def roll_up(self, committed: set[int]) -> int:
        """Write the rollups that are due. Returns how many."""
        due = self.due(committed)  # in any order: other drivers end at the same time, and do the same
        missing = (block for block in random.sample(due, len(due)) if not self._exists(block, layout.ROLLUPS))
        return sum(map(self.roll_up_block, missing))

    def due(self, committed: set[int]) -> list[int]:
        """The full blocks of ROLLUP tasks that have no rollup yet."""
        full = [block for block, n in Counter(task // ROLLUP for task in committed).items() if n == ROLLUP]
        return sorted(set(full) - self._numbers(layout.ROLLUPS)) if full else []

    def roll_up_block(self, block: int) -> bool:
        """Write the sum of a full block's records. False if one of them cannot be read: there is no sum then.

        Lost shards stay apart, for they may be replaced.
        """
        total = Rollup()
        for found in self.readings(_tasks_of(block)):
            if isinstance(found, Unreadable):
                return False
            if found.lost:
                total.apart.append(found.task)
                total.sizes.append((0, 0))
            else:
                total.add(found)
                total.sizes.append((found.rows_kept, found.bytes_kept))
        plain = dataclasses.asdict(total)
        del plain["unreadable"]  # nothing is
        self.store.put(self._key(layout.ROLLUPS, block), json.dumps(plain).encode())
        return True

    def rollups(self) -> set[int]:
        """The blocks that have a rollup."""
        return self._numbers(layout.ROLLUPS)

    def rollup(self, block: int) -> Rollup:
        """The sum of a block's records. Raises Missing or Unreadable."""
        key = self._key(layout.ROLLUPS, block)
        data, _ = self.store.get(key)
        remedy = "delete it: the records have the same sums"
        total = load_object(Rollup, data, self.store.uri(key), remedy)
        if total.tasks + len(total.apart) != ROLLUP:
            raise Unreadable(f"{self.store.uri(key)} has the sums of {total.tasks} tasks, not of {ROLLUP}; {remedy}")
        return total

    def _key(self, kind: str, number: int) -> str:
        return layout.ledger_key(self.step, kind, number)

    def _numbers(self, kind: str) -> set[int]:
        return {number for number, _ in layout.numbered(self.store, layout.ledger_folder(self.step, kind))}


def chunks(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Split the items into lists of `most`; the last may be shorter."""
    items = iter(items)
    while some := list(islice(items, most)):
        yield some


def _tasks_of(block: int) -> range:
    return range(block * ROLLUP, (block + 1) * ROLLUP)

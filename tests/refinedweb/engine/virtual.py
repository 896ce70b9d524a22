"""Drivers in virtual time: real loops, ledger and claims on disk, over pools whose tasks only take a while.

For whole fleets over a simulated S3, and for what goes wrong in them, see `benchmarks.fleet`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from itertools import count
from typing import Any, NamedTuple

from benchmarks.fleet.clock import VirtualTime
from refinedweb.engine.loop import Loop
from refinedweb.engine.pool import TaskOutcome
from refinedweb.engine.verdicts import Task
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger
from refinedweb.storage import Store
from tests.refinedweb.ledger.records import record

STEP = "00-x"


class Ran(NamedTuple):
    """When each task began and ended, how many attempts there were, and when the last driver knew that all was done."""

    begins: dict[int, float]
    ends: dict[int, float]
    attempts: int
    end: float


class VirtualPool:
    """Runs `workers` tasks at the same time; each takes as many seconds as its payload says."""

    def __init__(self, time: VirtualTime, ledger: Ledger, workers: int) -> None:
        self._time = time
        self._ledger = ledger
        self._workers = workers
        self._running: dict[Hashable, tuple[float, int]] = {}
        self._handles = count()
        self.ends: dict[int, float] = {}
        self.begins: dict[int, float] = {}

    def use(self, work: Any, beat: Any) -> None:
        raise NotImplementedError

    def slots(self) -> int:
        return self._workers

    def nodes(self) -> int:
        return 1

    def avoid(self, nodes: Collection[str]) -> None:
        assert not nodes, "there is only one"

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        assert (careful, cores) == (False, 1)
        assert len(self._running) < self._workers
        handle = next(self._handles)
        self._running[handle] = (self._time.now + payload, task)
        self.begins[task] = self._time.now
        return handle

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        first = min(end for end, _ in self._running.values())
        self._time.sleep(max(0.0, min(seconds, first - self._time.now)))
        ended = [(h, task) for h, (end, task) in self._running.items() if end <= self._time.now]
        return [(handle, self._end(handle, task)) for handle, task in ended]

    def _end(self, handle: Hashable, task: int) -> TaskOutcome:
        del self._running[handle]
        self.ends[task] = self._time.now
        return TaskOutcome("done", self._ledger.commit(record(task)))

    def cancel(self, handle: Hashable) -> None:
        self._running.pop(handle, None)

    def close(self) -> None:
        self._running.clear()


def drive(time: VirtualTime, store: Store, seconds: Sequence[float], block: int, drivers: int, workers: int) -> Ran:
    """Run `drivers` drivers to the end, over tasks that take these seconds. The sizes of tasks are in proportion."""
    tasks = [Task(n, each, round(each * 1000)) for n, each in enumerate(seconds)]
    ledger = Ledger(store, STEP)
    pools = [VirtualPool(time, ledger, workers) for _ in range(drivers)]
    loops = [
        Loop(tasks, block, ledger, Claims(store, STEP, clock=time.clock), pool, lambda progress: None) for pool in pools
    ]
    time.run([loop.run for loop in loops])
    begins = {task: at for pool in pools for task, at in pool.begins.items()}
    ends = {task: at for pool in pools for task, at in pool.ends.items()}
    return Ran(begins, ends, sum(loop.progress.attempts for loop in loops), time.now)

"""Drivers in virtual time: real loops, ledger and claims on disk, over pools whose tasks only take a while.

Each driver is a thread, but only one runs at a time: a driver that waits gives the turn to the one that is due next. So
a run of hours is deterministic and takes moments.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Collection, Hashable, Sequence
from itertools import count
from typing import Any, NamedTuple

from refinedweb.engine.loop import Loop
from refinedweb.engine.pool import TaskOutcome
from refinedweb.engine.verdicts import Task
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger
from refinedweb.storage import Store
from tests.refinedweb.ledger.records import record

STEP = "00-x"


class VirtualTime:
    """The time that all drivers share, and whose turn it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, threading.Event]] = []
        self._order = count()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Give the turn away for `seconds`."""
        mine = threading.Event()
        heapq.heappush(self._due, (self.now + seconds, next(self._order), mine))
        self._pass_on()
        mine.wait()

    def _pass_on(self) -> None:
        if self._due:
            self.now, _, turn = heapq.heappop(self._due)
            turn.set()

    def run(self, drivers: Sequence[Callable[[], object]]) -> None:
        """Run all drivers from now on, until the last one has ended. Raises the first error that any of them raised."""
        errors: list[BaseException] = []

        def live(drive: Callable[[], object], turn: threading.Event) -> None:
            turn.wait()
            try:
                drive()
            except BaseException as error:
                errors.append(error)
            self._pass_on()

        threads = []
        for drive in drivers:
            turn = threading.Event()
            heapq.heappush(self._due, (self.now, next(self._order), turn))
            threads.append(threading.Thread(target=live, args=(drive, turn)))
            threads[-1].start()
        self._pass_on()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]


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

    def use(self, work: Any) -> None:
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

"""Drivers of a step with simulated tasks, each of which only commits a record (see test_claimants).

`python -m tests.faults.claimants STORE TASKS BLOCK DRIVERS SEED LOOK` runs DRIVERS drivers as threads of this process,
each with its own store and claims, which look for others' work every LOOK seconds. It dies by SIGKILL unless SEED is 0.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Hashable
from typing import Any

from refinedweb.engine import policy
from refinedweb.engine.inline import InlinePool
from refinedweb.engine.loop import Loop
from refinedweb.engine.pool import TaskOutcome
from refinedweb.engine.verdicts import Task
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger, Record
from refinedweb.storage import open_store

STEP = "00-many"
LEASE = 6.0


def record_of(task: int, driver: str) -> Record:
    """The record of a task: the same from every driver, except for the driver's name."""
    return Record(
        task=task, fingerprint="f", code_version="1", input_key=f"in/{task}", input_etag="e", input_size=task,
        rows_in=3 * task, rows_kept=2 * task, bytes_kept=task, removed={"a_v1": {"why": task}}, outputs=[],
        driver=driver,
    )  # fmt: skip


class Mortal(InlinePool):
    """Kills its process at its `fatal`-th task (never if None)."""

    def __init__(self, fatal: int | None) -> None:
        super().__init__()
        self._left = fatal

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().wait(seconds)


def drive(root: str, tasks: int, block: int, fatal: int | None) -> None:
    store = open_store(root)
    ledger, claims = Ledger(store, STEP), Claims(store, STEP, LEASE)
    pool = Mortal(fatal)

    def work(number: int, payload: Any, careful: bool) -> Record:
        return ledger.commit(record_of(number, claims.owner))

    pool.use(work, claims.renew)
    Loop([Task(n, None, n) for n in range(tasks)], block, ledger, claims, pool, lambda progress: None).run()


def main() -> None:
    root, (tasks, block, drivers, seed) = sys.argv[1], map(int, sys.argv[2:6])
    policy.LOOK_SECONDS = policy.TICK_SECONDS = float(sys.argv[6])
    fatal = random.Random(seed).randrange(2) if seed else None
    threads = [threading.Thread(target=drive, args=(root, tasks, block, fatal)) for _ in range(drivers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

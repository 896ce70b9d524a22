"""A pool that runs tasks in this process, for notebooks, small runs and tests: same steps, loop and ledger, no Ray."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from itertools import count
from typing import Any

from refinedweb.engine.pool import TaskOutcome, Work, attempt


class InlinePool:
    """Runs one attempt at a time, at the moment it is waited for. Whatever kills a worker kills this process."""

    def __init__(self) -> None:
        self._work: Any = None
        self._waiting: dict[Hashable, tuple[int, Any, bool]] = {}
        self._handles = count()

    def use(self, work: Work) -> None:
        self._work = work

    def slots(self) -> int:
        return 1

    def nodes(self) -> int:
        return 1

    def avoid(self, nodes: Collection[str]) -> None:
        """There is nowhere else."""

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        handle = next(self._handles)
        self._waiting[handle] = (task, payload, careful)
        return handle

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        del seconds
        handle = next(iter(self._waiting))
        return [(handle, attempt(self._work, *self._waiting.pop(handle)))]

    def cancel(self, handle: Hashable) -> None:
        self._waiting.pop(handle, None)

    def close(self) -> None:
        self._waiting.clear()

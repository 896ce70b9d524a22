"""A pool that runs tasks in this process, for notebooks and tests: same steps, loop and ledger, no Ray, no child."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from refinedweb.engine import policy
from refinedweb.engine.every import every
from refinedweb.engine.pool import Beat, OneWorker, TaskOutcome, Work, attempt
from stages.errors import RefinedWebError


class InlinePool(OneWorker):
    """Runs one attempt at a time, at the moment it is waited for. Whatever kills a worker kills this process.

    It is the main thread that works, so that an interrupt ends the task. The claims are renewed by another one.
    """

    def __init__(self) -> None:
        self._work: Any = None
        self._beat: Beat = _nothing
        self._waiting: dict[Hashable, tuple[int, Any, bool]] = {}
        self._handles = count()

    def use(self, work: Work, beat: Beat) -> None:
        self._work = work
        self._beat = beat

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        handle = next(self._handles)
        self._waiting[handle] = (task, payload, careful)
        return handle

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        del seconds
        handle = next(iter(self._waiting))
        with _beating(self._beat):
            return [(handle, attempt(self._work, *self._waiting.pop(handle)))]

    def cancel(self, handle: Hashable) -> None:
        self._waiting.pop(handle, None)

    def close(self) -> None:
        self._waiting.clear()


def _nothing() -> None:
    """Without claims, there is nothing to renew."""


@contextmanager
def _beating(beat: Beat) -> Iterator[None]:
    """Call `beat` several times a second in a thread that ends before this does: claims belong to one at a time."""

    def tolerant() -> None:
        with suppress(RefinedWebError, OSError):  # the next one may succeed; the loop reports what does not pass
            beat()

    with every(policy.TICK_SECONDS, tolerant, "claims"):
        yield

"""The driver's loop over the tasks of one step: claim a block, run its tasks, see that each ends in one record.

Knows neither Ray nor stages: a `Pool` runs attempts, the `Ledger` says what is done, `Claims` say whose turn it is.
A task that dies is retried, then run carefully (its poison quarantined), then recorded as failed; the others go on.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import sleep
from typing import Any, NamedTuple

from refinedweb.engine.blocks import Blocks
from refinedweb.engine.pool import Pool, TaskOutcome
from refinedweb.engine.rollups import RollUps
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger, Record, Totals
from stages.errors import ConfigError, RefinedWebError

TICK = 0.25
DEATHS = 2
MOST_DEATHS = 6
RETRIES = 6
BACKOFF = 0.5
MOST_WAITING = 64
RATES = 1000
STRAGGLER_FACTOR = 4.0
STRAGGLER_SECONDS = 60.0


class Task(NamedTuple):
    """One task of a step: what it gets, and its weight (bytes) for scheduling."""

    number: int
    payload: Any
    size: int


@dataclass
class LoopProgress:
    """What a watcher may show. `seen` sums the records that this driver saw committed."""

    step: str
    total: int
    done: int = 0
    running: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    attempts: int = 0
    deaths: int = 0
    seen: Totals = field(default_factory=Totals)


@dataclass
class _State:
    """What is known of a task that is not settled."""

    task: Task
    deaths: int = 0
    retries: int = 0
    careful: bool = False
    not_before: float = 0.0


class _Attempt(NamedTuple):
    number: int
    since: float


Watch = Callable[[LoopProgress], None]


class Loop:
    """See `run`."""

    def __init__(
        self, tasks: Sequence[Task], block: int, ledger: Ledger, claims: Claims, pool: Pool, watch: Watch,
        committed: set[int] | None = None,
    ) -> None:  # fmt: skip
        """`committed`: what the ledger said a moment ago, where that was asked (a listing of all records)."""
        self._ledger = ledger
        self._pool = pool
        self._watch = watch
        self._states = {task.number: _State(task) for task in tasks}
        committed = ledger.committed() if committed is None else committed
        self._now = claims.clock
        self._blocks = Blocks({t.number: t.size for t in tasks}, committed, block, ledger, claims)
        self._queue: list[int] = []
        self._running: dict[Hashable, _Attempt] = {}
        self._twins: set[int] = set()
        self._rates: deque[float] = deque(maxlen=RATES)
        self._rollups = RollUps(ledger)
        self.progress = LoopProgress(ledger.step, len(tasks), done=len(committed))

    def run(self) -> LoopProgress:
        """Until every task is committed, by whomever, or has failed for good here."""
        try:
            while self._blocks.pending:  # what still runs then was done by others, or is a twin that hangs
                self._blocks.claims.renew()
                self._fill()
                self._collect()
                self._show()
                self._blocks.settle_all(self._rollups.tick())
            if not self.progress.failed:
                self._blocks.claims.clear()
        finally:
            self._give_back()
        return self.progress

    def _fill(self) -> None:
        slots = self._pool.slots() - len(self._running)
        while slots > 0 and (number := self._next()) is not None:
            self._submit(number)
            slots -= 1
        if slots > 0 and not self._queue:
            self._run_stragglers_again(slots)

    def _next(self) -> int | None:
        """The next task of a block that is ours, claiming another block where none is left.

        None where too many wait for their next attempt: whatever ails them would befall those of other blocks too.
        """
        while True:
            number = self._pop_ready()
            if number is not None or len(self._queue) >= MOST_WAITING:
                return number
            taken = self._blocks.take()
            if taken is None:
                return None
            # A block that was lost and taken again brings its tasks twice: once is enough.
            known = {attempt.number for attempt in self._running.values()}.union(self._queue)
            self._queue.extend(number for number in taken if number not in known)

    def _pop_ready(self) -> int | None:
        """A pending task whose time has come."""
        now = self._now()
        self._queue = [number for number in self._queue if self._blocks.is_pending(number)]
        place = next((at for at, n in enumerate(self._queue) if self._states[n].not_before <= now), None)
        return None if place is None else self._queue.pop(place)

    def _submit(self, number: int) -> None:
        state = self._states[number]
        handle = self._pool.submit(number, state.task.payload, state.careful)
        self._running[handle] = _Attempt(number, self._now())
        self.progress.attempts += 1

    def _collect(self) -> None:
        if not self._running:
            sleep(TICK)
            return
        for handle, outcome in self._pool.wait(TICK):
            attempt = self._running.pop(handle, None)
            if attempt is not None and self._blocks.is_pending(attempt.number):
                self._settle(attempt, outcome)
            elif attempt is not None:
                self._cancel_twins(attempt.number)  # its record was seen before its outcome

    def _settle(self, attempt: _Attempt, outcome: TaskOutcome) -> None:
        if outcome.kind == "config":
            raise ConfigError(outcome.error)
        if outcome.kind == "done":
            self._done(attempt, outcome.record)
        elif (record := self._blocks.record_of(attempt.number)) is not None:
            self._done(attempt, record)  # it died or doubted after its commit, or another driver was faster
        elif self._is_running(attempt.number):
            return
        else:
            self._again_or_fail(attempt.number, outcome)

    def _done(self, attempt: _Attempt, record: Record) -> None:
        size = self._states[attempt.number].task.size
        self._rates.append((self._now() - attempt.since) / max(1, size))
        self._cancel_twins(attempt.number)
        self.progress.seen.add(record)
        self._blocks.settle(attempt.number)

    def _again_or_fail(self, number: int, outcome: TaskOutcome) -> None:
        state = self._states[number]
        if self._may_go_on(state, outcome):
            self._queue.append(number)
            return
        self.progress.failed[number] = outcome.error
        self._ledger.fail(number, outcome.error)
        self._blocks.settle(number)

    def _may_go_on(self, state: _State, outcome: TaskOutcome) -> bool:
        """Change the state to that of the next attempt; False where there is none."""
        if outcome.kind == "retry":
            state.retries += 1
            state.not_before = self._now() + min(30.0, BACKOFF * 2**state.retries)
            return state.retries <= RETRIES
        if outcome.kind == "raised":
            was_careful, state.careful = state.careful, True
            return not was_careful
        if outcome.kind == "died":
            self.progress.deaths += 1
            state.deaths += 1
            state.careful = state.deaths >= DEATHS
            return state.deaths < MOST_DEATHS
        return False

    def _run_stragglers_again(self, slots: int) -> None:
        """Idle slots go to tasks that take far longer than their size explains: their machine may be ill."""
        if len(self._rates) < 3:
            return
        usual = statistics.median(self._rates)
        numbers = [attempt.number for attempt in self._running.values()]
        for attempt in sorted(self._running.values(), key=lambda a: a.since)[:slots]:
            expected = STRAGGLER_FACTOR * usual * self._states[attempt.number].task.size
            late = self._now() - attempt.since > max(STRAGGLER_SECONDS, expected)
            if late and numbers.count(attempt.number) == 1:
                self._twins.add(attempt.number)
                self._submit(attempt.number)

    def _is_running(self, number: int) -> bool:
        return any(attempt.number == number for attempt in self._running.values())

    def _cancel_twins(self, number: int) -> None:
        if number not in self._twins:
            return
        for handle in [h for h, attempt in self._running.items() if attempt.number == number]:
            del self._running[handle]
            self._pool.cancel(handle)

    def _show(self) -> None:
        self.progress.running = len(self._running)
        self.progress.done = self.progress.total - len(self._blocks.pending) - len(self.progress.failed)
        self._watch(self.progress)

    def _give_back(self) -> None:
        for handle in list(self._running):
            self._pool.cancel(handle)
        self._running.clear()
        with suppress(RefinedWebError, OSError):  # claims run out by themselves; what ended the loop is to be told
            self._blocks.release()
        self._rollups.close()

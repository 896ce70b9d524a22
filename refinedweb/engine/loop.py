"""The driver's loop over the tasks of one step: claim a block, run its tasks, see that each ends in one record.

The loop knows neither Ray nor stages: a `Pool` runs attempts, the `Ledger` says what is done, `Claims` say whose turn
it is. A task whose worker dies is retried, then run carefully (which quarantines the document that kills it), then
recorded as failed; the other tasks go on.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import sleep
from typing import Any, NamedTuple

from refinedweb.engine import policy
from refinedweb.engine.blocks import Blocks
from refinedweb.engine.pool import Pool, TaskOutcome
from refinedweb.engine.rollups import RollUps
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger, Record, Totals
from stages.errors import ConfigError, RefinedWebError


class Task(NamedTuple):
    """One task of a step: its number, what its work is called with, and its size in bytes, for scheduling."""

    number: int
    payload: Any
    size: int


@dataclass
class LoopProgress:
    """What a watcher may show. `seen` is the sum of the records that this driver saw committed."""

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
    """What is known about a task that is not settled."""

    task: Task
    deaths: int = 0
    retries: int = 0
    careful: bool = False
    not_before: float = 0.0


class _Attempt(NamedTuple):
    number: int
    since: float


Watch = Callable[[LoopProgress], None]


def _backoff(retries: int) -> float:
    """Seconds to wait before the retry of this number, counted from 1."""
    return min(policy.MOST_BACKOFF_SECONDS, policy.BACKOFF_SECONDS * 2.0**retries)


class Loop:
    """One driver's work on one step; see `run`."""

    def __init__(
        self, tasks: Sequence[Task], block: int, ledger: Ledger, claims: Claims, pool: Pool, watch: Watch,
        committed: set[int] | None = None,
    ) -> None:  # fmt: skip
        """`committed`: the tasks that have a record, if the caller has just listed them (the list can be long)."""
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
        self._rates: deque[float] = deque(maxlen=policy.RATES)
        self._rollups = RollUps(ledger)
        self.progress = LoopProgress(ledger.step, len(tasks), done=len(committed))

    def run(self) -> LoopProgress:
        """Run until every task is committed, by any driver, or has failed for good here."""
        try:
            while self._blocks.pending:  # attempts that outlast it were done by others, or are twins that hang
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
        """The next task of our blocks, claiming another block if none is left.

        None while MOST_WAITING tasks back off: the cause is probably shared, and would hit other blocks too.
        """
        while True:
            number = self._pop_ready()
            if number is not None or len(self._queue) >= policy.MOST_WAITING:
                return number
            taken = self._blocks.take()
            if taken is None:
                return None
            # A block that was lost and taken again brings tasks that we already have.
            known = {attempt.number for attempt in self._running.values()}.union(self._queue)
            self._queue.extend(number for number in taken if number not in known)

    def _pop_ready(self) -> int | None:
        """The first pending task that is not in back-off, removed from the queue; None if there is none."""
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
            sleep(policy.TICK_SECONDS)
            return
        for handle, outcome in self._pool.wait(policy.TICK_SECONDS):
            attempt = self._running.pop(handle, None)
            if attempt is not None and self._blocks.is_pending(attempt.number):
                self._settle(attempt, outcome)
            elif attempt is not None:
                self._cancel_twins(attempt.number)  # we saw its record before its outcome

    def _settle(self, attempt: _Attempt, outcome: TaskOutcome) -> None:
        if outcome.kind == "config":
            raise ConfigError(outcome.error)
        if outcome.kind == "done":
            self._done(attempt, outcome.record)
        elif (record := self._blocks.record_of(attempt.number)) is not None:
            self._done(attempt, record)  # it died or lost the answer after its commit, or another driver was faster
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
        """Prepare the state for the next attempt; False if there must not be one."""
        if outcome.kind == "retry":
            state.retries += 1
            state.not_before = self._now() + _backoff(state.retries)
            return state.retries <= policy.RETRIES
        if outcome.kind == "raised":
            was_careful, state.careful = state.careful, True
            return not was_careful
        if outcome.kind == "died":
            self.progress.deaths += 1
            state.deaths += 1
            state.careful = state.deaths >= policy.CAREFUL_DEATHS
            return state.deaths < policy.MOST_DEATHS
        return False

    def _run_stragglers_again(self, slots: int) -> None:
        """Give idle slots to tasks that take far longer than their size explains: their machine may be sick."""
        if len(self._rates) < policy.LEAST_RATES:
            return
        usual = statistics.median(self._rates)
        numbers = [attempt.number for attempt in self._running.values()]
        for attempt in sorted(self._running.values(), key=lambda a: a.since)[:slots]:
            expected = policy.STRAGGLER_FACTOR * usual * self._states[attempt.number].task.size
            late = self._now() - attempt.since > max(policy.STRAGGLER_SECONDS, expected)
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
        with suppress(RefinedWebError, OSError):  # leases expire anyway; the error to report is what ended the loop
            self._blocks.release()
        self._rollups.close()

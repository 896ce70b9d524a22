"""The driver's loop over the tasks of one step: claim a block, run its tasks, see that each ends in one record.

The loop knows neither Ray nor stages: a `Pool` runs attempts, the `Ledger` says what is done, `Claims` say whose turn
it is. A task whose worker dies is retried, then run carefully (which quarantines the document that kills it), then
recorded as failed; the other tasks go on. `Nodes` tells a sick node from a bad task, `Verdicts` say what follows.

While every node refuses to work (`Standstill`), the driver gives its blocks back: drivers elsewhere can have them.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import sleep
from typing import NamedTuple

from refinedweb.engine import policy
from refinedweb.engine.blocks import Blocks
from refinedweb.engine.nodes import Nodes
from refinedweb.engine.pool import Pool, TaskOutcome
from refinedweb.engine.rollups import RollUps
from refinedweb.engine.standstill import Standstill
from refinedweb.engine.verdicts import PASSING, Task, TaskState, Verdicts
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger, Record, Totals
from refinedweb.storage.patient import PatientStore
from refinedweb.views.units import counted
from stages.errors import RefinedWebError, Unfinished


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
    trouble: str = ""
    """What hinders the run now, for a person: the store throttles, a node is set aside, tasks wait."""

    @property
    def noun(self) -> str:
        """What one task is: a shard, or a part of a phase."""
        return "task" if "/" in self.step else "shard"


class _Attempt(NamedTuple):
    number: int
    since: float
    cores: int


Watch = Callable[[LoopProgress], None]


class Loop:
    """One driver's work on one step; see `run`."""

    def __init__(
        self, tasks: Sequence[Task], block: int, ledger: Ledger, claims: Claims, pool: Pool, watch: Watch,
        committed: set[int] | None = None, patience: float | None = None,
    ) -> None:  # fmt: skip
        """`committed`: the tasks that have a record, if the caller has just listed them (the list can be long).
        `patience`: seconds without a success, of anyone, after which tasks that only wait are given up.
        """
        self._ledger = ledger
        self._pool = pool
        self._watch = watch
        self._states = {task.number: TaskState(task) for task in tasks}
        committed = ledger.committed() if committed is None else committed
        self._now = claims.clock
        self._nodes = Nodes(self._now)
        patience = policy.PATIENCE_SECONDS if patience is None else patience
        self._verdicts = Verdicts(self._nodes, self._now, pool.slots, patience)
        self._standstill = Standstill(self._nodes, pool, self._now, patience, ledger.store.root, len(tasks))
        self._blocks = Blocks({t.number: t.size for t in tasks}, committed, block, ledger, claims)
        self._queue: list[int] = []
        self._running: dict[Hashable, _Attempt] = {}
        self._twins: set[int] = set()
        self._rates: deque[float] = deque(maxlen=policy.RATES)
        self._rollups = RollUps(ledger)
        self.progress = LoopProgress(ledger.step, len(tasks), done=len(committed))

    def run(self) -> LoopProgress:
        """Run until every task is committed, by any driver, or has failed for good here."""
        if isinstance(self._ledger.store, PatientStore):
            self._ledger.store.while_waiting(self._meanwhile)
        try:
            while self._blocks.pending:  # attempts that outlast it were done by others, or are twins that hang
                self._blocks.claims.renew()
                self._look_after_nodes()
                self._fill()
                self._collect()
                self._show(self._trouble())
                self._blocks.settle_all(self._rollups.tick())
            if not self.progress.failed:
                self._blocks.claims.clear()
        finally:
            self._give_back()
        return self.progress

    def _meanwhile(self, reason: str) -> None:
        """What goes on while the store keeps the driver waiting."""
        self._blocks.claims.renew()
        self._show(reason)

    def _look_after_nodes(self) -> None:
        """Keep tasks away from sick nodes. If all are sick, keep blocks for nobody, and end when it has lasted."""
        if self._standstill.look(len(self._blocks.pending)):
            self._blocks.give_back_idle({attempt.number for attempt in self._running.values()})
            self._queue = [number for number in self._queue if self._blocks.is_ours(number)]
        untouched = len(self._blocks.pending) + len(self.progress.failed) == self.progress.total
        at_start = untouched and not self._blocks.shared
        if why := self._standstill.hopeless(untouched=at_start, running=bool(self._running)):
            raise Unfinished(self._ending(why))

    def _ending(self, why: str) -> str:
        committed = self.progress.total - len(self._blocks.pending) - len(self.progress.failed)
        total = counted(self.progress.total, self.progress.noun)
        then = "mend this and run the same command again: it goes on from there"
        return f"{why}. {committed} of {total} are committed; {then}"

    def _has_untried(self) -> bool:
        """Whether there are tasks that this driver has not tried: what stops all that it has tried would stop them."""
        running = {attempt.number for attempt in self._running.values()}
        return any(n not in running and not self._states[n].error for n in self._blocks.pending)

    def _probe(self) -> None:
        """Start one task, to see whether a node can work again."""
        if not self._running and self._standstill.may_probe() and (number := self._next(1)) is not None:
            self._submit(number)

    def _fill(self) -> None:
        if self._standstill.sickness is not None:
            self._probe()
            return
        slots = self._pool.slots() - sum(attempt.cores for attempt in self._running.values())
        while slots > 0 and (number := self._next(policy.MOST_WAITING)) is not None:
            slots -= self._submit(number)
        if slots > 0 and not self._queue:
            self._run_stragglers_again(slots)

    def _next(self, most_waiting: int) -> int | None:
        """The next task of our blocks, claiming another block if none is left.

        None while this many tasks back off: the cause is probably shared, and would hit other blocks too.
        """
        while True:
            number = self._pop_ready()
            if number is not None or len(self._queue) >= most_waiting:
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

    def _submit(self, number: int) -> int:
        """Start an attempt. Returns the slots that it takes."""
        state = self._states[number]
        handle = self._pool.submit(number, state.task.payload, state.careful, state.cores)
        self._running[handle] = _Attempt(number, self._now(), state.cores)
        self.progress.attempts += 1
        return state.cores

    def _collect(self) -> None:
        if not self._running:
            sleep(policy.TICK_SECONDS)
            return
        for handle, outcome in self._pool.wait(policy.TICK_SECONDS):
            attempt = self._running.pop(handle, None)
            if attempt is not None:
                self._nodes.note(attempt.number, outcome)
            if attempt is not None and self._blocks.is_pending(attempt.number):
                self._settle(attempt, outcome)
            elif attempt is not None:
                self._cancel_twins(attempt.number)  # we saw its record before its outcome

    def _settle(self, attempt: _Attempt, outcome: TaskOutcome) -> None:
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
        self._rollups.note(attempt.number)
        self._blocks.settle(attempt.number)

    def _again_or_fail(self, number: int, outcome: TaskOutcome) -> None:
        state = self._states[number]
        self.progress.deaths += outcome.kind in ("died", "out_of_memory")
        if self._verdicts.may_go_on(state, outcome):
            self._queue.append(number)
            return
        waited = outcome.kind in PASSING
        if waited and self._nodes.succeeded <= state.retried_since and self._has_untried():
            raise Unfinished(self._ending(f"no task has ended well for a long time, at last: {outcome.error}"))
        self.progress.failed[number] = outcome.error
        self._ledger.fail(number, outcome.error)
        self._blocks.settle(number)

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

    def _trouble(self) -> str:
        """What hinders the run now; empty if nothing does."""
        if (sickness := self._standstill.sickness) is not None:
            return f"no node can work: {sickness.name}: {sickness.error}"
        if (throttled := self._ledger.store.throttled()) is not None:
            return throttled
        if aside := self._nodes.aside():
            return f"{counted(len(aside), 'node')} set aside: {next(iter(aside.values()))}"
        waiting = [n for n in self._queue if self._states[n].not_before > self._now()]
        if not waiting:
            return ""
        return f"{counted(len(waiting), self.progress.noun)} tried again later: {self._states[waiting[-1]].error}"

    def _show(self, trouble: str) -> None:
        self.progress.trouble = trouble
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

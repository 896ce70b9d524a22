"""A simulation of discrete events: tasks on machines that start, stall and vanish, limited by a store and a network.

A task holds a core for its seconds. What it moves is treated as a fluid: if all running tasks together want more
requests or bytes per second than there are, each task that starts then takes longer by that factor. One driver hands
out tasks one after the other (share-nothing: one driver per machine). What an interrupted machine was doing is lost and
goes back to the queue.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from classifiers.kernels.arrays import Float64s
from refinedweb.forecast.machines import SUBMIT_SECONDS, Conditions, Machine

# Times the expected duration, after which the engine runs a task a second time (engine/loop.py): no task takes longer.
AGAIN_AFTER = 4.0
RENEWAL_SECONDS = 20.0  # a third of the lease: as often, a driver writes its heartbeat and lists the claims
LISTED = 1000  # claims per page of a listing
READY, DONE, TAKEN = range(3)  # events: a machine is up, a task is done, a machine is taken away


@dataclass(frozen=True)
class Tasks:
    """The tasks of one step.

    `seconds`: core seconds of each task, in the order in which the tasks are handed out; `recycle`: tasks after which a
    worker is replaced, and warms up again; `gets`, `puts`, `moved`: requests and bytes per task; `waits`: how often a
    task waits for an answer (several requests at the same time are one wait); `driver_requests`: of the driver, per
    task; `per_claim`: tasks per claim; `pause`: seconds that a core waits for the next task.
    """

    seconds: Float64s
    warm_up: float = 0.0
    recycle: int = 1 << 30
    gets: float = 0.0
    puts: float = 0.0
    moved: float = 0.0
    waits: float = 0.0
    driver_requests: float = 0.0
    per_claim: int = 1
    pause: float = 0.0


@dataclass
class SimulatedRun:
    """How a step went. `seconds` by the clock; core seconds of `work`, of warm-up, and `lost` to interruptions.

    `limited`: additional core seconds by cause (`gets`, `puts`, `network`, `latency`, `driver`).
    """

    seconds: float = 0.0
    work: float = 0.0
    warm: float = 0.0
    lost: float = 0.0
    interruptions: int = 0
    limited: dict[str, float] = field(default_factory=dict)

    def slower(self, cause: str, seconds: float) -> None:
        if seconds > 0:
            self.limited[cause] = self.limited.get(cause, 0.0) + seconds


class Simulation:
    """One step on some machines. `ready`: when each machine is up, in seconds; each core runs one task at a time."""

    def __init__(
        self, tasks: Tasks, machine: Machine, ready: Float64s, conditions: Conditions, dice: np.random.Generator
    ):
        self._tasks = tasks
        self._machine = machine
        self._conditions = conditions
        self._dice = dice
        self._queue = deque(range(len(tasks.seconds)))
        self._left = len(tasks.seconds)
        self._active = 0
        self._up = 0
        self._life = [0] * len(ready)
        self._begun = [0] * len(ready)
        self._free = [0] * len(ready)
        self._running: list[dict[int, tuple[float, float]]] = [{} for _ in ready]
        self._driver = [0.0] * (len(ready) if conditions.share_nothing else 1)
        self._factors = self._drawn_factors(len(tasks.seconds))
        self._events: list[tuple[float, int, int, int, int]] = [
            (float(at), READY, number, 0, -1) for number, at in enumerate(ready)
        ]
        heapq.heapify(self._events)
        self.outcome = SimulatedRun()

    def _drawn_factors(self, count: int) -> Float64s:
        slow = self._dice.random(count) < self._conditions.stragglers
        return np.where(slow, min(self._conditions.straggler_factor, AGAIN_AFTER + 1), 1.0)

    def run(self) -> SimulatedRun:
        """Simulate until the last task is done."""
        while self._left:
            now, kind, machine, life, task = heapq.heappop(self._events)
            if life != self._life[machine]:
                continue
            if kind == READY:
                self._up += 1
                self._free[machine] = self._machine.cores
                self._await_interruption(machine, now)
            elif kind == DONE:
                self._active -= 1
                self._free[machine] += 1
                del self._running[machine][task]
                self._left -= 1
                self.outcome.seconds = now
            else:
                self._take(machine, now)
            self._hand_out(machine, now)
        return self.outcome

    def _await_interruption(self, machine: int, now: float) -> None:
        if self._conditions.interruptions > 0:
            after = self._dice.exponential(3600 / self._conditions.interruptions)
            heapq.heappush(self._events, (now + after, TAKEN, machine, self._life[machine], -1))

    def _take(self, machine: int, now: float) -> None:
        """Take the machine away, with what it was doing. A new one comes after the time that a start takes."""
        running = self._running[machine]
        self.outcome.interruptions += 1
        self.outcome.lost += sum(max(0.0, now - since) for since, _ in running.values())
        self.outcome.work -= sum(work for _, work in running.values())
        self._queue.extendleft(running)
        self._active -= len(running)
        running.clear()
        self._life[machine] += 1
        self._free[machine] = 0
        self._begun[machine] = 0
        self._up -= 1
        back = now + self._conditions.start
        heapq.heappush(self._events, (back, READY, machine, self._life[machine], -1))

    def _hand_out(self, machine: int, now: float) -> None:
        while self._free[machine] and self._queue:
            self._start(self._queue.popleft(), machine, now)

    def _start(self, task: int, machine: int, now: float) -> None:
        begin = self._dispatched(machine, now)
        self.outcome.slower("driver", begin - now)
        work, seconds = self._duration(task, machine)
        self._active += 1
        self._free[machine] -= 1
        self._begun[machine] += 1
        self._running[machine][task] = (begin, work)
        heapq.heappush(self._events, (begin + seconds, DONE, machine, self._life[machine], task))

    def _dispatched(self, machine: int, now: float) -> float:
        """When the driver gets round to this task: it asks the store, and its heart beats now and then."""
        driver = machine if self._conditions.share_nothing else 0
        pages = 1 + self._active / self._tasks.per_claim // LISTED
        busy = 1 + (2 + pages) * self._conditions.latency / RENEWAL_SECONDS
        each = SUBMIT_SECONDS + self._tasks.driver_requests * self._conditions.latency * busy
        self._driver[driver] = max(now, self._driver[driver]) + each
        return self._driver[driver]

    def _duration(self, task: int, machine: int) -> tuple[float, float]:
        """Core seconds of work, and how long the task takes."""
        work = float(self._tasks.seconds[task] * self._factors[task]) / self._conditions.speed
        number, cores = self._begun[machine], self._machine.cores
        warm = self._tasks.warm_up / self._conditions.speed if number % (cores * self._tasks.recycle) < cores else 0.0
        waits = self._tasks.waits * self._conditions.latency
        alone = work + waits
        cause, factor = self._stretch(alone)
        self.outcome.work += work
        self.outcome.warm += warm
        self.outcome.slower("latency", waits)
        self.outcome.slower(cause, alone * (factor - 1))
        return work, warm + alone * factor + self._tasks.pause

    def _stretch(self, alone: float) -> tuple[str, float]:
        """What is short while this task runs together with the others that will run by then, and by which factor."""
        together = min(self._up * self._machine.cores, self._active + len(self._queue) + 1)
        on_machine = min(self._machine.cores, -(-together // max(1, self._up)))
        each = 1 / max(1e-9, alone)
        demand = {
            "gets": together * each * self._tasks.gets / self._conditions.gets,
            "puts": together * each * self._tasks.puts / self._conditions.puts,
            "network": on_machine * each * self._tasks.moved / self._machine.network,
        }
        cause = max(demand, key=lambda name: demand[name])
        return cause, max(1.0, demand[cause])

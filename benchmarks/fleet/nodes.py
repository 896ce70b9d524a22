"""Nodes, and the pool that a driver runs its attempts on: what Ray is in the simulation."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from benchmarks.fleet.clock import Process, Signal, VirtualTime
from refinedweb.engine.pool import Beat, TaskOutcome, Work, WorkerNode, attempt


class OutOfMemory(BaseException):
    """The kernel or Ray killed this attempt, because its node had no memory left."""


@dataclass
class Machine:
    """A machine with room for `slots` attempts."""

    name: str
    slots: int
    slowness: float = 1.0  # times the usual seconds
    rate: float = 1.0
    offset: float = 0.0
    memory: int = 1 << 60  # attempts that it can hold at the same time
    sick: str = ""  # the message of the ConfigError with which each attempt ends
    up: bool = True
    running: list[Running] = field(default_factory=list)

    @property
    def used(self) -> int:
        """Slots that are not free."""
        return sum(made.cores for made in self.running)

    def process(self) -> Process:
        """A new process on it."""
        return Process(self.name, rate=self.rate, offset=self.offset)


@dataclass
class Running:
    """One attempt: waiting for a slot (it has no node), or running."""

    handle: int
    task: int
    payload: Any
    careful: bool
    cores: int
    node: Machine | None = None
    process: Process | None = None


class FleetPool:
    """Attempts in virtual time on the nodes of one driver: in a job of its own one node, in a cluster many."""

    def __init__(self, time: VirtualTime, nodes: Sequence[Machine]) -> None:
        self._time = time
        self._nodes = nodes
        self._work: Any = None
        self._waiting: deque[Running] = deque()
        self._running: dict[int, Running] = {}
        self._ended: list[tuple[Hashable, TaskOutcome]] = []
        self._signal = Signal()
        self._handles = count()
        self._avoided: Collection[str] = ()

    def use(self, work: Work, beat: Beat) -> None:
        del beat
        self._work = work

    def slots(self) -> int:
        return max(1, sum(node.slots for node in self._nodes if node.up))

    def nodes(self) -> int:
        return max(1, sum(node.up for node in self._nodes))

    def avoid(self, nodes: Collection[str]) -> None:
        self._avoided = set(nodes)

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        largest = max(node.slots for node in self._nodes)
        made = Running(next(self._handles), task, payload, careful, min(cores, largest))
        self._running[made.handle] = made
        self._waiting.append(made)
        self.start_waiting()
        return made.handle

    def start_waiting(self) -> None:
        """Start what waits, as long as a node has a slot."""
        while self._waiting:
            node = self._node_for(self._waiting[0])
            if node is None:
                return
            made = self._waiting.popleft()
            made.node, made.process = node, node.process()
            node.running.append(made)
            self._time.spawn(lambda made=made: self._live(made), made.process)

    def _node_for(self, made: Running) -> Machine | None:
        fit = [node for node in self._nodes if node.up and node.used + made.cores <= node.slots]
        wanted = [node for node in fit if node.name not in self._avoided]
        return max(wanted, key=lambda node: (node.slots - node.used, random.random()), default=None)

    def _live(self, made: Running) -> None:
        try:
            outcome = attempt(self._work, made.task, made.payload, made.careful)
        except OutOfMemory as error:
            outcome = TaskOutcome("out_of_memory", error=f"OutOfMemoryError: {error}")
        if made.node is not None:
            outcome = replace(outcome, node=WorkerNode(made.node.name, made.node.name))
        self._end(made, outcome)

    def _end(self, made: Running, outcome: TaskOutcome) -> None:
        if self._leave(made):
            self._ended.append((made.handle, outcome))
            self._signal.set()
            self.start_waiting()

    def _leave(self, made: Running) -> bool:
        if made.node is not None and made in made.node.running:
            made.node.running.remove(made)
        return self._running.pop(made.handle, None) is not None

    def lose(self, node: Machine) -> None:
        """The node dies, and all that runs on it."""
        node.up = False
        for made in list(node.running):
            _kill(made)
            self._end(made, TaskOutcome("node_died", error=f"NodeDiedError: {node.name} was preempted"))

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        if not self._ended:
            self._signal.wait(seconds)
        ended, self._ended = self._ended, []
        return ended

    def cancel(self, handle: Hashable) -> None:
        made = self._running.get(handle)  # type: ignore[call-overload]
        if made is not None:
            _kill(made)
            self._leave(made)
            self._waiting = deque(each for each in self._waiting if each is not made)
            self.start_waiting()

    def close(self) -> None:
        self._waiting.clear()
        for made in list(self._running.values()):
            _kill(made)
            self._leave(made)


def _kill(made: Running) -> None:
    if made.process is not None:
        made.process.dead = True

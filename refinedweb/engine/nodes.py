"""Which nodes work well, by the outcomes of their attempts: whose fault a failure is, and who gets no tasks for now.

A node on which every task fails while other nodes succeed is sick (a wrong clock, no access, a full or read-only
disk). It fails quickly, so it would draw more tasks than any other: it is set aside, and comes back on probation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from refinedweb.engine import policy
from refinedweb.engine.pool import TaskOutcome, WorkerNode

HERE = WorkerNode("", "this machine")  # where a pool without nodes runs its attempts
ABOUT_NODES = ("config", "full")  # outcomes in which a node says that it cannot work as it is
NEVER = float("-inf")


@dataclass
class _State:
    """One node. `failing`: the tasks that have failed on it since its last success, each with its error."""

    name: str
    succeeded: float = NEVER
    failing: dict[int, str] = field(default_factory=dict)
    since: float = NEVER
    aside_until: float = NEVER
    times_aside: int = 0


class Sickness(NamedTuple):
    """Every node refuses to work, or enough of them for the cause to be shared.

    `error`: what the node `name` said, the last one; `full`: they all want room; `attempts`: how many were refused.
    """

    since: float
    nodes: int
    name: str
    error: str
    full: bool
    attempts: int


class Nodes:
    """What is known about the nodes that attempts have run on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._ill: dict[str, TaskOutcome] = {}  # what the nodes that refuse said last; empty after a success
        self._ill_since = NEVER
        self._refused = 0
        self.succeeded = NEVER

    def note(self, task: int, outcome: TaskOutcome) -> None:
        """Learn from the outcome of an attempt."""
        node, now = outcome.node or HERE, self._clock()
        state = self._states.setdefault(node.id, _State(node.name))
        if outcome.kind == "done":
            self.succeeded = state.succeeded = now
            state.failing.clear()
            state.times_aside = 0
            self._ill.clear()
            self._refused = 0
        elif outcome.kind in policy.FAILURES:
            self._failed(node, state, task, outcome)

    def _failed(self, node: WorkerNode, state: _State, task: int, outcome: TaskOutcome) -> None:
        now = self._clock()
        if not state.failing:
            state.since = now
        state.failing[task] = outcome.error
        if outcome.kind in ABOUT_NODES:
            self._ill_since = self._ill_since if self._ill else now
            self._ill.pop(node.id, None)  # so that the last one to refuse is the last one listed
            self._ill[node.id] = outcome
            self._refused += 1
        enough = len(state.failing) >= policy.FAILURES[outcome.kind] and state.aside_until <= now
        if enough and self._fails_alone(node.id, state):
            state.times_aside += 1
            span = policy.PROBATION_SECONDS * 2.0 ** min(state.times_aside - 1, 9)
            state.aside_until = now + min(policy.MOST_PROBATION_SECONDS, span)

    def _fails_alone(self, node: str, state: _State) -> bool:
        """Whether other nodes do well, or have at least not failed yet."""
        aside = self.aside()
        others = [other for name, other in self._states.items() if name != node and name not in aside]
        return any(other.succeeded >= state.since for other in others) or not any(other.failing for other in others)

    def aside(self) -> dict[str, str]:
        """The nodes that get no tasks now, each with its last error."""
        now = self._clock()
        return {
            id: f"{state.name}: {next(reversed(state.failing.values()), '')}"
            for id, state in self._states.items()
            if state.aside_until > now
        }

    def suspected(self, node: WorkerNode | None, task: int) -> bool:
        """Whether other tasks than this one have failed on the node since its last success."""
        state = self._states.get((node or HERE).id)
        return state is not None and any(other != task for other in state.failing)

    def did_well_after(self, node: str, time: float) -> bool:
        """Whether a task has ended well on the node since then."""
        return node in self._states and self._states[node].succeeded > time

    def sickness(self, nodes: int) -> Sickness | None:
        """The sickness of all, if enough of `nodes` have refused at least twice since the last success of anyone."""
        enough = min(nodes, max(policy.MOST_ILL, (nodes + 1) // 2))
        if self._refused < 2 or len(self._ill) < enough:
            return None
        last = next(reversed(self._ill.values()))
        full = all(outcome.kind == "full" for outcome in self._ill.values())
        name = (last.node or HERE).name
        return Sickness(self._ill_since, len(self._ill), name, last.error, full, self._refused)

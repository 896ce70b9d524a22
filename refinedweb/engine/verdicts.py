"""What follows on an attempt that did not end in a record: whether the task is to blame, and how it is tried again.

A task fails for good only by its own fault. What a node refuses, another one may do; the death of a node says nothing
about the task; where memory runs out, the task gets more cores, so that fewer neighbours share the node's memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from refinedweb.engine import policy
from refinedweb.engine.nodes import HERE, Nodes
from refinedweb.engine.pool import TaskOutcome
from stages.errors import WrongUse

PASSING = ("retry", "throttled", "unanswered")
"""The outcomes that say: the same may go well later."""


class Task(NamedTuple):
    """One task of a step: its number, what its work is called with, and its size in bytes, for scheduling."""

    number: int
    payload: Any
    size: int


@dataclass
class TaskState:
    """What is known about a task that is not settled. `refused`: when each node refused it first."""

    task: Task
    deaths: int = 0
    node_deaths: int = 0
    retries: int = 0
    retried_since: float = 0.0
    refusals: int = 0
    refused: dict[str, float] = field(default_factory=dict)
    opinions: int = 0
    doublings: int = 0
    careful: bool = False
    not_before: float = 0.0
    error: str = ""

    @property
    def cores(self) -> int:
        """Cores that the next attempt takes."""
        return int(2 ** min(self.doublings, policy.MOST_DOUBLINGS))


def backoff(times: int) -> float:
    """Seconds to wait after a failure of this number, counted from 1."""
    return min(policy.MOST_BACKOFF_SECONDS, policy.BACKOFF_SECONDS * 2.0 ** min(times, 9))


class Verdicts:
    """Judges the attempts of one step. `slots`: how many can run at the same time, as things stand."""

    def __init__(self, nodes: Nodes, clock: Callable[[], float], slots: Callable[[], int], patience: float) -> None:
        self._nodes = nodes
        self._now = clock
        self._slots = slots
        self._patience = patience

    def may_go_on(self, state: TaskState, outcome: TaskOutcome) -> bool:
        """Prepare the state for the next attempt; False if there must not be one. Raises WrongUse."""
        state.error = outcome.error
        if outcome.kind == "wrong_use":
            raise WrongUse(outcome.error)
        if outcome.kind in PASSING:
            return self._retry(state, blameless=outcome.kind != "retry")
        if outcome.kind in ("config", "full"):
            return self._refused(state, outcome)
        if outcome.kind == "raised":
            was_careful, state.careful = state.careful, True
            return not was_careful or self._doubtful(state, outcome)
        if outcome.kind == "died":
            return self._died(state)
        if outcome.kind == "out_of_memory":
            alone = state.doublings >= policy.MOST_DOUBLINGS or state.cores >= self._slots()
            state.doublings += 1
            self._back_off(state, state.doublings)
            return self._died(state) if alone else True
        if outcome.kind == "node_died":
            state.node_deaths += 1
            state.careful |= state.node_deaths >= policy.NODE_DEATHS
            self._back_off(state, state.node_deaths)
            return True
        return self._doubtful(state, outcome)

    def _back_off(self, state: TaskState, times: int) -> None:
        state.not_before = self._now() + backoff(times)

    def _retry(self, state: TaskState, *, blameless: bool) -> bool:
        """A fault that others have at the same time is not the task's: it gets all of the driver's patience. So do
        throttling, which lets some requests through, and no answer at all, which may be so on some nodes only: that
        others succeed says nothing about this task then.
        """
        if state.retries == 0:
            state.retried_since = self._now()
        state.retries += 1
        self._back_off(state, state.retries)
        others_succeed = self._nodes.succeeded > state.retried_since
        patience = policy.RETRY_SECONDS if others_succeed and not blameless else self._patience
        return state.retries <= policy.RETRIES or self._now() - state.retried_since < patience

    def _refused(self, state: TaskState, outcome: TaskOutcome) -> bool:
        """Held against the task once it was refused by nodes that do other tasks well."""
        node = (outcome.node or HERE).id
        state.refused.setdefault(node, self._now())
        state.refusals += 1
        if node not in self._nodes.aside():
            self._back_off(state, state.refusals)
        well = [node for node, since in state.refused.items() if self._nodes.did_well_after(node, since)]
        return state.refusals <= policy.REFUSALS or not well

    def _died(self, state: TaskState) -> bool:
        state.deaths += 1
        state.careful |= state.deaths >= policy.CAREFUL_DEATHS
        if state.careful:  # the machine may be short of memory without saying so: the kernel's killer leaves no word
            state.doublings += 1
            self._back_off(state, state.deaths)
        return state.deaths < policy.MOST_DEATHS

    def _doubtful(self, state: TaskState, outcome: TaskOutcome) -> bool:
        """Whether the node is suspected rather than the task, which then gets another opinion."""
        state.opinions += 1
        self._back_off(state, state.opinions)
        return state.opinions <= policy.SECOND_OPINIONS and self._nodes.suspected(outcome.node, state.task.number)

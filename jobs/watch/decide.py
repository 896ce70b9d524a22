"""What a watcher decides: from what happened so far and what it sees now, the next event, or none. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal["launch", "stop", "done", "finish", "give-up"]
OVER = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Policy:
    """When to lose patience. `stalled`, `idle`: minutes; `idle_percent`: of all processors; `attempts`: launches of one
    link of the chain; `fruitless`: launches in a row that brought no progress; `failures`: tasks that failed for good
    since the launch; `again`: go on with a link that was given up.
    """

    stalled: float = 30.0
    idle: float = 15.0
    idle_percent: float = 5.0
    attempts: int = 8
    fruitless: int = 3
    failures: int = 100
    again: bool = False


@dataclass(frozen=True)
class Event:
    """One decision, as it is recorded. `tasks`: committed by then; `failed`: tasks that had failed for good by then."""

    action: Action
    link: int = 0
    attempt: int = 1
    reason: str = ""
    at: float = 0.0
    tasks: int = 0
    failed: int = 0
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What is seen of the current job. `status` is None if there is no such job. `since`: when `tasks` last changed.

    `finished`: the ledger is complete or, for a job without one, the job completed; `idle`: for how many minutes the
    processors have been idle.
    """

    now: float
    status: str | None
    tasks: int = 0
    failed: int = 0
    finished: bool = False
    since: float = 0.0
    idle: float = 0.0
    message: str = ""


def decide(policy: Policy, history: Sequence[Event], links: int, seen: Seen) -> Event | None:
    """The next event, or None to wait. `seen` is about the job of the last event."""
    if not history:
        return Event("launch", reason="the chain begins", at=seen.now, tasks=seen.tasks, failed=seen.failed)
    last = history[-1]
    if last.action == "give-up" and policy.again:
        return Event("launch", last.link, last.attempt + 1, "started again by hand", seen.now, seen.tasks, seen.failed)
    if last.action in ("finish", "give-up"):
        return None
    if last.action == "done":
        if last.link + 1 >= links:
            return Event("finish", last.link, last.attempt, "the chain is done", seen.now)
        return Event("launch", last.link + 1, 1, f"link {last.link} is done", seen.now)
    if seen.status in OVER:
        return _after(policy, history, seen)
    if last.action == "launch" and seen.status == "InProgress":
        reason = _impatience(policy, last, seen)
        if reason:
            return Event("stop", last.link, last.attempt, reason, seen.now, seen.tasks, seen.failed)
    return None


def _after(policy: Policy, history: Sequence[Event], seen: Seen) -> Event:
    """The next event once the job is over."""
    last = history[-1]
    if seen.finished:
        reason = f"the job {seen.status}, and all is done"
        return Event("done", last.link, last.attempt, reason, seen.now, seen.tasks, seen.failed)
    reason = last.reason if last.action == "stop" else seen.message or f"the job {str(seen.status).lower()}"
    given_up = max((at for at, event in enumerate(history) if event.action == "give-up"), default=-1)
    launches = [event for event in history[given_up + 1 :] if event.action == "launch" and event.link == last.link]
    fruitless = sum(1 for event in launches if event.tasks == seen.tasks)
    action: Action = "launch"
    if len(launches) >= policy.attempts:
        action, reason = "give-up", f"{len(launches)} attempts; the last: {reason}"
    elif fruitless >= policy.fruitless:
        action, reason = "give-up", f"{fruitless} attempts without any progress; the last: {reason}"
    attempt = last.attempt + (action == "launch")
    return Event(action, last.link, attempt, reason, seen.now, seen.tasks, seen.failed)


def _impatience(policy: Policy, launch: Event, seen: Seen) -> str:
    """Why the job must be stopped; empty if it need not be."""
    still = (seen.now - max(seen.since, launch.at)) / 60
    if seen.failed - launch.failed >= policy.failures:
        return f"{seen.failed - launch.failed} tasks failed since the launch"
    if still >= policy.stalled:
        return f"no progress for {still:.0f} minutes"
    if seen.idle >= policy.idle and still >= policy.idle:
        return f"processors idle for {seen.idle:.0f} minutes"
    return ""

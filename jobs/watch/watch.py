"""Watches a chain of jobs (filter → dedup → export): stops what stands still, launches it again, goes on to the next.

    observe   status of the job, progress of its run's ledger, load of its processors   (`jobs.watch.aws`)
    decide    what happened so far, and what is seen → the next event, or none           (pure)
    record    the event, by a conditional put: of two watchers one wins, the other looks again
    carry out what the last event says, whoever recorded it

Every event says what shall be, not what was done: a watcher that dies after recording leaves the deed to the next one.
All deeds may be done twice: a job's name is taken once by SageMaker, and a stopped job stays stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from jobs.watch.chain import ChainJob, load_chain
from refinedweb.ledger.manifest import load_or_none
from refinedweb.recipe.params import instance
from refinedweb.storage import Exists, Store, open_store
from stages.errors import CommitUnknown, ConfigError

Action = Literal["launch", "stop", "done", "finish", "give-up"]
OVER = ("Completed", "Failed", "Stopped")
EVENTS = "events"
MARK = "seen.json"


@dataclass(frozen=True)
class Policy:
    """When to lose patience. Minutes; `idle_percent` of all processors; `attempts` of one link of the chain;
    `fruitless`: launches in a row that brought no progress; `failures`: tasks that failed for good since the launch.
    """

    stalled: float = 30.0
    idle: float = 15.0
    idle_percent: float = 5.0
    attempts: int = 8
    fruitless: int = 3
    failures: int = 100


@dataclass(frozen=True)
class Event:
    """One decision, as it is recorded. `tasks`: committed by then; `failed`: tasks failed for good by then."""

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
    """What is seen of the current job. `status` None: there is no such job. `since`: when `tasks` last changed.

    `finished`: the ledger is complete, or, of a job without one, the job completed; `idle`: for how many minutes the
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
    """The next event, or None to wait. `seen` is of the job of the last event."""
    if not history:
        return Event("launch", reason="the chain begins", at=seen.now, tasks=seen.tasks, failed=seen.failed)
    last = history[-1]
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
    """The job is over: what next?"""
    last = history[-1]
    if seen.finished:
        return Event(
            "done",
            last.link,
            last.attempt,
            f"the job {seen.status}, and all is done",
            seen.now,
            seen.tasks,
            seen.failed,
        )
    reason = last.reason if last.action == "stop" else seen.message or f"the job {str(seen.status).lower()}"
    launches = [event for event in history if event.action == "launch" and event.link == last.link]
    fruitless = sum(1 for event in launches if event.tasks == seen.tasks)
    action: Action = "launch"
    if last.attempt >= policy.attempts:
        action, reason = "give-up", f"{last.attempt} attempts; the last: {reason}"
    elif fruitless >= policy.fruitless:
        action, reason = "give-up", f"{fruitless} attempts without any progress; the last: {reason}"
    attempt = last.attempt + (action == "launch")
    return Event(action, last.link, attempt, reason, seen.now, seen.tasks, seen.failed)


def _impatience(policy: Policy, launch: Event, seen: Seen) -> str:
    """Why the job must be stopped; empty where it need not."""
    still = (seen.now - max(seen.since, launch.at)) / 60
    if seen.failed - launch.failed >= policy.failures:
        return f"{seen.failed - launch.failed} tasks failed since the launch"
    if still >= policy.stalled:
        return f"no progress for {still:.0f} minutes"
    if seen.idle >= policy.idle and still >= policy.idle:
        return f"processors idle for {seen.idle:.0f} minutes"
    return ""


class Jobs(Protocol):
    """What the watcher asks of SageMaker and CloudWatch."""

    def status(self, link: ChainJob) -> tuple[str | None, str]:
        """Status (None: no such job) and the reason of a failure."""
        ...

    def create(self, link: ChainJob) -> None:
        """Start the job; nothing happens where its name is taken."""
        ...

    def stop(self, link: ChainJob) -> None:
        """Ask the job to stop; nothing happens where it is over."""
        ...

    def idle_minutes(self, link: ChainJob, percent: float, minutes: float, now: float) -> float:
        """For how long, up to `minutes`, all processors together have been below `percent`; 0 where nobody knows."""
        ...

    def errors(self, link: ChainJob) -> tuple[str, ...]:
        """The last lines of the job's log that look like errors."""
        ...


@dataclass(frozen=True)
class LedgerProgress:
    """Of a run's ledger: records, tasks that failed for good, and whether all is done."""

    tasks: int
    failed: int
    finished: bool


@dataclass
class Watcher:
    """One watcher of the chain whose events lie below `home`; any number may watch at once.

    `progress` reads a run's ledger; `clock` gives seconds since 1970.
    """

    home: str
    links: Sequence[ChainJob]
    jobs: Jobs
    policy: Policy = field(default_factory=Policy)
    clock: Callable[[], float] = time.time
    progress: Callable[[str], LedgerProgress] = field(default_factory=lambda: ledger_progress)

    def tick(self) -> Event:
        """Look once; record and carry out what follows. The last event."""
        store = open_store(self.home)
        history = read_events(store)
        if history:
            self._carry_out(history[-1])
        decided = decide(self.policy, history, len(self.links), self._look(store, history))
        if decided is None:
            return history[-1]
        if decided.reason and decided.action in ("launch", "stop", "give-up") and history:
            decided = Event(**{**asdict(decided), "log": self.jobs.errors(self._job(history[-1]))})
        if not record(store, len(history), decided):
            return decided  # another watcher was faster: its event stands, and the next look sees it
        self._carry_out(decided)
        return decided

    def _job(self, event: Event) -> ChainJob:
        return self.links[event.link].attempt(event.attempt)

    def _carry_out(self, event: Event) -> None:
        """Make it so, unless it is so."""
        if event.action not in ("launch", "stop"):
            return
        job = self._job(event)
        status, _ = self.jobs.status(job)
        if event.action == "launch" and status is None:
            self.jobs.create(job)
        elif event.action == "stop" and status == "InProgress":
            self.jobs.stop(job)

    def _look(self, store: Store, history: Sequence[Event]) -> Seen:
        now = self.clock()
        last = history[-1] if history else Event("launch")
        job = self._job(last)
        status, message = self.jobs.status(job) if history else (None, "")
        at = LedgerProgress(0, 0, status == "Completed") if job.out is None else self.progress(job.out)
        since = self._since(store, last.link, at.tasks, now)
        idle = 0.0
        if status == "InProgress":
            idle = self.jobs.idle_minutes(job, self.policy.idle_percent, self.policy.idle, now)
        return Seen(now, status, at.tasks, at.failed, at.finished, since, idle, message)

    def _since(self, store: Store, link: int, tasks: int, now: float) -> float:
        """When the number of committed tasks last changed, as far as any watcher saw it. A mark, not a truth: two
        watchers may overwrite each other's, and the worst that follows is patience.
        """
        known = load_or_none(store, MARK)
        if known is not None and (known["link"], known["tasks"]) == (link, tasks):
            return float(known["since"])
        store.put(MARK, json.dumps({"link": link, "tasks": tasks, "since": now}).encode())
        return now


def read_events(store: Store) -> list[Event]:
    """All events, in order."""
    found = [json.loads(store.get(info.key)[0]) for info in store.list(f"{EVENTS}/")]
    return [Event(**{**event, "log": tuple(event["log"])}) for event in found]


def record(store: Store, number: int, event: Event) -> bool:
    """Write the n-th event; False where another watcher wrote it, or may have."""
    try:
        store.put_new(f"{EVENTS}/{number:06d}.json", json.dumps(asdict(event)).encode())
    except (Exists, CommitUnknown):
        return False
    return True


def ledger_progress(out: str) -> LedgerProgress:
    """Of the run below `out`; nothing yet where there is none."""
    from refinedweb.views.run import Run

    try:
        run = Run(out)
    except ConfigError:
        return LedgerProgress(0, 0, False)
    states = run.states()
    return LedgerProgress(
        sum(state.done for state in states), len(run.failed()), all(state.complete for state in states)
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """AWS Lambda: one look at the chain `event["chain"]` (an s3:// URI of its JSON), with `event["policy"]`.

    Raises ConfigError for another event.
    """
    from jobs.watch.aws import SageMaker

    del context
    if not isinstance(event.get("chain"), str):
        raise ConfigError('the event names no chain: it needs {"chain": "s3://…/chain.json"}')
    policy = instance(Policy, event.get("policy", {}), "policy")
    home, links = load_chain(event["chain"])
    return asdict(Watcher(home, links, SageMaker(), policy).tick())

"""Watches a chain of jobs (filter → dedup → export): stops one that makes no progress, launches it again, goes on to
the next.

    observe   status of the job, progress of its run's ledger, load of its processors   (`jobs.watch.aws`)
    decide    what happened so far, and what is seen → the next event, or none          (`jobs.watch.decide`)
    record    the event, by a conditional put: if two watchers race, one wins, and the other looks again
    carry out what the last event says, whichever watcher recorded it

Events record intent: if a watcher dies after recording one, the next carries it out. Everything that events ask for may
be done twice: SageMaker takes a job's name only once, and a stopped job stays stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from jobs.watch.chain import ChainJob, load_chain
from jobs.watch.decide import Event, Policy, Seen, decide
from jobs.watch.deployment import Deployment
from jobs.watch.picture import picture
from refinedweb.ledger.layout import JSON_SUFFIX, numbered, task_name
from refinedweb.recipe.params import instance
from refinedweb.storage import Exists, Missing, Store, open_store
from refinedweb.storage.json_objects import Unreadable, load_object
from stages.errors import CommitUnknown, ConfigError

EVENTS = "events"
MARK = "seen.json"


class Jobs(Protocol):
    """What the watcher needs from SageMaker and CloudWatch."""

    def status(self, link: ChainJob) -> tuple[str | None, str]:
        """The job's status (None: no such job) and the reason for a failure."""
        ...

    def create(self, link: ChainJob) -> None:
        """Start the job; do nothing if its name is taken."""
        ...

    def stop(self, link: ChainJob) -> None:
        """Ask the job to stop; do nothing if it is over."""
        ...

    def idle_minutes(self, link: ChainJob, percent: float, minutes: float, now: float) -> float:
        """For how long, up to `minutes`, all processors together have been below `percent`; 0 if it is not known."""
        ...

    def errors(self, link: ChainJob) -> tuple[str, ...]:
        """The last lines of the job's log that look like errors."""
        ...


@dataclass(frozen=True)
class LedgerProgress:
    """How far a run is: records, tasks that failed for good, whether all is done, and all tasks known so far."""

    tasks: int
    failed: int
    finished: bool
    total: int = 0


@dataclass(frozen=True)
class _Mark:
    """When the number of committed tasks of a link became what it is."""

    link: int
    tasks: int
    since: float


@dataclass
class Watcher:
    """One watcher of the chain whose events are below `home`; any number may watch at the same time.

    `progress` reads a run's ledger; `clock` gives seconds since 1970.
    """

    home: str
    links: Sequence[ChainJob]
    jobs: Jobs
    policy: Policy = field(default_factory=Policy)
    clock: Callable[[], float] = time.time
    progress: Callable[[str], LedgerProgress] = field(default_factory=lambda: ledger_progress)

    def tick(self) -> Event:
        """Look once; record and carry out what follows. Returns the last event."""
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

    def picture(self) -> str:
        """Where the chain is, as text."""
        history = read_events(open_store(self.home))
        link = self.links[history[-1].link if history else 0]
        at = LedgerProgress(0, 0, False) if link.out is None else self.progress(link.out)
        failed = f", {at.failed:,} failed" if at.failed else ""
        return picture(
            [one.name for one in self.links], history, f"{at.tasks:,} of {at.total:,} tasks{failed}" if at.total else ""
        )

    def _job(self, event: Event) -> ChainJob:
        if not (0 <= event.link < len(self.links) and event.attempt >= 1):
            raise ConfigError(f"{self.home}: an event is about link {event.link}, which this chain does not have")
        return self.links[event.link].attempt(event.attempt)

    def _carry_out(self, event: Event) -> None:
        """Do what the event asks for, unless it is done already."""
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
        """When the number of committed tasks last changed, as far as any watcher saw it. This is only a mark: two
        watchers may overwrite each other's, and in the worst case a job is given more time.
        """
        with suppress(Missing, Unreadable):  # then it is written again
            known = load_object(_Mark, store.get(MARK)[0], store.uri(MARK), "")
            if (known.link, known.tasks) == (link, tasks):
                return known.since
        store.put(MARK, json.dumps(asdict(_Mark(link, tasks, now))).encode())
        return now


def read_events(store: Store) -> list[Event]:
    """All events, in order. Raises Unreadable for one that is not."""
    return [_event(store, info.key) for _, info in numbered(store, f"{EVENTS}/")]


def _event(store: Store, key: str) -> Event:
    remedy = "delete it and the events after it: the watcher decides again from what it sees"
    return load_object(Event, store.get(key)[0], store.uri(key), remedy)


def record(store: Store, number: int, event: Event) -> bool:
    """Write the n-th event. False if another watcher wrote it, or may have written it."""
    try:
        store.put_new(f"{EVENTS}/{task_name(number)}{JSON_SUFFIX}", json.dumps(asdict(event)).encode())
    except (Exists, CommitUnknown):
        return False
    return True


def ledger_progress(out: str) -> LedgerProgress:
    """How far the run below `out` is; no progress if there is no run yet."""
    from refinedweb.views.run import Run

    try:
        run = Run(out)
    except ConfigError:
        return LedgerProgress(0, 0, False)
    states = run.states()
    done, total = sum(state.done for state in states), sum(state.total for state in states)
    return LedgerProgress(done, len(run.failed()), all(state.complete for state in states), total)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The function for AWS Lambda: look once at the chain `event["chain"]` (an s3:// URI of its JSON), with
    `event["policy"]`. The function's settings say for which role, image and prefix (`jobs.watch.deployment`). Raises
    ConfigError if the event is wrong, or the chain asks for anything else.
    """
    from jobs.watch.aws import SageMaker

    del context
    chain = event.get("chain")
    if not isinstance(chain, str) or not chain.startswith("s3://"):
        raise ConfigError('the event names no chain on S3: it needs {"chain": "s3://…/chain.json"}')
    policy = instance(Policy, event.get("policy", {}), "policy")
    deployment = Deployment.from_environment()
    home, links = load_chain(chain)
    deployment.check(links, chain)
    return asdict(Watcher(home, links, SageMaker(), policy).tick())

"""A world of jobs to watch, in which they make progress, hang or fail."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from jobs.watch.chain import ChainJob
from jobs.watch.watcher import LedgerProgress
from tests.jobs.watch.requests import request


def link(name: str, out: str | None = None) -> ChainJob:
    return ChainJob("processing", request(name), out)


class Died(BaseException):
    """The watcher dies, between any two calls."""


@dataclass
class World:
    """SageMaker, a run and a clock. Jobs make progress, hang or fail at random; every call may kill its caller."""

    dice: random.Random
    clock: float = 0.0
    jobs: dict[str, str] = field(default_factory=dict)
    tasks: int = 0
    most_at_once: int = 0
    mortal: bool = True

    def life(self) -> None:
        if self.mortal and self.dice.random() < 0.1:
            raise Died

    def status(self, job: ChainJob) -> tuple[str | None, str]:
        self.life()
        return self.jobs.get(job.name), ""

    def create(self, job: ChainJob) -> None:
        self.life()
        self.jobs.setdefault(job.name, "InProgress")
        self.most_at_once = max(self.most_at_once, sum(s in ("InProgress", "Stopping") for s in self.jobs.values()))
        self.life()

    def stop(self, job: ChainJob) -> None:
        self.life()
        if self.jobs[job.name] == "InProgress":
            self.jobs[job.name] = "Stopping"
        self.life()

    def idle_minutes(self, job: ChainJob, percent: float, minutes: float, now: float) -> float:
        return 0.0

    def errors(self, job: ChainJob) -> tuple[str, ...]:
        self.life()
        return ()

    def progress(self, out: str) -> LedgerProgress:
        self.life()
        return LedgerProgress(self.tasks, 0, self.tasks >= 20)

    def pass_time(self) -> None:
        self.clock += 300
        for name, status in self.jobs.items():
            if status == "Stopping":
                self.jobs[name] = "Stopped"
            elif status == "InProgress":
                roll = self.dice.random()
                self.tasks += roll < 0.5
                if roll > 0.95:
                    self.jobs[name] = "Failed"
                elif self.tasks >= 20:
                    self.jobs[name] = "Completed"

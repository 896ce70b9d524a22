"""Runs the steps of a run on a crew of workers: a pass is one loop over shards, a global step is one loop per phase."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from refinedweb.dedup import phases_of
from refinedweb.dedup.phase import Phase, PhaseWork, folder_of, ledger_of
from refinedweb.dedup.planning import context_of
from refinedweb.engine.loop import Loop, Task, Watch
from refinedweb.engine.pool import Pool, Work
from refinedweb.ledger import layout
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.local_step import LocalStep
from refinedweb.sources.inputs import Input
from refinedweb.storage import Store


@dataclass
class Done:
    """How the tasks of a step ended."""

    failed: dict[int, str] = field(default_factory=dict)
    attempts: int = 0
    deaths: int = 0


class Crew:
    """The workers of a run, started when the first task needs them, and what every step needs to know."""

    def __init__(
        self, recipe: Recipe, inputs: Sequence[Input], start: Callable[[], Pool], lease: float, watch: Watch
    ) -> None:
        self.recipe = recipe
        self.inputs = inputs
        self._start = start
        self._lease = lease
        self._watch = watch
        self._pool: Pool | None = None

    def run(self, store: Store, step: str, tasks: Sequence[Task], block: int, work: Callable[[str], Work]) -> Done:
        """Run all tasks of one ledger until each is committed, by any driver, or has failed. `work` is called with the
        driver's name.
        """
        ledger = Ledger(store, step)
        committed = ledger.committed()
        claims = Claims(store, step, self._lease)
        if committed.issuperset(task.number for task in tasks):
            claims.clear()  # of drivers that died after the last commit
            return Done()
        if self._pool is None:
            self._pool = self._start()
        self._pool.use(work(claims.owner))
        progress = Loop(tasks, block, ledger, claims, self._pool, self._watch, committed).run()
        return Done(progress.failed, progress.attempts, progress.deaths)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.close()


def run_local(crew: Crew, store: Store, step: Step, block: int) -> Done:
    """Run one pass over all shards."""
    first = step.reads is None
    tasks = [Task(n, item if first else None, item.size) for n, item in enumerate(crew.inputs)]
    return crew.run(store, step.name, tasks, block, lambda driver: LocalStep(store.root, step, crew.recipe, driver))


def run_global(crew: Crew, store: Store, step: Step, block: int) -> Done:
    """Run the phases of a global step, each when the one before it is complete; then delete its shuffle objects."""
    context = context_of(store, step, crew.recipe, len(crew.inputs))
    total, phases = Done(), {}
    for phase in phases_of(context):
        done = _run_phase(crew, store, phase)
        total.attempts += done.attempts
        total.deaths += done.deaths
        if done.failed:
            total.failed = done.failed
            return total
        phases[phase.name] = phase.count
    store.put(layout.done_key(step.name), json.dumps(phases).encode())
    _clear(store, step, phases)
    return total


def _run_phase(crew: Crew, store: Store, phase: Phase) -> Done:
    tasks = [Task(number, None, 1) for number in range(phase.count)]
    done = crew.run(store, folder_of(phase), tasks, 1, lambda driver: PhaseWork(phase, driver))
    ledger_of(phase).roll_up(set(range(phase.count)) if not done.failed else set())
    return done


def _clear(store: Store, step: Step, phases: dict[str, int]) -> None:
    """Delete the shuffle objects: nobody reads them once the decisions are written."""
    for name in phases:
        for info in list(store.list(layout.shuffle_folder(layout.phase_folder(step.name, name)))):
            if layout.is_own(info.key):
                store.delete(info.key)

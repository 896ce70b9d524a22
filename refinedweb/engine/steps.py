"""Runs the steps of a run on a crew of workers: a pass is one loop over shards, a global step is one loop per phase."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import sleep
from types import TracebackType
from typing import Self

import pyarrow as pa

from refinedweb.dedup import phases_of
from refinedweb.dedup.phase import Phase, PhaseWork, folder_of, ledger_of
from refinedweb.dedup.planning import context_of
from refinedweb.engine import policy
from refinedweb.engine.blocks import block_numbers
from refinedweb.engine.loop import Loop, LoopProgress, Watch
from refinedweb.engine.losses import Losses
from refinedweb.engine.pool import Pool, Work
from refinedweb.engine.settings import RunSettings
from refinedweb.engine.verdicts import Task
from refinedweb.ledger import layout
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger, chunks
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.local_step import LocalStep
from refinedweb.sources.inputs import Input
from refinedweb.storage import Exists, Store, split_uri
from refinedweb.views.units import counted
from stages.errors import ConfigError, RefinedWebError

CLEARED = 5_000  # objects that are deleted by one call, which is repeated as a whole if the store fails


@dataclass
class Done:
    """How the tasks of a step ended."""

    failed: dict[int, str] = field(default_factory=dict)
    attempts: int = 0
    deaths: int = 0


class Crew:
    """The workers, started when the first task needs them."""

    def __init__(self, start: Callable[[], Pool], settings: RunSettings, watch: Watch) -> None:
        self._start = start
        self._settings = settings
        self._watch = watch
        self._pool: Pool | None = None

    def run(
        self, ledger: Ledger, tasks: Sequence[Task], block: int, work: Callable[[str], Work],
        check: Callable[[], None] = lambda: None,
    ) -> Done:  # fmt: skip
        """Run all tasks of one ledger until each is committed, by any driver, or has failed. `work` is called with the
        driver's name, `check` before the first attempt of all: it raises ConfigError if the setting is wrong.
        """
        committed = ledger.committed()
        claims = self._claims(ledger)
        if committed.issuperset(task.number for task in tasks):
            claims.clear()  # of drivers that died after the last commit
            return Done()
        if not committed:
            check()
        if self._pool is None:
            self._pool = self._start()
        self._pool.use(work(claims.owner), claims.renew)
        patience = self._settings.patience
        progress = Loop(tasks, block, ledger, claims, self._pool, self._watch, committed, patience).run()
        return Done(progress.failed, progress.attempts, progress.deaths)

    def _claims(self, ledger: Ledger) -> Claims:
        return Claims(ledger.store, ledger.step, self._settings.lease)

    def await_others(self, ledger: Ledger, tasks: Sequence[Task], block: int, failed: Collection[int]) -> None:
        """Wait while other drivers hold claims on tasks that failed here: they may yet finish them."""
        claims, block_of = self._claims(ledger), block_numbers({task.number: task.size for task in tasks}, block)
        while left := set(failed) - ledger.recorded(failed):
            held = claims.claimed() - claims.silent()
            if not held.intersection(block_of[number] for number in left):
                return
            trouble = f"{counted(len(left), 'shard')} failed here; another driver tries"
            self._watch(LoopProgress(ledger.step, len(tasks), done=len(tasks) - len(left), trouble=trouble))
            sleep(policy.LOOK_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.close()


class RunCrew(Crew):
    """The workers of a run, and what every step needs to know."""

    def __init__(
        self, recipe: Recipe, inputs: Sequence[Input], start: Callable[[], Pool], settings: RunSettings, watch: Watch,
        losses: Losses, columns: pa.Schema | None = None,
    ) -> None:  # fmt: skip
        """`columns`: those that the inputs have besides those of a document, in one schema."""
        super().__init__(start, settings, watch)
        self.recipe = recipe
        self.columns = columns
        self.inputs = inputs
        self.losses = losses


def run_local(crew: RunCrew, store: Store, step: Step, block: int) -> Done:
    """Run one pass over all shards. What fails is lost if the user accepts it."""
    losses = crew.losses
    losses.carry_over(step)
    now = losses.inputs(step) if step.reads is None else []
    tasks = [Task(n, now[n] if now else None, item.size) for n, item in enumerate(crew.inputs)]
    work = partial(LocalStep, store.root, step, crew.recipe, columns=crew.columns)
    ledger = losses.ledger(step)
    done = crew.run(ledger, tasks, block, work, lambda: check_readable(now))
    if losses.would_accept(step, done.failed):
        crew.await_others(ledger, tasks, block, done.failed)
    done.failed = losses.accept(step, done.failed)
    return done


def check_readable(inputs: Sequence[Input]) -> None:
    """Raises ConfigError if this machine may read none of a few inputs: then the call is wrong, and not a worker.

    What else is wrong with an input concerns its own shard.
    """
    refusals: list[ConfigError] = []
    for number in sorted({0, len(inputs) // 2, len(inputs) - 1}) if inputs else ():
        store, key = split_uri(inputs[number].uri)
        try:
            with store.open(key) as stream:
                stream.read(1)
            return
        except ConfigError as error:
            refusals.append(error)
        except (RefinedWebError, OSError):
            return
    if refusals:
        raise refusals[0]


def run_global(crew: RunCrew, store: Store, step: Step, block: int) -> Done:
    """Run the phases of a global step, each when the one before it is complete; then delete its shuffle objects.

    If a task cannot read its shards and the user accepts that they are lost, the phases go on without them.
    """
    total = Done()
    while True:
        context = context_of(store, step, crew.recipe, len(crew.inputs), crew.losses.skipped(step))
        phases = run_phases(crew, store, phases_of(context), total)
        if not total.failed:
            break
        shards = [shard for task in total.failed if task < context.new_blocks for shard in range(*context.blocks[task])]
        if not crew.losses.accept_unreadable(step, shards, context.lost):
            return total
    if _is_first(store, step, phases) or not total.attempts:  # or what a driver that died has left
        clear_shuffles(store, step, phases)
    return total


def _is_first(store: Store, step: Step, phases: dict[str, int]) -> bool:
    """Mark the step as complete. Of many drivers one is the first, and clears up; the others need not."""
    try:
        store.put_new(layout.done_key(step.name), json.dumps(phases).encode())
    except Exists:
        return False
    return True


def run_phases(crew: Crew, store: Store, planned: Iterator[Phase], total: Done) -> dict[str, int]:
    """Run phase by phase until one has failed tasks; adds up how they ended. Returns the phases that are complete."""
    phases: dict[str, int] = {}
    for phase in planned:
        done = _run_phase(crew, store, phase)
        total.failed = done.failed
        total.attempts += done.attempts
        total.deaths += done.deaths
        if done.failed:
            break
        phases[folder_of(phase).rpartition("/")[2]] = phase.count
    return phases


def _run_phase(crew: Crew, store: Store, phase: Phase) -> Done:
    tasks = [Task(number, None, 1) for number in range(phase.count)]
    block = policy.block_of(phase.count)  # three requests for each claim, one after the other: tasks share a claim
    done = crew.run(Ledger(store, folder_of(phase)), tasks, block, lambda driver: PhaseWork(phase, driver))
    ledger_of(phase).roll_up(set(range(phase.count)) if not done.failed else set())
    return done


def clear_shuffles(store: Store, step: Step, phases: dict[str, int]) -> None:
    """Delete the shuffle objects: nobody reads them once the decisions are written."""
    for name in phases:
        found = list(store.list(layout.shuffle_folder(layout.phase_folder(step.name, name))))
        for some in chunks((info.key for info in found if layout.is_own(info.key)), CLEARED):
            store.delete_many(some)

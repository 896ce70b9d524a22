"""Executes a run: `run.json` says what the run is, the ledger says how far it is, its steps go one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from refinedweb.engine.loop import LoopProgress, Watch
from refinedweb.engine.policy import PATIENCE_SECONDS, recycle_of
from refinedweb.engine.pool import Pool
from refinedweb.engine.ray_pool import RayPool
from refinedweb.engine.start import start_or_resume
from refinedweb.ledger.claims import LEASE_SECONDS
from refinedweb.ledger.manifest import Totals
from refinedweb.ledger.totals import is_complete, run_totals
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store
from refinedweb.storage.patient import PatientStore


@dataclass
class RunResult:
    """How a run ended. `failed`: errors of the tasks of `failed_step` that failed for good; no later step was begun."""

    totals: Totals
    failed: dict[int, str] = field(default_factory=dict)
    failed_step: str = ""
    attempts: int = 0
    deaths: int = 0

    @property
    def exit_code(self) -> int:
        """0: done. 3: finished with quarantined documents, partial or failed shards, or unreadable records."""
        totals = self.totals
        return 3 if self.failed or totals.partial or totals.quarantined or totals.unreadable else 0


@dataclass(frozen=True)
class RunSettings:
    """Settings that do not influence the output: workers, the Ray cluster's address, the lease of claims and the
    driver's patience with a store that does not answer, both in seconds.
    """

    workers: int | None = None
    address: str | None = None
    lease: float = LEASE_SECONDS
    patience: float = PATIENCE_SECONDS


def execute(
    recipe: Recipe, inputs: Sequence[Input], out: str, settings: RunSettings, watch: Watch, started: Callable[[], None]
) -> RunResult:
    """Run or resume to the end. `watch` is called several times a second, `started` once the workers are up."""

    def start() -> Pool:
        mean = sum(item.size for item in inputs) // len(inputs)
        pool = RayPool(settings.workers, settings.address, recycle_of(mean))
        started()
        return pool

    return execute_on(start, recipe, inputs, out, settings.lease, watch, settings.patience)


def execute_on(
    start: Callable[[], Pool], recipe: Recipe, inputs: Sequence[Input], out: str, lease: float, watch: Watch,
    patience: float = PATIENCE_SECONDS,
) -> RunResult:  # fmt: skip
    """`execute` on the workers of the pool that `start` returns; it is called when the first task needs them."""
    from refinedweb.dedup.planning import check_index  # kernels are expensive to import, and views do without
    from refinedweb.engine.card import write_card
    from refinedweb.engine.steps import Crew, run_global, run_local

    check_index(recipe)
    run = start_or_resume(recipe, inputs, out)
    store = PatientStore(open_store(out), patience, lambda reason: watch(LoopProgress("", 0, trouble=reason)))
    result = RunResult(Totals())
    with Crew(recipe, run.inputs, start, lease, patience, watch) as crew:
        for step in run.steps:
            if step.kind == "global" and is_complete(store, step):
                continue  # as a whole, because the shuffle objects of its phases are gone
            done = (run_local if step.kind == "local" else run_global)(crew, store, step, run.block)
            result.attempts += done.attempts
            result.deaths += done.deaths
            if done.failed:
                result.failed, result.failed_step = done.failed, step.name
                break
    result.totals = run_totals(store, run.steps, roll_up=True)
    if not result.failed and not result.totals.unreadable:
        write_card(store, run, result.totals)
        store.tidy()
    return result

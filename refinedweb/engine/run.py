"""Executes a run: `run.json` says what the run is, the ledger says how far it is, its steps go one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from refinedweb.engine import policy
from refinedweb.engine.loop import LoopProgress, Watch
from refinedweb.engine.pool import Pool
from refinedweb.engine.pools import start_pool
from refinedweb.engine.ray_start import Say
from refinedweb.engine.settings import RunSettings
from refinedweb.engine.start import start_or_resume
from refinedweb.ledger.gaps import lost_to
from refinedweb.ledger.manifest import Totals
from refinedweb.ledger.run_file import RunFile
from refinedweb.ledger.totals import is_complete, run_totals
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store
from refinedweb.storage.patient import PatientStore


@dataclass
class RunResult:
    """How a run ended. `failed`: errors of the tasks of `failed_step` that failed for good; no later step was begun.
    `lost`: why each shard is lost that the run went on without. `acceptable`: as many failed shards the user would
    have to accept for the run to go on (None: it could not).
    """

    totals: Totals
    failed: dict[int, str] = field(default_factory=dict)
    failed_step: str = ""
    attempts: int = 0
    deaths: int = 0
    lost: dict[int, str] = field(default_factory=dict)
    acceptable: int | None = None

    @property
    def exit_code(self) -> int:
        """0: done. 3: finished with quarantined documents, partial, lost or failed shards, or unreadable records, or
        without having seen a document.
        """
        totals = self.totals
        trouble = self.failed or self.lost or totals.partial or totals.quarantined or totals.unreadable
        return 3 if trouble or not totals.rows_in else 0


def execute(
    recipe: Recipe, run: RunFile, out: str, settings: RunSettings, watch: Watch, started: Callable[[], None], say: Say
) -> RunResult:
    """Carry out a run that has begun. `watch` is called several times a second, `started` once the workers are up;
    `say` shows the user news of a slow start.
    """

    def start() -> Pool:
        pool = start_pool(settings.workers, settings.address, run.inputs, settings.go_on, say)
        started()
        return pool

    return carry_out(start, recipe, run, out, settings, watch)


def execute_on(
    start: Callable[[], Pool], recipe: Recipe, inputs: Sequence[Input], out: str, lease: float, watch: Watch,
    patience: float | None = None,
) -> RunResult:  # fmt: skip
    """Begin or resume the run of these inputs, and carry it out on the workers of the pool that `start` returns."""
    settings = RunSettings(lease=lease, patience=policy.PATIENCE_SECONDS if patience is None else patience)
    return carry_out(start, recipe, start_or_resume(recipe, inputs, out), out, settings, watch)


def carry_out(
    start: Callable[[], Pool], recipe: Recipe, run: RunFile, out: str, settings: RunSettings, watch: Watch
) -> RunResult:
    """Run or resume to the end. `start` is called when the first task needs workers."""
    from refinedweb.engine.card import write_card
    from refinedweb.engine.losses import Losses
    from refinedweb.engine.steps import RunCrew, run_global, run_local  # kernels are expensive to import

    store = PatientStore(open_store(out), settings.patience, lambda reason: watch(LoopProgress("", 0, trouble=reason)))
    result = RunResult(Totals())
    losses = Losses(store, run, recipe, settings.accept)
    columns = None if (seen := run.survey()) is None else seen.schema
    with RunCrew(recipe, run.inputs, start, settings, watch, losses, columns) as crew:
        for step in run.steps:
            if step.kind == "global" and is_complete(store, step):
                continue  # as a whole, because the shuffle objects of its phases are gone
            done = (run_local if step.kind == "local" else run_global)(crew, store, step, run.block)
            result.attempts += done.attempts
            result.deaths += done.deaths
            if done.failed:
                result.failed, result.failed_step = done.failed, step.name
                result.acceptable = losses.acceptable
                break
    result.totals = run_totals(store, run.steps, roll_up=True)
    result.lost = lost_to(store, run.steps) if result.totals.lost else {}
    if not result.failed and not result.totals.unreadable:
        write_card(store, run, result.totals)
        store.tidy()
    return result

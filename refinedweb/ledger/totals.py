"""How far a run is, and its sums: what the ledgers of its steps say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refinedweb.ledger import layout
from refinedweb.ledger.manifest import Ledger, Totals, load_or_none
from refinedweb.recipe.plan import Step
from refinedweb.storage import Store

RECORDS = (layout.RECORDS, layout.FAILURES)


@dataclass(frozen=True)
class StepState:
    """One step: tasks committed and known, and the sums of its records.

    Of a global step the documents that were signed and what was decided about them; more tasks may become known.
    """

    step: Step
    done: int
    total: int
    totals: Totals

    @property
    def complete(self) -> bool:
        return self.total > 0 and self.done >= self.total


def is_complete(store: Store, step: Step) -> bool:
    """Is the global step over? Of a pass, its ledger says so."""
    return load_or_none(store, layout.done_key(step.name)) is not None


def step_states(store: Store, steps: Sequence[Step], shards: int) -> list[StepState]:
    """The state of every step."""
    return [_local(store, step, shards) if step.kind == "local" else _global(store, step) for step in steps]


def ledger_folders(store: Store, steps: Sequence[Step]) -> list[str]:
    """The folders of all ledgers of a run, in the order of its steps and their phases."""
    folders: list[str] = []
    for step in steps:
        if step.kind == "local":
            folders.append(step.name)
        else:
            parts = (info.key.split("/") for info in store.list(f"{step.name}/"))
            folders += sorted({"/".join(part[:2]) for part in parts if len(part) > 2 and part[2] in RECORDS})
    return folders


def _local(store: Store, step: Step, shards: int) -> StepState:
    ledger = Ledger(store, step.name)
    totals = ledger.totals(ledger.committed())
    return StepState(step, totals.tasks, shards, totals)


def _global(store: Store, step: Step) -> StepState:
    done = sum(1 for info in store.list(f"{step.name}/") if f"/{layout.RECORDS}/" in info.key)
    phases = load_or_none(store, layout.done_key(step.name))
    ledger = Ledger(store, f"{step.name}/{layout.DECIDE}")
    return StepState(step, done, sum(phases.values()) if phases else 0, ledger.totals(ledger.committed()))


def run_totals(store: Store, steps: Sequence[Step], *, roll_up: bool = False) -> Totals:
    """The sums of all passes: documents in, those removed by any pass so far, and the rest, which is kept so far."""
    passes = []
    for step in steps:
        if step.kind == "local":
            ledger = Ledger(store, step.name)
            committed = ledger.committed()
            if roll_up:
                ledger.roll_up(committed)
            passes.append(ledger.totals(committed))
    return combined(passes)


def totals_of(states: Sequence[StepState]) -> Totals:
    """The totals of a run, of the states of its steps."""
    return combined([state.totals for state in states if state.step.kind == "local"])


def combined(passes: Sequence[Totals]) -> Totals:
    """The totals of passes, one after the other, as those of one."""
    total = Totals()
    for one in passes:
        total.merge(one)
    total.tasks, total.rows_in, total.bytes_in = passes[0].tasks, passes[0].rows_in, passes[0].bytes_in
    total.rows_kept = total.rows_in - sum(n for reasons in total.removed.values() for n in reasons.values())
    total.bytes_kept = next((one.bytes_kept for one in reversed(passes) if one.tasks), 0)
    return total

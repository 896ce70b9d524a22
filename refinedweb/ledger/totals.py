"""How far a run has come, and its sums: the ledgers of all its steps together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from refinedweb.ledger import layout
from refinedweb.ledger.manifest import Ledger, Totals
from refinedweb.recipe.plan import Step
from refinedweb.storage import Missing, Store
from refinedweb.storage.json_objects import load_object


@dataclass(frozen=True)
class StepState:
    """One step: how many of its known tasks are `done`, and the sums of its records.

    A global step counts the documents that were signed and what was decided about them, and may yet learn of more
    tasks. `again`: the documents that came a second time at its end, as the ones kept instead had left.
    """

    step: Step
    done: int
    total: int
    totals: Totals
    again: Totals = field(default_factory=Totals)

    @property
    def complete(self) -> bool:
        return self.total > 0 and self.done >= self.total


def is_complete(store: Store, step: Step) -> bool:
    """Whether a global step is complete. (For a pass, its ledger says so.)"""
    return phases_done(store, step) is not None


def phases_done(store: Store, step: Step) -> dict[str, int] | None:
    """How many tasks each phase of a complete global step had; None if it is not complete. Raises Unreadable."""
    key = layout.done_key(step.name)
    try:
        data, _ = store.get(key)
    except Missing:
        return None
    return load_object(dict[str, int], data, store.uri(key), "delete it and run the same command again")


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
            found = (layout.phase_of(info.key) for info in store.list(layout.step_folder(step.name)))
            folders += sorted({folder for folder in found if folder is not None})
    return folders


def _local(store: Store, step: Step, shards: int) -> StepState:
    ledger = Ledger(store, step.name)
    totals = ledger.totals(ledger.committed())
    return StepState(step, totals.tasks, shards, totals)


def _global(store: Store, step: Step) -> StepState:
    done = sum(1 for info in store.list(layout.step_folder(step.name)) if layout.is_record(info.key))
    phases = phases_done(store, step)
    decided, again = (Ledger(store, layout.phase_folder(step.name, name)) for name in (layout.DECIDE, layout.AMEND))
    sums = [ledger.totals(ledger.committed()) for ledger in (decided, again)]
    return StepState(step, done, sum(phases.values()) if phases else 0, *sums)


def run_totals(store: Store, steps: Sequence[Step], *, roll_up: bool = False) -> Totals:
    """Sum all passes: documents in, those that any pass has removed so far, and the rest, which are kept so far."""
    sums: dict[str, list[Totals]] = {"local": [], "global": []}
    for step in steps:
        ledger = Ledger(store, step.name if step.kind == "local" else layout.phase_folder(step.name, layout.DECIDE))
        committed = ledger.committed()
        if roll_up and step.kind == "local":
            ledger.roll_up(committed)
        sums[step.kind].append(ledger.totals(committed))
    return combined(sums["local"], sums["global"])


def totals_of(states: Sequence[StepState]) -> Totals:
    """The totals of a run, from the states of its steps."""
    of_kind = [[state.totals for state in states if state.step.kind == kind] for kind in ("local", "global")]
    return combined(*of_kind)


def combined(passes: Sequence[Totals], decided: Sequence[Totals] = ()) -> Totals:
    """The totals of successive passes, as if they were one pass. What global steps `decided`, passes carry out, so only
    the documents that could not be compared are counted there.
    """
    total = Totals()
    for one in passes:
        total.merge(one)
    total.tasks, total.rows_in, total.bytes_in = passes[0].tasks, passes[0].rows_in, passes[0].bytes_in
    removed = sum(n for reasons in total.removed.values() for n in reasons.values())
    total.rows_kept = total.rows_in - removed - total.rows_lost
    total.lost = max(one.lost for one in passes)  # a pass loses what the passes before it lost
    total.quarantined += sum(one.quarantined for one in decided)
    total.bytes_kept = next((one.bytes_kept for one in reversed(passes) if one.tasks), 0)
    return total

"""Lost shards: those that a run goes on without, because its user accepted that a few fail.

A lost shard has a commit record like any other, created by the same conditional put, so all drivers agree about it. The
record has no outputs and says why. It is final wherever later steps were made without the shard. Where no step follows,
a later run may fill the gap: it replaces the record, and exactly that one, by a compare-and-swap.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from refinedweb.ledger import layout
from refinedweb.ledger.manifest import Ledger, Record
from refinedweb.recipe.plan import Step, applied_by
from refinedweb.storage import Changed, Exists, Missing, Store
from refinedweb.storage.json_objects import Unreadable


def lost_shards(ledger: Ledger) -> dict[int, Record]:
    """The records of lost shards. A failure is noted before a shard is lost, so only noted tasks are looked at."""
    noted = ledger.recorded(ledger.noted())
    readings = ledger.readings(sorted(noted))
    return {found.task: found for found in readings if not isinstance(found, Unreadable) and found.lost}


def skipped_by(store: Store, steps: Sequence[Step], step: Step) -> frozenset[int]:
    """The shards that a global step goes on without: those that are lost to the pass that applies its decisions."""
    return frozenset(lost_shards(Ledger(store, applied_by(steps, step).name)))


def lost_to(store: Store, steps: Sequence[Step]) -> dict[int, str]:
    """Why each lost shard of a run is lost, whichever pass it was lost to."""
    lost: dict[int, str] = {}
    for step in steps:
        if step.kind == "local":
            lost.update((number, record.lost) for number, record in lost_shards(Ledger(store, step.name)).items())
    return dict(sorted(lost.items()))


def lose(ledger: Ledger, record: Record) -> Record:
    """Record a shard as lost. Returns the record that stands, which may be that of another driver, lost or not."""
    ledger.fail(record.task, record.lost)
    return ledger.commit(record)


class GapLedger(Ledger):
    """The ledger as a run sees it that fills `gaps`: a lost shard among them counts as not done, until it is done."""

    def __init__(self, store: Store, step: str, gaps: Collection[int]) -> None:
        super().__init__(store, step)
        self._gaps = set(gaps)

    def committed(self) -> set[int]:
        return self._done(super().committed())

    def recorded(self, tasks: Collection[int]) -> set[int]:
        return self._done(super().recorded(tasks))

    def record(self, task: int) -> Record:
        record = super().record(task)
        if record.lost and task in self._gaps:
            raise Missing(f"{self.store.uri(self.step)}: shard {task} is lost, and is tried again")
        return record

    def _done(self, recorded: set[int]) -> set[int]:
        for task in sorted(self._gaps & recorded):
            if self._is_lost(task):
                recorded = recorded - {task}
            else:
                self._gaps.discard(task)  # a record of work is final, and one that cannot be read is left to a person
        return recorded

    def _is_lost(self, task: int) -> bool:
        try:
            return bool(super().record(task).lost)
        except Unreadable:
            return False


def commit_filling(ledger: Ledger, record: Record) -> Record:
    """`Ledger.commit` that replaces the record of a lost shard."""
    key = layout.ledger_key(ledger.step, layout.RECORDS, record.task)
    record.check()
    try:
        ledger.store.put_new(key, record.to_json())
        return record
    except Exists:
        data, etag = ledger.store.get(key)
    if not ledger.parsed(record.task, data).lost:
        return ledger.commit(record)
    try:
        ledger.store.put_match(key, record.to_json(), etag)
        return record
    except Changed:  # another writer filled the gap before us
        return ledger.commit(record)

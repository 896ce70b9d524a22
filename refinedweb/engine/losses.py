"""Shards that a run goes on without: how many its user accepts, which are lost, and what a later run tries again.

All drivers come to the same end. At the end of its loop a driver has seen every other shard committed; so what failed
there failed at each of them, or has a record by now. The record of a lost shard is created like any other: one wins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from refinedweb.engine.allowance import Allowance
from refinedweb.ledger.gaps import GapLedger, lose, lost_shards, skipped_by
from refinedweb.ledger.manifest import Ledger, Record
from refinedweb.ledger.run_file import RunFile
from refinedweb.ledger.version import code_version
from refinedweb.recipe.plan import Step, applied_by, is_whole
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.kept import kept_shards
from refinedweb.sources.inputs import Input
from refinedweb.storage import Missing, Store, split_uri
from stages.errors import RefinedWebError, ShardError


class Losses:
    """The lost shards of one run, as one driver accepts, records and meets them."""

    def __init__(self, store: Store, run: RunFile, recipe: Recipe, allowance: Allowance) -> None:
        self._store = store
        self._run = run
        self._recipe = recipe
        self._most = allowance.of(len(run.inputs))
        self.acceptable: int | None = None  # as many would have to be accepted for the run to go on; None: it cannot

    def ledger(self, step: Step) -> Ledger:
        """The ledger of a pass. Its lost shards count as not done if no step was made without them."""
        gaps = lost_shards(Ledger(self._store, step.name)) if is_whole(step) else {}
        return GapLedger(self._store, step.name, gaps) if gaps else Ledger(self._store, step.name)

    def inputs(self, step: Step) -> list[Input]:
        """The inputs of the first pass, as they are now where a shard failed or is lost: the file may be repaired."""
        ledger, inputs = self.ledger(step), list(self._run.inputs)
        noted = ledger.noted()
        for number in sorted(noted - ledger.recorded(noted)):
            inputs[number] = _as_it_is_now(inputs[number])
        return inputs

    def would_accept(self, step: Step, failed: Collection[int]) -> bool:
        """Whether the run could go on without these shards of a pass, if they stay failed."""
        lost = lost_shards(Ledger(self._store, step.name)) if failed and self._most else {}
        return 0 < len(lost.keys() | set(failed)) <= self._most

    def accept(self, step: Step, failed: Mapping[int, str]) -> dict[int, str]:
        """Record the failed shards of a pass as lost, unless they are too many. Returns those that are still failed."""
        ledger = Ledger(self._store, step.name)
        recorded = ledger.recorded(failed)
        left = {number: error for number, error in failed.items() if number not in recorded}
        if left and not self.would_accept(step, left):
            needed = len(left) + len(lost_shards(ledger))
            self.acceptable = needed if needed < len(self._run.inputs) else None
            return left
        for number, error in left.items():
            lose(ledger, self._record(step, number, error))
        return {}

    def carry_over(self, step: Step) -> None:
        """What an earlier pass lost is lost to this one too."""
        if step.reads is None:
            return
        ledger = Ledger(self._store, step.name)
        before = lost_shards(Ledger(self._store, step.reads))
        for number in sorted(set(before) - ledger.recorded(before)):
            lose(ledger, self._record(step, number, before[number].lost))

    def skipped(self, step: Step) -> frozenset[int]:
        """The shards that a global step goes on without: those that are lost to the pass that applies its decisions."""
        self.carry_over(applied_by(self._run.steps, step))
        return skipped_by(self._store, self._run.steps, step)

    def accept_unreadable(self, step: Step, shards: Iterable[int], skipped: frozenset[int]) -> bool:
        """Whether a global step that failed at these shards can go on without more of them than it `skipped`.

        Those that cannot be read are recorded as lost to the pass that applies the step's decisions, which could not
        read them either.
        """
        now = self.skipped(step)
        if now != skipped:
            return True  # another driver was faster
        unreadable = {n: error for n in sorted(set(shards) - now) if (error := self._unreadable(step, n)) is not None}
        return bool(unreadable) and not self.accept(applied_by(self._run.steps, step), unreadable)

    def _unreadable(self, step: Step, shard: int) -> str | None:
        try:
            for _ in kept_shards(self._store, step, self._recipe).batches(shard):
                pass
        except (ShardError, Missing) as error:
            return str(error)
        return None

    def _record(self, step: Step, shard: int, reason: str) -> Record:
        """The record of a lost shard: what the pass before it kept is in the books, and lost."""
        item, rows = self._run.inputs[shard], 0
        if step.reads is not None:
            rows = Ledger(self._store, step.reads).record(shard).rows_kept
        return Record(
            task=shard,
            fingerprint=self._recipe.fingerprint(),
            code_version=code_version(),
            input_key=item.uri,
            input_etag=item.etag,
            input_size=0,
            rows_in=rows,
            rows_kept=0,
            bytes_kept=0,
            removed={},
            outputs=[],
            committed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            lost=reason,
            rows_lost=rows,
        )


def _as_it_is_now(item: Input) -> Input:
    store, key = split_uri(item.uri)
    try:
        found = store.info(key)
    except RefinedWebError:  # the task's own attempt will say what is wrong with it
        return item
    if item.part is not None:
        return item  # its place was found in the file as it was
    return Input(item.uri, found.etag, found.size)

"""Documents that a global step compares a second time, with those that are kept as if they came from an earlier run.

The global steps whose decisions one pass applies are a `StepGroup`. What such a step tells about the documents that
come again (`Ruling`) takes the place of what it had decided about them. So a document is seen as the steps before would
have left it, whether they decided at first or ruled since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Int64s, UInt64s
from refinedweb.dedup.context import OLD, Context
from refinedweb.dedup.merged import MERGED_SHARDS
from refinedweb.dedup.phase import Shuffled
from refinedweb.dedup.shuffle import concatenated
from refinedweb.ledger import layout
from refinedweb.recipe.plan import Step
from refinedweb.shard.decisions import decisions_of, replaced
from refinedweb.shard.kept import DecidedStep, KeptShards
from refinedweb.shard.stage_cache import built
from stages.dedup import DECISION, ROW, Clustered, Global, is_old

AGAIN = pa.schema([("address", pa.uint64()), ("step", pa.uint8())])  # which of the group's steps removed it
WANTED = pa.schema([("key", pa.uint64())])
RULED = pa.schema([("address", pa.uint64()), *DECISION])
_SHARD_BITS, _ROW_MASK = np.uint64(32), np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class StepGroup:
    """The global steps whose decisions one pass applies, in order. `last`: the context of the last of them."""

    last: Context
    steps: tuple[Step, ...]

    @cached_property
    def stages(self) -> tuple[Global, ...]:
        names = [step.stages[0] for step in self.steps]
        return tuple(cast(Global, s) for s in built(self.last.recipe.only(names), self.last.recipe.imports))

    def clustered(self, at: int) -> bool:
        """Whether step number `at` keeps one document of each cluster; the others find spans."""
        return isinstance(self.stages[at], Clustered)

    @property
    def likeness(self) -> list[int]:
        """For each step a number; it is the same for steps that compare the same columns."""
        kinds = list(dict.fromkeys(stage.reads for stage in self.stages))
        return [kinds.index(stage.reads) for stage in self.stages]

    def shards(self, block: int) -> Iterator[int]:
        """The shards of one of the last step's blocks that are not lost."""
        yield from (shard for shard in range(*self.last.blocks[block]) if shard not in self.last.lost)

    def __getstate__(self) -> dict[str, object]:
        return {"last": self.last, "steps": self.steps}


@dataclass(frozen=True)
class Ruling:
    """What step number `at` ruled about those documents of `again` (AGAIN) that no earlier step had removed at first.

    `decided` (RULED) is None if it ruled nothing: then they stay.
    """

    at: int
    again: Shuffled
    decided: Shuffled | None = None

    def rows(self, shard: int) -> Int64s:
        """The documents of a shard that it is about."""
        again = of_shard(self.again, shard)
        return rows_of(again.filter(pc.less_equal(again.column("step"), self.at)).column("address").to_numpy())

    def about(self, shard: int) -> pa.Table:
        """What is ruled about a shard (DECISION)."""
        if self.decided is None:
            return DECISION.empty_table()
        return of_shard(self.decided, shard).select(DECISION.names)


def of_shard(rows: Shuffled, shard: int) -> pa.Table:
    """The rows with addresses in a shard, which lie in the object of its block."""
    first = np.uint64(shard << 32)
    (block,) = rows.producer.context.block_of(np.array([first], np.uint64))
    found = concatenated([*rows.tables(int(block), 0)], rows.schema)
    return found.filter(pa.array(found.column("address").to_numpy() >> _SHARD_BITS == np.uint64(shard)))


def rows_of(addresses: UInt64s) -> Int64s:
    """The rows of addresses within their shard."""
    return (addresses & _ROW_MASK).astype(np.int64)


def ruled_since(group: StepGroup, shard: int, history: Sequence[Ruling]) -> list[pa.Table]:
    """What each step of the group decided about a shard (DECISION), as it was ruled since."""
    tables = [decisions_of(group.last.store, step.name, shard) for step in group.steps]
    for ruled in history:
        tables[ruled.at] = replaced(tables[ruled.at], ruled.rows(shard), ruled.about(shard))
    return tables


def removed_rows(tables: Sequence[pa.Table]) -> Int64s:
    """The rows of a shard that some of these decisions remove."""
    return each_once(t.filter(pc.is_valid(t.column("reason"))).column("row").to_numpy() for t in tables)


def each_once(rows: Iterable[Int64s]) -> Int64s:
    """All of these rows, each once, in order; there may be none."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *rows]))


@dataclass(frozen=True)
class RuledShards(KeptShards):
    """Shards whose decisions are `ruled` by step, and not those of the store."""

    ruled: Mapping[str, pa.Table] = field(default_factory=dict)

    def decisions(self, decided: DecidedStep, shard: int) -> pa.Table:
        return self.ruled[decided.step]


@dataclass(frozen=True, kw_only=True)
class Again(Context):
    """Step number `at` of the group, to which the documents of `again` come.

    `before`: what was ruled in earlier rounds; `now`: in this one. Old documents are those of the step's index, and,
    numbered after them, those that the whole group keeps; none are if no block has them. `only_old`: what is ruled is
    only which documents are like old ones. `wanted` (WANTED) are the keys of those that come: others need not travel.
    """

    group: StepGroup
    at: int
    prefix: str
    again: Shuffled
    before: tuple[Ruling, ...]
    now: tuple[Ruling, ...]
    only_old: bool
    wanted: Shuffled | None = None

    @property
    def second(self) -> bool:
        return True

    @cached_property
    def _wanted(self) -> UInt64s:
        assert self.wanted is not None
        keys: UInt64s = np.unique(self.wanted.read(0).column("key").to_numpy())
        return keys

    def asked(self, block: int, rows: pa.Table) -> pa.Table:
        if self.wanted is None or not self.blocks[block].old:
            return rows
        keys = rows.column(0).to_numpy()
        at = np.minimum(np.searchsorted(self._wanted, keys), max(len(self._wanted) - 1, 0))
        return rows.filter(pa.array(self._wanted[at] == keys if len(self._wanted) else np.zeros(len(keys), bool)))

    @property
    def first_kept(self) -> int:
        """The number of the shard of old documents that has what is kept of shard 0."""
        return OLD + len(self.index)

    def folder(self, phase: str) -> str:
        return layout.phase_folder(self.group.last.step.name, f"{self.prefix}{phase}")

    def tables(self, shard: int, columns: Sequence[str], wanted: UInt64s | None = None) -> Iterator[pa.Table]:
        if OLD <= shard < self.first_kept or shard >= MERGED_SHARDS:
            yield from super().tables(shard, columns, wanted)
            return
        kept, shard = shard >= self.first_kept, shard - self.first_kept if shard >= self.first_kept else shard
        if shard in self.lost:
            return
        ruled = ruled_since(self.group, shard, self.before if kept else (*self.before, *self.now))
        if kept:
            yield from self._shown(shard, columns, ruled, removed_rows(ruled), False)
            return
        coming = Ruling(self.at, self.again).rows(shard)
        coming = coming[~np.isin(coming, removed_rows(ruled[: self.at]))]
        if len(coming):
            yield from self._shown(shard, columns, ruled, coming, True)

    def _shown(
        self, shard: int, columns: Sequence[str], ruled: list[pa.Table], rows: Int64s, wanted: bool
    ) -> Iterator[pa.Table]:
        """The documents of a shard that are (`wanted`) among these rows or not, as the steps before left them."""
        group = self.group
        steps = [DecidedStep(s.name, stage) for s, stage in zip(group.steps, group.stages, strict=True)][: self.at]
        names = {step.name: table for step, table in zip(group.steps, ruled, strict=True)}
        folder, seconds = layout.handed_on_folder(str(self.step.reads)), self.recipe.run.stage_seconds
        shards = RuledShards(self.store, folder, steps, seconds=seconds, ruled=names)
        for batch in shards.batches(shard, ["id", *columns]):
            here = np.isin(batch.kept.column(ROW).to_numpy(), rows)
            yield batch.kept.filter(pa.array(here == wanted))

    def ruling(self, decided: pa.Table) -> pa.Table:
        """Decisions with an `address`, as RULED: documents that are kept have their own addresses again."""
        at = pc.fill_null(decided.column("kept_at"), pa.scalar(0, pa.uint64())).to_numpy()
        named, goes = (decided.column(name).is_valid().to_numpy() for name in ("kept_at", "reason"))
        here = goes & named & is_old(at) if self.only_old else np.ones(len(at), bool)
        own = (at >= np.uint64(self.first_kept << 32)) & (at < np.uint64(MERGED_SHARDS << 32))
        at = np.where(own, at - np.uint64(self.first_kept << 32), at)
        at_column = decided.schema.get_field_index("kept_at")
        decided = decided.set_column(at_column, "kept_at", pa.array(at, pa.uint64(), mask=~named))
        return decided.filter(pa.array(here)).select(RULED.names).cast(RULED)

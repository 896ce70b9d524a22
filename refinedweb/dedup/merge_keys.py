"""The keys of a merged index: those of a partition, and the same range of what was merged before → one object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.context import Context
from refinedweb.dedup.merged import OldKeys, piece_rows
from refinedweb.dedup.phase import PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.shuffle import concatenated, partition_of
from refinedweb.ledger import layout

MOST_OF_A_KEY = 16
_SHARD = np.uint64(32)  # shift of the file in a node


class KeysOfStage(Protocol):
    """What is merged of one stage (see `merging.MergeTask`)."""

    @property
    def stage(self) -> str: ...
    @property
    def merged(self) -> tuple[OldKeys, ...]: ...
    @property
    def pieces(self) -> int: ...
    @property
    def schema(self) -> pa.Schema: ...
    @property
    def bases(self) -> UInt64s: ...


def few_of_each(rows: pa.Table) -> pa.Table:
    """Rows by key, check and node; the first few of each key and check."""
    columns = [rows.column(name).to_numpy() for name in rows.column_names]
    order = np.lexsort(columns[::-1])
    new = np.ones(len(order), bool)
    if len(order):
        new[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns[:-1]], axis=0)
    starts = np.flatnonzero(new)
    nth = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return rows.take(pa.array(order[nth < MOST_OF_A_KEY]))


@dataclass(frozen=True)
class MergeKeys:
    """The keys of a partition → the object of its range."""

    context: Context
    task: KeysOfStage
    source: Shuffled
    erased: Shuffled | None
    name: str = "3-keys"

    @property
    def count(self) -> int:
        return self.context.partitions

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        merge, pieces = self.task, self.task.pieces
        erased = None if self.erased is None else self.erased.read(0).column("node").to_numpy()
        parts = [*self.source.each(task)]
        base = len(merge.bases) - sum(len(one.shards) for one in merge.merged)
        for one in merge.merged:
            bases = merge.bases[base : base + len(one.shards)]
            parts += (self._moved(rows, bases, erased) for rows in _range(one, task, self.count))
            base += len(one.shards)
        rows = few_of_each(concatenated([_of(part, task, self.count) for part in parts], merge.schema))
        piece = partition_of(rows.column("key").to_numpy(), self.count * pieces) - np.uint32(task * pieces)
        order = np.argsort(piece, kind="stable")
        key = layout.merged_keys_key(merge.stage, task)
        outputs.lasting(key, merge.schema, pieces).write(rows.take(pa.array(order)), piece[order])
        counts = PhaseCounts(rows.num_rows)
        counts.facts["keys"] = rows.num_rows
        return counts

    def _moved(self, rows: pa.Table, bases: UInt64s, erased: UInt64s | None) -> pa.Table:
        """Rows of keys that were merged before, with the numbers that their documents have now."""
        node = rows.column("node").to_numpy()
        moved = bases[(node >> _SHARD).astype(np.int64)] + (node & np.uint64(0xFFFFFFFF))
        rows = rows.set_column(rows.schema.get_field_index("node"), rows.schema.field("node"), pa.array(moved))
        return rows if erased is None else rows.filter(pa.array(~np.isin(moved, erased)))


def _of(rows: pa.Table, partition: int, partitions: int) -> pa.Table:
    """The rows of a partition."""
    mine = partition_of(rows.column("key").to_numpy(), partitions) == partition
    return rows if mine.all() else rows.filter(pa.array(mine))


def _range(one: OldKeys, partition: int, partitions: int) -> Iterator[pa.Table]:
    """The pieces of an index that may have keys of a partition, segment by segment."""
    each, total = one.stage.pieces, one.stage.segments * one.stage.pieces
    low, high = (-(-(number << 32) // partitions) for number in (partition, partition + 1))
    first, last = low * total >> 32, (high - 1) * total >> 32
    for segment in range(first // each, last // each + 1):
        here = range(max(first, segment * each), min(last + 1, (segment + 1) * each))
        yield from piece_rows(one.store, one.stage, segment, [piece - segment * each for piece in here])

"""What all tasks of one global step share: the documents, and the blocks and partitions they are in.

The run's documents are those that the previous pass kept, in blocks of neighbouring shards. Documents of earlier runs
(`index`) follow as further shards, numbered from `OLD` on: they are never removed, and a cluster that has one keeps it.
Those of indexes of several runs (`merged`) are numbered from `MERGED_SHARDS` on.
The address of a document is the number of its shard and its row, in 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import UInt32s, UInt64s
from refinedweb.dedup.merged import MERGED_SHARDS, OldKeys, opened
from refinedweb.dedup.old import merged_tables, old_tables
from refinedweb.dedup.routes import Limits
from refinedweb.ledger.layout import phase_folder
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.deadline import batch_limit
from refinedweb.shard.kept import KeptShards, kept_shards
from refinedweb.shard.stage_cache import built
from refinedweb.sources.inputs import Input
from refinedweb.storage import Store, open_store
from stages.dedup import OLD_ADDRESS, ROW, Global

OLD = OLD_ADDRESS >> 32  # the number of the first shard of earlier runs; a run's own shards stay far below
_SHARD_BITS = np.uint64(32)  # shift of the shard in an address


class Block(NamedTuple):
    """Neighbouring shards that one task reads: `first` to `last - 1`."""

    first: int
    last: int

    @property
    def old(self) -> bool:
        """Whether it belongs to an earlier run."""
        return self.first >= OLD


class Documents(NamedTuple):
    """A batch of documents of one shard: their addresses (uint64[n]) and columns."""

    addresses: UInt64s
    docs: pa.Table


def within(addresses: UInt64s, found: pa.Table) -> pa.Table:
    """The rows of `found` (sorted by address) from the first to the last of these documents, all of one shard."""
    if len(addresses) == 0:
        return found.slice(0, 0)
    first, last = np.searchsorted(found.column("address").to_numpy(), [addresses[0], addresses[-1] + np.uint64(1)])
    return found.slice(first, last - first)


@dataclass(frozen=True)
class Context:
    """One global step of one run. `blocks` are ordered by shard; `partitions` and `size` (bytes) are those of the keys;
    `index` are the files of earlier runs, `merged` the indexes of several; `lost` shards have no documents.
    """

    out: str
    step: Step
    recipe: Recipe
    blocks: tuple[Block, ...]
    partitions: int
    size: int
    limits: Limits
    index: tuple[Input, ...] = ()
    lost: frozenset[int] = frozenset()
    merged: tuple[Input, ...] = ()

    @cached_property
    def store(self) -> Store:
        return open_store(self.out)

    @cached_property
    def stage(self) -> Global:
        return cast(Global, built(self.recipe.only(self.step.stages), self.recipe.imports)[0])

    @cached_property
    def _kept(self) -> KeptShards:
        return kept_shards(self.store, self.step, self.recipe)

    @property
    def new_blocks(self) -> int:
        """How many blocks belong to this run; they come first."""
        return sum(not block.old for block in self.blocks)

    @property
    def signed_blocks(self) -> int:
        """How many blocks are signed; they come first. The keys of the others are read where they are asked for."""
        return sum(block.first < MERGED_SHARDS for block in self.blocks)

    @property
    def old_keys(self) -> Sequence[OldKeys]:
        """The indexes of several runs, if this step compares with them."""
        return opened(self.merged, self.stage.name) if self.signed_blocks < len(self.blocks) else ()

    def block_of(self, addresses: UInt64s) -> UInt32s:
        """The number of the block that holds each address."""
        firsts = np.array([block.first for block in self.blocks], np.uint64)
        return (np.searchsorted(firsts, addresses >> _SHARD_BITS, side="right") - 1).astype(np.uint32)

    @property
    def second(self) -> bool:
        """Whether only documents that come a second time are compared (see `again`)."""
        return False

    def limit(self) -> AbstractContextManager[None]:
        """End a worker in which the stage does not come to the end of a batch."""
        return batch_limit(self.recipe.run.stage_seconds)

    def folder(self, phase: str) -> str:
        """The folder of a phase's objects and records."""
        return phase_folder(self.step.name, phase)

    def asked(self, block: int, rows: pa.Table) -> pa.Table:
        """Those of the rows that the documents of a block were signed with that need to travel: here, all of them."""
        return rows

    def documents(self, block: int, columns: Sequence[str], wanted: UInt64s | None = None) -> Iterator[Documents]:
        """The documents of a block as this step sees them, with those of the `columns` that they have. Of an index of
        several runs, only those near the `wanted` addresses (ascending).
        """
        for shard in range(*self.blocks[block]):
            for docs in self.tables(shard, columns, wanted):
                rows = docs.column(ROW).to_numpy().astype(np.uint64)
                yield Documents((np.uint64(shard) << _SHARD_BITS) | rows, docs)

    def tables(self, shard: int, columns: Sequence[str], wanted: UInt64s | None = None) -> Iterator[pa.Table]:
        """The documents of a shard in parts, with their numbers in `@row`, as this step sees them."""
        if shard >= MERGED_SHARDS:
            merged = next(one for one in opened(self.merged, self.stage.name) if shard in one.shards)
            yield from merged_tables(merged, shard, self.stage, columns, wanted)
            return
        if shard >= OLD:
            yield from old_tables(self.index[shard - OLD], self.stage, columns)
            return
        if shard in self.lost:
            return
        for batch in self._kept.batches(shard, ["id", *columns]):
            yield batch.kept

    def __getstate__(self) -> dict[str, object]:
        """The fields, without what each process opens for itself."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

"""An index of several runs in one: their documents, and the keys in the order of a shuffle.

    index.json                            what it is: written last, so an index without it does not exist
    index/<stage>/documents/<n>.parquet   id, what was kept instead, and small columns that rank; by row
    index/<stage>/keys/<n>.shuffle        key, check if the stage has one, and node (file << 32 | row), in pieces

Piece i of all n pieces of a stage has the keys whose partition is i, if there are n partitions. So a later run reads
the pieces that its own keys fall into, by a range each, and of the documents the row groups of those that it found: it
takes what its part needs, however many runs came before. Of documents of one key, the first few are enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bools, UInt32s, UInt64s
from refinedweb.dedup.shuffle import MOST_PARTITIONS, Damaged, ShuffleReader, partition_of
from refinedweb.ledger import layout
from refinedweb.sources.bounded import BoundedRows
from refinedweb.sources.inputs import Input
from refinedweb.storage import Missing, Store, open_store
from refinedweb.storage.json_objects import Unreadable, load_object
from stages.dedup import OLD_ADDRESS, ROW, is_old
from stages.errors import ConfigError, ShardError

FORMAT = "1"
MERGED_SHARDS = (OLD_ADDRESS >> 32) + (1 << 30)  # the number of the first shard of such indexes
NODE = pa.field("node", pa.uint64())
KEY_SCHEMA = pa.schema([("key", pa.uint64()), NODE])
CHECKED_SCHEMA = pa.schema([("key", pa.uint64()), ("check", pa.uint64()), NODE])
MOST_FILES = 1 << 20  # of documents, and of keys
_ROWS, _BYTES = 1 << 14, 64 << 20  # of documents that are read at a time, at most
_SHARD = np.uint64(32)  # shift of the shard, or the file, in an address or a node


@dataclass(frozen=True)
class MergedStage:
    """The index of one stage: `files` have `numbers` rows each, those of erased documents included; `keys` rows are in
    `segments` objects of `pieces` pieces. `checks`: whether keys have them. `ranks`: columns that rank.
    """

    stage: str
    parameters: dict[str, Any]
    checks: bool
    ranks: list[str]
    numbers: list[int]
    documents: int
    keys: int
    segments: int
    pieces: int

    def is_sound(self) -> bool:
        """Whether the numbers are such as a merge writes."""
        in_range = 1 <= self.pieces <= MOST_PARTITIONS and 1 <= self.segments <= MOST_FILES
        return in_range and len(self.numbers) <= MOST_FILES and all(0 <= number < 1 << 32 for number in self.numbers)

    @property
    def schema(self) -> pa.Schema:
        """Of the rows of keys."""
        return CHECKED_SCHEMA if self.checks else KEY_SCHEMA


@dataclass(frozen=True)
class MergedIndex:
    """The content of `index.json`. `sources` are the runs and indexes that it was made of."""

    format: str
    sources: list[str]
    stages: list[MergedStage] = field(default_factory=list)

    def stage(self, name: str, where: str) -> MergedStage:
        """What it has for a stage. Raises ConfigError if that is nothing."""
        found = next((stage for stage in self.stages if stage.stage == name), None)
        if found is None:
            has = ", ".join(stage.stage for stage in self.stages)
            raise ConfigError(
                f"the index at {where} has no keys of {name}, only of {has}; merge runs that left them, or do without: "
                f"--set {name}.index=[]"
            )
        return found


def merged_or_none(store: Store) -> MergedIndex | None:
    """The index of several runs in this store, or None. Raises ConfigError for an `index.json` that is not one."""
    try:
        data, _ = store.get(layout.MERGED)
    except Missing:
        return None
    try:
        found = load_object(MergedIndex, data, store.uri(layout.MERGED), "was it written by hand?")
    except Unreadable as error:
        raise ConfigError(f"there is no index at {store.root}: {error}") from error
    if found.format != FORMAT:
        raise ConfigError(f"{store.uri(layout.MERGED)}: the index has another format; merge it again")
    if not all(stage.is_sound() for stage in found.stages):
        raise ConfigError(f"{store.uri(layout.MERGED)} cannot be right: its numbers are out of range; merge it again")
    return found


def merged_input(store: Store) -> Input:
    """The index of several runs in this store, as a file of an index."""
    info = store.info(layout.MERGED)
    return Input(store.uri(info.key), info.etag, info.size)


@lru_cache(maxsize=64)
def opened(merged: Sequence[Input], stage: str) -> Sequence[OldKeys]:
    """The keys of one stage in several such indexes, each with shards of its own. Raises ShardError."""
    found: list[OldKeys] = []
    first = MERGED_SHARDS
    for item in merged:
        found.append(open_merged(item, stage, first))
        first = found[-1].shards.stop
    return tuple(found)


def open_merged(item: Input, stage: str, first: int) -> OldKeys:
    """The keys of one stage in an index of several runs. Raises ShardError if it is another one by now."""
    root = item.uri.removesuffix(f"/{layout.MERGED}")
    store = open_store(root)
    if store.info(layout.MERGED).etag != item.etag:
        raise ShardError(f"{item.uri}, a part of the index, changed since this run began; start a new run")
    found = merged_or_none(store)
    assert found is not None
    return OldKeys(root, found.stage(stage, root), first)


@dataclass(frozen=True)
class OldKeys:
    """An index of several runs, as the step of a later run reads it. `first`: the shard of its first documents."""

    root: str
    stage: MergedStage
    first: int

    @cached_property
    def store(self) -> Store:
        return open_store(self.root)

    @property
    def shards(self) -> range:
        """The shards of its documents."""
        return range(self.first, self.first + len(self.stage.numbers))

    def matching(self, keys: UInt64s) -> Iterator[pa.Table]:
        """The rows of those of the `keys` (each once, ascending) that it has: one for each key and check."""
        places = np.unique(partition_of(keys, self.stage.segments * self.stage.pieces))
        segments = np.unique(places // np.uint32(self.stage.pieces))
        if self.store.parallel == 1 or len(segments) == 1:
            for segment in segments:
                yield from self._segment(int(segment), places, keys)
            return
        with ThreadPoolExecutor(self.store.parallel) as pool:
            for found in pool.map(lambda one: [*self._segment(int(one), places, keys)], segments):
                yield from found

    def _segment(self, segment: int, places: UInt32s, keys: UInt64s) -> Iterator[pa.Table]:
        pieces = self.stage.pieces
        first, last = np.searchsorted(places, [segment * pieces, (segment + 1) * pieces])
        for rows in piece_rows(self.store, self.stage, segment, places[first:last] - np.uint32(segment * pieces)):
            key = rows.column("key").to_numpy()
            at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            found = rows.filter(pa.array((keys[at] == key) & _firsts(rows)))
            node = found.column("node").to_numpy() + np.uint64(self.first << 32)
            yield found.set_column(found.schema.get_field_index("node"), NODE, pa.array(node))

    def tables(self, shard: int, columns: Sequence[str], wanted: UInt64s | None) -> Iterator[pa.Table]:
        """The documents of a shard, by row group, with their numbers in `@row`; only those groups of which addresses
        are `wanted`, if that is given.
        """
        names = ["id", "kept_id", *(name for name in columns if name in self.stage.ranks)]
        rows = None if wanted is None else wanted[(wanted >> _SHARD) == np.uint64(shard)] & np.uint64(0xFFFFFFFF)
        if rows is not None and not len(rows):
            return
        with self.store.open(layout.merged_documents_key(self.stage.stage, shard - self.first), random=True) as file:
            parquet = BoundedRows(file, _BYTES)
            for group in range(len(parquet.groups)):
                if rows is None or _may_have(parquet, group, rows):
                    for table in parquet.tables(group, _ROWS, ["row", *names]):
                        yield table.select(["row", *names]).rename_columns([ROW, *names])

    def __getstate__(self) -> dict[str, object]:
        """The fields, without the store that each process opens for itself."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


def _firsts(rows: pa.Table) -> Bools:
    """The first row of each key and check; rows are sorted by them."""
    new = np.zeros(rows.num_rows, bool)
    new[:1] = True
    for name in ("key", "check"):
        if name in rows.column_names:
            values = rows.column(name).to_numpy()
            new[1:] |= values[1:] != values[:-1]
    return new


def _may_have(parquet: BoundedRows, group: int, rows: UInt64s) -> bool:
    """Whether a row group may have documents with these numbers: if it does not say which it has, it may."""
    bounds = next((chunk.bounds for chunk in parquet.groups[group].chunks if chunk.name == "row"), None)
    if bounds is None or not isinstance(bounds[0], int) or not isinstance(bounds[1], int):
        return True
    numbers = rows.astype(np.int64)
    return bool(np.searchsorted(numbers, bounds[0]) < np.searchsorted(numbers, bounds[1], side="right"))


def piece_rows(store: Store, stage: MergedStage, segment: int, pieces: Sequence[int] | UInt32s) -> Iterator[pa.Table]:
    """The rows of some pieces of a segment, in order. Raises ShardError if the object is damaged."""
    key = layout.merged_keys_key(stage.stage, segment)
    try:
        with ShuffleReader(store, key, stage.schema) as reader:
            for piece in pieces:
                yield from reader.tables(int(piece))
    except Damaged as error:
        raise ShardError(f"{store.uri(key)}, a part of an index, is damaged or gone: merge it again") from error


def with_matching(merged: Sequence[OldKeys], rows: pa.Table) -> pa.Table:
    """Rows of keys (`key`, maybe `check`, `node`), and those of earlier runs that have a key of the new ones."""
    if not merged or not rows.num_rows:
        return rows
    new = ~is_old(rows.column("node").to_numpy())
    keys = np.unique(rows.column("key").to_numpy()[new])
    found = [table.select(rows.column_names) for one in merged for table in one.matching(keys)] if len(keys) else []
    return pa.concat_tables([rows, *found]).combine_chunks()

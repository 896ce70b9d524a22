"""Several indexes → one: the phases of `refinedweb index merge`, for the keys of one stage.

    1-documents   the documents of some files → one larger file, numbered anew, and the keys of those that have them,
                  shuffled; documents that are to be erased leave
    2-erased      which numbers left, in one object (if documents are to be erased)
    3-keys        a partition's keys, and the same range of the keys of indexes that were merged before → one object

What was merged before is read by ranges and never shuffled again. Of a key that many documents have, the first
`MOST_OF_A_KEY` stay, so no task holds more of a common key than that from each task before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from classifiers.kernels.arrays import Bools, UInt64s
from refinedweb.dedup.context import Context
from refinedweb.dedup.exchange import Exchange, arrived, by_key
from refinedweb.dedup.merge_keys import MergeKeys, few_of_each
from refinedweb.dedup.merged import MergedStage, OldKeys
from refinedweb.dedup.old import index_tables
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.ledger import layout
from refinedweb.shard.kept import KEPT_ID
from refinedweb.sources.inputs import Input
from refinedweb.storage import Store
from stages.dedup import ROW, checks_column, keys_column
from stages.errors import ShardError
from stages.schema import DOCUMENT

FILE_NUMBERS = 1 << 20  # of documents, in one file
PIECE_BYTES = 1 << 20  # of rows of keys, about
ERASED = pa.schema([("node", pa.uint64())])
DIGEST = 16  # bytes of the hash of an id
_DIGESTS: Any = cast(Any, pa.binary)(DIGEST)
_SHARD = np.uint64(32)


@dataclass(frozen=True)
class MergeTask:
    """What is merged: `files` of single runs, which have `numbers` documents each, then indexes that were merged
    before. `pieces` of each object of keys; `erase`: a digest of the ids that are to be erased, empty for none.
    """

    stage: str
    parameters: Mapping[str, Any]
    checks: bool
    ranks: tuple[str, ...]
    files: tuple[Input, ...]
    numbers: tuple[int, ...]
    merged: tuple[OldKeys, ...]
    pieces: int
    erase: str

    @cached_property
    def all_numbers(self) -> list[int]:
        """How many numbers each file of documents has, those that were merged before included."""
        return [*self.numbers, *(number for one in self.merged for number in one.stage.numbers)]

    @cached_property
    def groups(self) -> list[range]:
        """Which files become one."""
        found: list[range] = []
        filled = FILE_NUMBERS
        for at, number in enumerate(self.all_numbers):
            if filled + number > FILE_NUMBERS:
                found.append(range(at, at))
                filled = 0
            found[-1] = range(found[-1].start, at + 1)
            filled += number
        return found

    @cached_property
    def bases(self) -> UInt64s:
        """The node that the first document of each file gets."""
        nodes: list[int] = []
        for number, group in enumerate(self.groups):
            rows = accumulate((self.all_numbers[at] for at in group), initial=0)
            nodes += [number << 32 | row for _, row in zip(group, rows, strict=False)]
        return np.array(nodes, np.uint64)

    @property
    def schema(self) -> pa.Schema:
        """Of the rows of keys."""
        return self.result(1, 0, 0).schema

    def result(self, segments: int, documents: int, keys: int) -> MergedStage:
        """What the merged index says of the stage."""
        numbers = [sum(self.all_numbers[at] for at in group) for group in self.groups]
        return MergedStage(
            self.stage, dict(self.parameters), self.checks, list(self.ranks), numbers, documents, keys, segments,
            self.pieces,
        )  # fmt: skip


def phases(context: Context, task: MergeTask) -> Iterator[Phase]:
    """The phases, in order. Request each only when the phases before it are complete."""
    documents = MergeDocuments(context, task)
    yield documents
    rows = yield from arrived(documents.rows, documents)
    erased = None
    if task.erase:
        gather = GatherErased(context, Shuffled(documents, "erased", ERASED))
        yield gather
        erased = Shuffled(gather, "all", ERASED)
    yield MergeKeys(context, task, rows, erased)


@dataclass(frozen=True)
class MergeDocuments:
    """The documents of some files → one file, and their keys if they come with them."""

    context: Context
    task: MergeTask
    name: str = "1-documents"

    @property
    def count(self) -> int:
        return len(self.task.groups)

    @property
    def rows(self) -> Exchange:
        """The keys."""
        return by_key(self.context, "signed", self.task.schema, self.count)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        counts, sender, merge = PhaseCounts(), self.rows.open(outputs), self.task
        written = outputs.rows(layout.merged_documents_key(merge.stage, task), documents_schema(merge.ranks))
        erased = outputs.shuffle("erased", ERASED, 1)
        for at in merge.groups[task]:
            for docs in _documents(merge, at):
                counts.rows_in += docs.num_rows
                nodes = docs.column(ROW).to_numpy().astype(np.uint64) + merge.bases[at]
                gone = self._gone(docs)
                erased.write(pa.table([pa.array(nodes[gone])], schema=ERASED))
                docs, nodes = docs.filter(pa.array(~gone)), nodes[~gone]
                written.write(_numbered(docs, nodes, merge.ranks))
                if at < len(merge.files):
                    sender.write(few_of_each(_keys_of(docs, nodes, merge)))
        counts.facts["documents"] = counts.rows_in - erased.rows
        return counts

    def _gone(self, docs: pa.Table) -> Bools:
        """Which documents are to be erased, or stood for one that is."""
        if not self.task.erase:
            return np.zeros(docs.num_rows, bool)
        wanted = _erased_digests(self.context.store, self.task.erase)
        gone = pc.or_(*(pc.is_in(_digests(docs.column(name)), value_set=wanted) for name in ("id", KEPT_ID)))
        return np.asarray(gone.to_numpy(zero_copy_only=False), bool)


def documents_schema(ranks: Sequence[str]) -> pa.Schema:
    """The columns of a file of documents."""
    fields = [("row", pa.int64()), ("id", pa.string()), (KEPT_ID, pa.string())]
    return pa.schema([*fields, *(DOCUMENT.field(name) for name in ranks)])


def _documents(merge: MergeTask, at: int) -> Iterator[pa.Table]:
    """The documents of one of the files, with their numbers in it."""
    if at < len(merge.files):
        names = (*merge.ranks, keys_column(merge.stage), checks_column(merge.stage))
        yield from index_tables(merge.files[at], names)
        return
    at -= len(merge.files)
    for one in merge.merged:
        if at < len(one.shards):
            yield from one.tables(one.shards[at], merge.ranks, None)
            return
        at -= len(one.shards)


def _numbered(docs: pa.Table, nodes: UInt64s, ranks: Sequence[str]) -> pa.Table:
    """The documents as a file of them has them; null where a column is missing."""
    rows = pa.array((nodes & np.uint64(0xFFFFFFFF)).astype(np.int64))
    columns: list[Any] = [rows]
    for field in list(documents_schema(ranks))[1:]:
        known = field.name in docs.column_names
        columns.append(docs.column(field.name).cast(field.type) if known else pa.nulls(docs.num_rows, field.type))
    return pa.table(columns, schema=documents_schema(ranks))


def _keys_of(docs: pa.Table, nodes: UInt64s, merge: MergeTask) -> pa.Table:
    """A row for each key of each document."""
    keys = docs.column(keys_column(merge.stage)).combine_chunks()
    counts = pc.fill_null(pc.list_value_length(keys), 0).to_numpy(zero_copy_only=False)
    columns = [keys.flatten()]
    if merge.checks:
        columns.append(docs.column(checks_column(merge.stage)).combine_chunks().flatten())
    return pa.table([*columns, pa.array(np.repeat(nodes, counts))], schema=merge.schema)


@dataclass(frozen=True)
class GatherErased:
    """The numbers that were erased, in one object."""

    context: Context
    source: Shuffled
    name: str = "2-erased"

    @property
    def count(self) -> int:
        return 1

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        rows = self.source.read(0).sort_by("node")
        outputs.shuffle("all", ERASED, 1).write(rows)
        return PhaseCounts(rows.num_rows)


def digests_of(ids: Iterable[str]) -> Iterator[bytes]:
    """The 128-bit xxh3 of each id."""
    return (xxhash.xxh3_128_digest(value.encode()) for value in ids)


def _digests(ids: pa.ChunkedArray) -> pa.Array:
    """The same for a column; null for none."""
    found = [None if value is None else xxhash.xxh3_128_digest(value.encode()) for value in ids.to_pylist()]
    return pa.array(found, _DIGESTS)


@lru_cache(maxsize=4)
def _erased_digests(store: Store, digest: str) -> pa.Array:
    data, _ = store.get(layout.erased_key())
    if hashlib.sha256(data).hexdigest() != digest:
        raise ShardError(f"{store.uri(layout.erased_key())} is not what was to be erased; run the same command again")
    found: pa.Array = pa.FixedSizeBinaryArray.from_buffers(_DIGESTS, len(data) // DIGEST, [None, pa.py_buffer(data)])
    return found


def piece_count(size: int, segments: int, most: int) -> int:
    """The pieces of each object of keys, for `size` bytes in all objects."""
    return max(1, min(most, size // segments // PIECE_BYTES))

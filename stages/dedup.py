"""Stages that need the whole corpus: what they record about one document, and how decisions are applied to it.

Such a stage is called on a table like any other, but drops nothing itself. It signs each document with keys
(`<stage>.keys`, a list of 64-bit integers, with as many `<stage>.checks` if 64 bits are too few). Over the corpus,
documents that share a key are connected, connected documents form a cluster, and one document of each cluster stays:
the one with the lowest rank. The engine finds the clusters and writes decisions; `apply` carries them out.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from classifiers.kernels.arrays import Bools, UInt64s
from stages.base import Stage, drop_where, measure_column, set_column

ROW = "@row"
OLD_ADDRESS = 1 << 63  # addresses of documents of earlier runs begin here
SPANS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))
# One row per document that a decision concerns. `reason` null: the document stays (as the one kept of its cluster, or
# with its text cut). `kept_at`: the address (shard << 32 | row) of the document `kept_id`. `spans`: the bytes of its
# text that also occur elsewhere.
DECISION = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("reason", pa.string()),
        ("kept_id", pa.string()),
        ("kept_at", pa.uint64()),
        ("cluster_size", pa.int64()),
        ("spans", SPANS),
    ]
)
DECIDED = ("kept_id", "cluster_size")


@runtime_checkable
class Global(Stage, Protocol):
    """A stage whose verdict needs the whole corpus. `reads` names the columns that it signs."""

    reads: ClassVar[tuple[str, ...]]

    def apply(self, docs: pa.Table, decisions: pa.Table) -> pa.Table:
        """Apply the decisions to `docs`, whose numbers are in the column `@row`: set `drop`, and cut texts if present.

        The law of stages holds.
        """
        ...


@runtime_checkable
class Indexed(Global, Protocol):
    """A stage that also compares with the documents of earlier runs, which are named by `index` and came first."""

    index: tuple[str, ...]


@runtime_checkable
class Clustered(Indexed, Protocol):
    """A stage that keeps one document of each cluster of documents sharing keys. `ranks_by`: columns `rank` reads."""

    reason: ClassVar[str]
    write_index: bool

    @property
    def ranks_by(self) -> tuple[str, ...]: ...

    def keys_each(self) -> int:
        """The most keys that a document can have."""
        ...

    def key_parameters(self) -> dict[str, Any]:
        """What the keys depend on; keys made with other parameters are never compared."""
        ...

    def rank(self, docs: pa.Table) -> UInt64s:
        """A uint64 per document: the lowest of a cluster stays (of equal ones the first in the order of the input)."""
        ...


def drops_all_copies(stage: Stage) -> bool:
    """Whether nobody of a cluster stays, but for documents of earlier runs."""
    return bool(getattr(stage, "drop_all_copies", False))


def is_old(addresses: UInt64s) -> Bools:
    """Which documents belong to earlier runs."""
    old: Bools = addresses >= np.uint64(OLD_ADDRESS)
    return old


def seniority(addresses: UInt64s) -> UInt64s:
    """Numbers in the order in which the documents came: those of earlier runs before all others."""
    return addresses ^ np.uint64(OLD_ADDRESS)


def keys_column(stage: str) -> str:
    return measure_column(stage, "keys")


def checks_column(stage: str) -> str:
    return measure_column(stage, "checks")


def rank_by_id(docs: pa.Table) -> UInt64s:
    """A rank that depends only on the document's id and is practically random: the 64-bit xxh3 of the id."""
    ids = docs.column("id").to_pylist()
    return np.fromiter((xxhash.xxh3_64_intdigest(str(i).encode()) for i in ids), np.uint64, len(ids))


def key_lists(keys: UInt64s, has_key: Bools) -> pa.Array:
    """One key per document as a column of lists; an empty list if it has none. Takes uint64[n] and bool[n]."""
    offsets = np.concatenate(([0], np.cumsum(has_key))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(keys[has_key], pa.uint64()))


def apply_clusters(docs: pa.Table, decisions: pa.Table) -> pa.Table:
    """`Global.apply` of a clustered stage: set `drop`, `kept_id` and `cluster_size` as decided."""
    at = pc.index_in(docs.column(ROW), value_set=decisions.column("row").combine_chunks())
    docs = drop_where(docs, decisions.column("reason").take(at))
    for name in DECIDED:
        docs = set_column(docs, name, decisions.column(name).take(at))
    return docs

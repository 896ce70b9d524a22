"""Which member of a cluster stays: a rank for each document, the lowest of which stays.

    hash            the lowest hash of its id, in practice a random one
    newest, oldest  by `timestamp`; documents without one come last
    longest         by characters of `text`
    score:COLUMN    the highest value of a column of numbers; documents without one come last
    source:A,B,C    the first of these names that occurs in `source`; documents of none of them come last
    first           the order of the input

A rank is 64 bits: the value first, then as many bits of the hash of the id as have room. So the hash decides between
equal values, and the order of the input only where those bits are equal, too.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import UInt64s
from stages.dedup import apply_clusters, rank_by_id
from stages.errors import WrongUse

PLAIN = {"hash": (), "newest": ("timestamp",), "oldest": ("timestamp",), "longest": ("text",), "first": ()}
_TIME_BITS, _LENGTH_BITS, _SCORE_BITS, _SOURCE_BITS = 42, 32, 44, 16


class KeepsOne:
    """What stages have in common that keep one document of each cluster, by their parameter `keep`."""

    keep: str
    apply: ClassVar = staticmethod(apply_clusters)

    def __post_init__(self) -> None:
        check_keep(self.keep)

    @property
    def ranks_by(self) -> tuple[str, ...]:
        """The columns that decide which one."""
        return columns_of(self.keep)

    def rank(self, docs: pa.Table) -> UInt64s:
        """`Clustered.rank`."""
        return rank(self.keep, docs)

    def keys_each(self) -> int:
        """The most keys that a document can have."""
        return 1


def check_keep(keep: str) -> None:
    """Raises ValueError for what is not one of the above."""
    kind, _, names = keep.partition(":")
    if keep not in PLAIN and (kind not in ("score", "source") or not all(names.split(","))):
        raise ValueError(f"keep must be {', '.join(PLAIN)}, score:COLUMN or source:A,B,C, not {keep!r}")
    if kind == "source" and len(names.split(",")) >= 1 << _SOURCE_BITS:
        raise ValueError(f"keep can name fewer than {1 << _SOURCE_BITS} sources")


def columns_of(keep: str) -> tuple[str, ...]:
    """The columns that `rank` reads."""
    kind, _, names = keep.partition(":")
    return (names,) if kind == "score" else ("source",) if kind == "source" else PLAIN[keep]


def rank(keep: str, docs: pa.Table) -> UInt64s:
    """A uint64 per document: the lowest stays. Raises WrongUse if the column is not there or has no such values."""
    kind, _, names = keep.partition(":")
    if keep == "hash":
        return rank_by_id(docs)
    if keep == "first":
        return np.zeros(docs.num_rows, np.uint64)
    column = docs.column(_checked(keep, docs))
    if keep in ("newest", "oldest"):
        return _packed(_by_time(column, newest=keep == "newest"), _TIME_BITS, docs)
    if keep == "longest":
        lengths = pc.fill_null(pc.utf8_length(column), 0).to_numpy().astype(np.uint64)
        return _packed(_below(lengths, _LENGTH_BITS), _LENGTH_BITS, docs)
    if kind == "score":
        return _packed(_by_score(column), _SCORE_BITS, docs)
    return _packed(_by_source(column, names.split(",")), _SOURCE_BITS, docs)


def _checked(keep: str, docs: pa.Table) -> str:
    (name,) = columns_of(keep)
    if name not in docs.column_names:
        raise WrongUse(f"keep={keep}: the documents have no column {name!r}; they have {', '.join(docs.column_names)}")
    return name


def _packed(value: UInt64s, bits: int, docs: pa.Table) -> UInt64s:
    return (value << np.uint64(64 - bits)) | (rank_by_id(docs) >> np.uint64(bits))


def _below(value: UInt64s, bits: int) -> UInt64s:
    """The highest value first: its distance from the highest number of these bits."""
    most = np.uint64((1 << bits) - 1)
    return most - np.minimum(value, most)


def _by_time(column: pa.ChunkedArray, *, newest: bool) -> UInt64s:
    most = (1 << _TIME_BITS) - 2  # milliseconds: the year 2109
    known = column.is_valid().to_numpy()
    times = pc.fill_null(column.cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()), 0).to_numpy()
    value = np.clip(times, 0, most)
    return np.where(known, most - value if newest else value, most + 1).astype(np.uint64)


def _by_score(column: pa.ChunkedArray) -> UInt64s:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise WrongUse(f"keep=score:…: the column has values of type {column.type}, not numbers")
    scores = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
    bits = (scores + 0.0).view(np.uint64)
    sign = np.uint64(1 << 63)
    ordered = np.where(bits & sign, ~bits, bits | sign)  # in the order of the numbers
    return np.where(np.isnan(scores), np.uint64((1 << _SCORE_BITS) - 1), ~ordered >> np.uint64(64 - _SCORE_BITS))


def _by_source(column: pa.ChunkedArray, names: list[str]) -> UInt64s:
    place = np.full(len(column), len(names), np.uint64)
    for number, name in reversed(list(enumerate(names))):
        has = pc.fill_null(pc.match_substring(column.cast(pa.string()), name), False).to_numpy()
        place[has] = number
    return place

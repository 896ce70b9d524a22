"""`exact_v2`, `exact_v1`: a 128-bit key of each text, by which copies are found."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import xxhash

from classifiers.kernels.arrays import UInt64s
from stages.base import set_column, stage
from stages.dedup import apply_clusters, checks_column, key_lists, keys_column
from stages.keep import check_keep, columns_of, rank
from stages.kernels.buffers import utf8_views
from stages.kernels.normalise import normalised

_LOW = (1 << 64) - 1  # the mask of the lower 64 bits


@stage("exact_v1")
class Exact:
    """Writes a 128-bit hash (XXH3) of the text: `exact_v1.keys`, its first 64 bits, and `exact_v1.checks`, the others.

    Both are lists of one uint64; they are empty for a text without a character, which has no copies. Over the corpus,
    one of the documents with the same key stays (see `keep`), and the others are removed:
    `duplicate_text`. Called on documents, the stage only signs them. Two different texts share a key with probability
    2^-128. `exact_v2` is its successor; it takes fewer texts for the same.

    `normalise`: texts that differ only in case, accents, punctuation and white space are the same (normalised as in
    `minhash_v1`); without it, their bytes are compared.
    `keep`: which document of a cluster stays: `hash` (of the id), `newest`, `oldest`, `longest`, `first` (in the order
    of the input), `score:COLUMN` (the highest) or `source:A,B,C` (the first of these names that occurs in `source`).
    `drop_all_copies`: nobody of a cluster of several stays, but for documents of an index.
    `index`: earlier runs whose documents count as older duplicates. `write_index`: write the keys that
    later runs compare with (`OUT/index/`).
    Source: ours; RefinedWeb (Penedo et al. 2023, section 3.3) leaves copies to its other two deduplication steps.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ("text",)
    reason: ClassVar[str] = "duplicate_text"
    apply = staticmethod(apply_clusters)

    normalise: bool = True
    keep: str = "hash"
    drop_all_copies: bool = False
    index: tuple[str, ...] = ()
    write_index: bool = False

    def __post_init__(self) -> None:
        check_keep(self.keep)

    @property
    def ranks_by(self) -> tuple[str, ...]:
        return columns_of(self.keep)

    def rank(self, docs: pa.Table) -> UInt64s:
        return rank(self.keep, docs)

    def keys_each(self) -> int:
        return 1

    def key_parameters(self) -> dict[str, Any]:
        return {"normalise": self.normalise}

    def __call__(self, docs: pa.Table) -> pa.Table:
        text = docs.column("text")
        return signed(docs, self.name, *digests(normalised(text, "paper") if self.normalise else text))


@stage("exact_v2")
class ExactV2:
    """Writes a 128-bit hash (XXH3) of the text: `exact_v2.keys`, its first 64 bits, and `exact_v2.checks`, the others.

    Both are lists of one uint64; they are empty for a text without a character, which has no copies. Over the corpus,
    one of the documents with the same key stays (`keep` says which, as in `exact_v1`), and the others are removed:
    `duplicate_text`. Called on documents, the stage only signs them. Two different texts share a key with probability
    2^-128.

    `same`: what makes two texts the same.
    "unicode": their characters, however Unicode composes them (their NFC is equal) and whatever white space is between.
    "text": what `minhash_v2` compares: neither case, accents nor most punctuation count, but signs of numbers do.
    "paper": the same as in RefinedWeb; `3.14` is `314`. "bytes": every byte counts.
    `drop_all_copies`: nobody of a cluster of several stays, but for documents of an index.
    `index`: earlier runs whose documents count as older duplicates. `write_index`: write the keys that
    later runs compare with (`OUT/index/`).
    Source: ours; RefinedWeb (Penedo et al. 2023, section 3.3) leaves copies to its other two deduplication steps.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ("text",)
    reason: ClassVar[str] = "duplicate_text"
    apply = staticmethod(apply_clusters)

    same: Literal["unicode", "text", "paper", "bytes"] = "unicode"
    keep: str = "hash"
    drop_all_copies: bool = False
    index: tuple[str, ...] = ()
    write_index: bool = False

    def __post_init__(self) -> None:
        check_keep(self.keep)
        if self.same not in ("unicode", "text", "paper", "bytes"):
            raise ValueError(f'same must be "unicode", "text", "paper" or "bytes", not {self.same!r}')

    @property
    def ranks_by(self) -> tuple[str, ...]:
        return columns_of(self.keep)

    def rank(self, docs: pa.Table) -> UInt64s:
        return rank(self.keep, docs)

    def keys_each(self) -> int:
        return 1

    def key_parameters(self) -> dict[str, Any]:
        return {"same": self.same}

    def __call__(self, docs: pa.Table) -> pa.Table:
        text = docs.column("text")
        return signed(docs, self.name, *digests(text if self.same == "bytes" else normalised(text, self.same)))


def signed(docs: pa.Table, name: str, keys: pa.Array, checks: pa.Array) -> pa.Table:
    """`docs` with the keys and the checks of the stage of that name."""
    return set_column(set_column(docs, keys_column(name), keys), checks_column(name), checks)


def digests(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """The upper and the lower 64 bits of every text's XXH3, as lists of one uint64 (none for an empty text)."""
    offsets, data = utf8_views(column)
    edges, view = offsets.tolist(), data.data
    hashed = [xxhash.xxh3_128_intdigest(view[start:end]) for start, end in pairwise(edges) if end > start]
    upper, lower = np.zeros((2, len(edges) - 1), np.uint64)
    written = np.diff(offsets) > 0
    upper[written], lower[written] = [value >> 64 for value in hashed], [value & _LOW for value in hashed]
    return key_lists(upper, written), key_lists(lower, written)

"""One document per URL (RefinedWeb, section 3.3 "URL deduplication"; MDR section 9)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from classifiers.kernels.arrays import UInt64s
from stages.base import set_column, stage
from stages.dedup import apply_clusters, checks_column, key_lists, keys_column
from stages.keep import check_keep, columns_of, rank
from stages.urls.normalise import normalise_url

_LATEST = np.uint64(2**63)  # milliseconds; one more than the latest time


@stage("url_dedup_v1")
class UrlDedup:
    """Removes `duplicate_url`: another document of the corpus, or of an earlier run, has the same normalised URL.

    `keep`: which document stays: `newest` (by time of the crawl; documents without a time come last, and of equal times
    the first in the order of the input stays), `oldest`, `hash` (of the id), `longest`, `first` (in the order of the
    input), `score:COLUMN` (the highest) or `source:A,B,C` (the first of these names that occurs in `source`).
    `drop_all_copies`: nobody of a cluster of several stays, but for documents of an index.
    `index`: outputs of earlier runs, whose documents all stay and count as older parts.
    `write_index`: write the keys that later runs compare with (`OUT/index/`). `strip_tracking`: URLs that differ only
    in tracking parameters are the same. Documents without a valid URL stay. Source: Penedo et al. 2023, section 3.3 and
    appendix G.3.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ("url",)
    reason: ClassVar[str] = "duplicate_url"
    apply = staticmethod(apply_clusters)

    keep: str = "newest"
    strip_tracking: bool = False
    drop_all_copies: bool = False
    index: tuple[str, ...] = ()
    write_index: bool = False

    def keys_each(self) -> int:
        return 1

    def key_parameters(self) -> dict[str, Any]:
        return {"strip_tracking": self.strip_tracking}

    def __post_init__(self) -> None:
        check_keep(self.keep)

    @property
    def ranks_by(self) -> tuple[str, ...]:
        return columns_of(self.keep)

    def rank(self, docs: pa.Table) -> UInt64s:
        """As `stages.keep` says; but for `newest` the milliseconds before the latest time, and nothing else."""
        if self.keep != "newest":
            return rank(self.keep, docs)
        lowest = np.iinfo(np.int64).min
        times = pc.fill_null(docs.column("timestamp").cast(pa.int64()), lowest + 1).to_numpy()
        latest_first: UInt64s = _LATEST - times.astype(np.int64).view(np.uint64)
        return latest_first

    def __call__(self, docs: pa.Table) -> pa.Table:
        digests = [self._digest(url) for url in docs.column("url").to_pylist()]
        valid = np.array([digest is not None for digest in digests], bool)
        whole = [digest or 0 for digest in digests]
        high = np.array([digest >> 64 for digest in whole], np.uint64)
        low = np.array([digest & (2**64 - 1) for digest in whole], np.uint64)
        docs = set_column(docs, keys_column(self.name), key_lists(high, valid))
        return set_column(docs, checks_column(self.name), key_lists(low, valid))

    def _digest(self, url: str | None) -> int | None:
        """The 128-bit xxh3 of the normalised URL, with http and https as one; None if it is not a URL."""
        if url is None:
            return None
        normal = normalise_url(url, keep_scheme=False, strip_tracking=self.strip_tracking)
        return None if normal is None else xxhash.xxh3_128_intdigest(normal.encode())

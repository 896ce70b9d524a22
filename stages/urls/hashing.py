"""64-bit hashes of byte ranges, and a sorted array of them as a set.

A list of 4.6 million domains takes 37 MB as hashes and about 400 MB as Python strings. The price is a false match with
probability n / 2^64 per look-up: with n = 4.6 million and five look-ups per URL, one in 10^12 URLs. A look-up reads one
bucket of about eight neighbours, which the top bits of the hash select.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, UInt32s, UInt64s
from classifiers.kernels.hash import FNV_SEED, fnv, scrambled
from classifiers.kernels.jit import kernel


class HashSet(NamedTuple):
    """A set of hashes: sorted and unique, in buckets of equal top bits."""

    hashes: UInt64s
    buckets: UInt32s  # where each bucket starts, and where the last one ends
    shift: np.uint64  # from a hash to its bucket

    @classmethod
    def of(cls, parts: Iterable[UInt64s]) -> HashSet:
        """The union of the parts."""
        hashes = np.concatenate([np.empty(0, np.uint64), *parts])
        hashes.sort()
        hashes = hashes[np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]]
        bits = max(1, len(hashes).bit_length() - 3)
        shift = np.uint64(64 - bits)
        starts = np.searchsorted(hashes, np.arange(1 << bits, dtype=np.uint64) << shift)
        return cls(hashes, np.append(starts, len(hashes)).astype(np.uint32), shift)


@kernel
def hash_range(data: Bytes, start: Int, end: Int) -> Int:
    """The hash of `data[start:end]`: FNV-1a, scrambled so that all bits depend on all bytes."""
    state = FNV_SEED
    for at in range(start, end):
        state = fnv(state, data[at])
    return scrambled(state)


@kernel
def place_of(members: HashSet, wanted: Int) -> Int:
    """The place of `wanted` among the sorted hashes, or -1."""
    bucket = np.int64(wanted >> members.shift)
    for at in range(members.buckets[bucket], members.buckets[bucket + 1]):
        if members.hashes[at] >= wanted:
            return np.int64(at) if members.hashes[at] == wanted else np.int64(-1)
    return np.int64(-1)


@kernel
def contains(members: HashSet, wanted: Int) -> bool:
    """Whether `wanted` is in the set."""
    return bool(place_of(members, wanted) >= 0)

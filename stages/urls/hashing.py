"""64-bit hashes of byte ranges, and a sorted array of them as a set.

A list of 4.6 million domains is 37 MB as hashes, and about 400 MB as Python strings. The price is a false match with
probability n / 2^64 per look-up: with n = 4.6 million and five look-ups per URL, one in 10^12 URLs. A look-up reads one
bucket of about eight neighbours, found by the hash's top bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, UInt32s, UInt64s
from classifiers.kernels.jit import kernel

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)


class HashSet(NamedTuple):
    """A set of hashes: sorted, unique, with the start of every bucket of equal top bits (one more than buckets)."""

    hashes: UInt64s
    buckets: UInt32s
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
def extend(state: np.uint64, byte: int) -> np.uint64:
    """The FNV-1a state after one more byte."""
    return (state ^ np.uint64(byte)) * FNV_PRIME


@kernel
def finish(state: np.uint64) -> np.uint64:
    """The hash of a state: murmur3's finaliser, so that all bits depend on all bytes."""
    state = (state ^ (state >> _SHIFT)) * _MIX_1
    state = (state ^ (state >> _SHIFT)) * _MIX_2
    return state ^ (state >> _SHIFT)


@kernel
def hash_range(data: Bytes, start: int, end: int) -> np.uint64:
    """The hash of `data[start:end]`."""
    state = FNV_OFFSET
    for at in range(start, end):
        state = extend(state, data[at])
    return finish(state)


@kernel
def place_of(members: HashSet, wanted: np.uint64) -> Int:
    """The place of `wanted` among the sorted hashes, or -1."""
    bucket = np.int64(wanted >> members.shift)
    for at in range(members.buckets[bucket], members.buckets[bucket + 1]):
        if members.hashes[at] >= wanted:
            return np.int64(at) if members.hashes[at] == wanted else np.int64(-1)
    return np.int64(-1)


@kernel
def contains(members: HashSet, wanted: np.uint64) -> bool:
    """Is `wanted` in the set?"""
    return bool(place_of(members, wanted) >= 0)

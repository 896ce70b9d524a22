"""Hash tables with open addressing and linear probing, for all kernels: where the search for a key starts and ends.

A table consists of arrays that the caller owns, with a power of two of slots. At most half of the slots are taken, so
searches are short, unless keys collide on purpose: a table of what strangers wrote takes its slots from a hash with a
secret (`classifiers.kernels.secret`). Tables differ in what a slot holds and how a free one is marked, so there is a
`seek_…` for each kind: it moves from a slot to the first one that is free or holds the key. If equal keys may still be
different entries (because their bytes are compared too), the caller moves to the `next_slot` and seeks again.

The `seek_…` functions are compiled into the kernels that call them: passing arrays costs more than most searches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, Int32s, UInt64s
from classifiers.kernels.jit import inlined, kernel
from classifiers.kernels.secret import Secret, new_secret

LEAST_BITS = 4  # 16 slots: a smaller table would not be any faster
_64, _32 = np.uint64(64), np.uint64(32)


class Slots(NamedTuple):
    """A table that a new generation (`now[0] += 1`) empties, so that it serves one document after the other."""

    key: UInt64s
    value: Int32s
    generation: Int32s
    now: Int32s
    secret: Secret


def new_slots(entries: int) -> Slots:
    """A table for up to `entries` entries at a time."""
    size = 1 << table_bits(entries)
    values, generations = np.zeros((2, size), np.int32)
    return Slots(np.zeros(size, np.uint64), values, generations, np.zeros(1, np.int32), new_secret())


@kernel
def table_bits(entries: Int) -> Int:
    """log2 of the slots for `entries` entries: at most half of them are taken."""
    bits = LEAST_BITS
    while (1 << bits) < 2 * entries:
        bits += 1
    return bits


@kernel
def high_slot(hashed: Int, bits: Int) -> Int:
    """The first slot of 2^bits, from the high bits of a 64-bit hash, which must be mixed."""
    return np.int64(hashed >> (_64 - np.uint64(bits)))


@kernel
def next_slot(slot: Int, mask: Int) -> Int:
    """The slot after this one; `mask` is the number of slots, a power of two, less one."""
    return (slot + 1) & mask


@kernel
def scaled_slot(hashed: Int, size: Int) -> Int:
    """The first slot of a table of any size below 2^32, from the high 32 bits of a 64-bit hash."""
    return np.int64(((hashed >> _32) * np.uint64(size)) >> _32)


@kernel
def slot_after(slot: Int, size: Int) -> Int:
    """The slot after this one in a table of any size."""
    return slot + 1 if slot + 1 < size else 0


@inlined
def seek_key(keys: UInt64s, key: Int, slot: Int) -> Int:
    """Seek in a table of keys, none of which is 0; 0 = free."""
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & (len(keys) - 1)
    return slot


@inlined
def seek_number(numbers: Int32s, keys: UInt64s, key: Int, slot: Int) -> Int:
    """Seek in a table of entries' numbers, where entry n has the key `keys[n]`; -1 = free."""
    while numbers[slot] >= 0 and keys[numbers[slot]] != key:
        slot = (slot + 1) & (len(numbers) - 1)
    return slot


@inlined
def seek_generation(keys: UInt64s, generations: Int32s, now: Int, key: Int, slot: Int, mask: Int) -> Int:
    """Seek in the arrays of `Slots`, of which `mask` + 1 slots are in use; another generation than `now` = free."""
    while generations[slot] == now and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot

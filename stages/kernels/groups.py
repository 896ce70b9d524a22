"""Records with the same key: how many they are, which comes first, and for classes, how many share a fingerprint.

Hash tables of record numbers (int32: up to 2^31 - 1 records at a time); 24 to 32 bytes a record beside the input.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, Int32s, UInt32s, UInt64s
from classifiers.kernels.jit import kernel
from stages.kernels.modular import scrambled
from stages.kernels.words import table_bits

_ODD = np.uint64(0x9E3779B97F4A7C15)
_64 = np.uint64(64)


class Groups(NamedTuple):
    """Record i belongs to the group of record `leader[i]`; `size` and `first` are set at leaders."""

    leader: Int32s
    size: Int32s
    first: Int32s  # the record of the lowest (address, start)


def grouped(keys: tuple[UInt64s, UInt64s, UInt64s], addresses: UInt64s, starts: UInt32s) -> Groups:
    """Groups of the records whose three keys are the same."""
    records = len(addresses)
    groups = Groups(np.empty(records, np.int32), np.zeros(records, np.int32), np.empty(records, np.int32))
    a, b, c, addresses, starts = map(_plain, (*keys, addresses, starts))
    _group(a, b, c, addresses, starts, new_slots(records), groups)
    return groups


def _plain(values: Any) -> Any:
    """Read-only, contiguous and aligned whatever it was made from, so that a kernel is compiled once."""
    view = np.require(values, requirements=("C", "A")).view()
    view.flags.writeable = False
    return view


def new_slots(records: int) -> Int32s:
    """An empty table for so many records."""
    if records > np.iinfo(np.int32).max:
        raise ValueError(f"{records} records in one partition are more than 2^31 - 1: use more partitions")
    return np.full(1 << table_bits(records), -1, np.int32)


def classes_of(fingerprints: UInt64s, classes: Groups) -> tuple[Int32s, Int32s]:
    """Per leader of a class: how many classes its fingerprint has, and how many of them have one member (int32[n])."""
    many, single = np.zeros(len(fingerprints), np.int32), np.zeros(len(fingerprints), np.int32)
    _count_classes(_plain(fingerprints), classes, new_slots(len(fingerprints)), many, single)
    return many, single


@kernel
def _group(a: UInt64s, b: UInt64s, c: UInt64s, addresses: UInt64s, starts: UInt32s, slots: Int32s, out: Groups) -> None:
    mask, leader, size, first = len(slots) - 1, out.leader, out.size, out.first
    for record in range(len(a)):
        slot = np.int64(scrambled((a[record] * _ODD + b[record]) * _ODD + c[record])) & mask
        while slots[slot] >= 0:
            known = slots[slot]
            if a[known] == a[record] and b[known] == b[record] and c[known] == c[record]:
                break
            slot = (slot + 1) & mask
        if slots[slot] < 0:
            slots[slot] = first[record] = record
        known = slots[slot]
        leader[record] = known
        size[known] += 1
        best = first[known]
        if addresses[record] < addresses[best] or (
            addresses[record] == addresses[best] and starts[record] < starts[best]
        ):
            first[known] = record


@kernel
def _count_classes(fingerprints: UInt64s, classes: Groups, slots: Int32s, many: Int32s, single: Int32s) -> None:
    mask, leader, size = len(slots) - 1, classes.leader, classes.size
    for record in range(len(leader)):
        if leader[record] == record:
            slot = _slot_of(record, fingerprints, slots, mask)
            if slots[slot] < 0:
                slots[slot] = record
            many[slots[slot]] += 1
            single[slots[slot]] += size[record] == 1
    for record in range(len(leader)):
        if leader[record] == record:
            known = slots[_slot_of(record, fingerprints, slots, mask)]
            many[record], single[record] = many[known], single[known]


@kernel
def _slot_of(record: Int, fingerprints: UInt64s, slots: Int32s, mask: Int) -> Int:
    """The slot of the record's fingerprint, empty where it is not there yet."""
    slot = np.int64(scrambled(fingerprints[record])) & mask
    while slots[slot] >= 0 and fingerprints[slots[slot]] != fingerprints[record]:
        slot = (slot + 1) & mask
    return slot

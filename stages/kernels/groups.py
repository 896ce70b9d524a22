"""Records with the same key: how many there are, which comes first, and how many classes share a fingerprint.

The hash tables hold record numbers (int32: up to 2^31 - 1 records at a time). Memory: 24 to 32 bytes per record on top
of the input.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bools, Int, Int32s, UInt32s, UInt64s
from classifiers.kernels.jit import kernel
from classifiers.kernels.secret import Secret, new_secret, secretly
from classifiers.kernels.table import next_slot, scaled_slot, seek_number, table_bits


class Groups(NamedTuple):
    """Record i belongs to the group of record `leader[i]`; `size` and `first` are set at leaders."""

    leader: Int32s
    size: Int32s
    first: Int32s  # the record of the lowest (address, start)


def grouped(keys: tuple[UInt64s, UInt64s, UInt64s], addresses: UInt64s, starts: UInt32s) -> Groups:
    """Groups of the records that have the same three keys."""
    records = len(addresses)
    groups = Groups(np.empty(records, np.int32), np.zeros(records, np.int32), np.empty(records, np.int32))
    a, b, c, addresses, starts = map(_plain, (*keys, addresses, starts))
    _group(a, b, c, addresses, starts, new_numbers(records), new_secret(), groups)
    return groups


def first_of(groups: Groups, addresses: UInt64s) -> UInt64s:
    """For each record, the address of the first document that has its key."""
    return addresses[groups.first[groups.leader]]


def next_of(groups: Groups, addresses: UInt64s) -> UInt64s:
    """For each record, the address of the next document that has its key; after the last one comes the first.

    So going on from document to document meets all of them. It is the record's own address if no other has the key.
    """
    several = np.flatnonzero(groups.size[groups.leader] > 1)
    order = several[np.lexsort((addresses[several], groups.leader[several]))]
    leader, address = groups.leader[order], addresses[order]
    new = np.ones(len(order), np.bool_)  # the first record of a document in a group
    new[1:] = (leader[1:] != leader[:-1]) | (address[1:] != address[:-1])
    of, following = leader[new], np.roll(address[new], -1)
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    following[np.append(starts[1:], len(of))[: len(starts)] - 1] = address[new][starts]
    found = addresses.copy()
    found[order] = following[np.cumsum(new) - 1]
    return found


def _plain(values: Any) -> Any:
    """A read-only, contiguous and aligned view, whatever `values` was made from, so that a kernel is compiled once."""
    view = np.require(values, requirements=("C", "A")).view()
    view.flags.writeable = False
    return view


def new_numbers(records: int) -> Int32s:
    """An empty table for this many records."""
    if records > np.iinfo(np.int32).max:
        raise ValueError(f"{records} records in one partition are more than 2^31 - 1: use more partitions")
    return np.full(1 << table_bits(records), -1, np.int32)


def classes_of(fingerprints: UInt64s, classes: Groups, counted: Bools) -> tuple[Int32s, Int32s]:
    """Per leader of a class: how many classes its fingerprint has, and how many of them have `counted` leaders."""
    many, some = np.zeros(len(fingerprints), np.int32), np.zeros(len(fingerprints), np.int32)
    numbers = new_numbers(len(fingerprints))
    _count_classes(_plain(fingerprints), classes, _plain(counted), numbers, new_secret(), many, some)
    return many, some


@kernel
def _group(
    a: UInt64s, b: UInt64s, c: UInt64s, addresses: UInt64s, starts: UInt32s, slots: Int32s, secret: Secret, out: Groups
) -> None:  # fmt: skip
    mask, leader, size, first = len(slots) - 1, out.leader, out.size, out.first
    for record in range(len(a)):
        hashed = (a[record] * secret.factor + b[record]) * secret.factor + c[record]
        slot = scaled_slot(secretly(hashed, secret), len(slots))
        slot = seek_number(slots, a, a[record], slot)
        while slots[slot] >= 0 and (b[slots[slot]] != b[record] or c[slots[slot]] != c[record]):
            slot = seek_number(slots, a, a[record], next_slot(slot, mask))
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
def _count_classes(
    fingerprints: UInt64s, classes: Groups, counted: Bools, slots: Int32s, secret: Secret, many: Int32s, some: Int32s
) -> None:
    leader = classes.leader
    for record in range(len(leader)):
        if leader[record] == record:
            slot = _slot_of(record, fingerprints, slots, secret)
            if slots[slot] < 0:
                slots[slot] = record
            many[slots[slot]] += 1
            some[slots[slot]] += counted[record]
    for record in range(len(leader)):
        if leader[record] == record:
            known = slots[_slot_of(record, fingerprints, slots, secret)]
            many[record], some[record] = many[known], some[known]


@kernel
def _slot_of(record: Int, fingerprints: UInt64s, slots: Int32s, secret: Secret) -> Int:
    """The slot of the record's fingerprint; it is empty if the fingerprint has not occurred yet."""
    first = scaled_slot(secretly(fingerprints[record], secret), len(slots))
    return seek_number(slots, fingerprints, fingerprints[record], first)

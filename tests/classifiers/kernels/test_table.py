"""Searches in tables against dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.kernels.arrays import Int, Int64s, UInt64s
from classifiers.kernels.hash import GOLDEN, mixed
from classifiers.kernels.jit import kernel
from classifiers.kernels.table import (
    LEAST_BITS,
    Slots,
    high_slot,
    new_slots,
    next_slot,
    scaled_slot,
    seek_generation,
    seek_key,
    seek_number,
    slot_after,
    table_bits,
)
from tests.examples import examples

KEYS = st.lists(st.integers(1, 40) | st.integers(1, 2**64 - 1), max_size=60)


@kernel
def _numbers_by_key(keys: UInt64s, bits: Int, out: Int64s) -> None:
    table, values = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits, np.int64)
    for k in range(len(keys)):
        slot = seek_key(table, keys[k], high_slot(keys[k] * GOLDEN, bits))
        if table[slot] == 0:
            table[slot], values[slot] = keys[k], k
        out[k] = values[slot]


@kernel
def _numbers_by_number(keys: UInt64s, bits: Int, out: Int64s) -> None:
    numbers = np.full(1 << bits, -1, np.int32)
    for k in range(len(keys)):
        slot = seek_number(numbers, keys, keys[k], high_slot(keys[k] * GOLDEN, bits))
        if numbers[slot] < 0:
            numbers[slot] = k
        out[k] = numbers[slot]


@kernel
def _numbers_by_generation(keys: UInt64s, bits: Int, slots: Slots, out: Int64s) -> None:
    slots.now[0] += 1
    now, known, generations, values = slots.now[0], slots.key, slots.generation, slots.value
    for k in range(len(keys)):
        slot = seek_generation(known, generations, now, keys[k], high_slot(mixed(keys[k]), bits), (1 << bits) - 1)
        if generations[slot] != now:
            known[slot], generations[slot], values[slot] = keys[k], now, k
        out[k] = values[slot]


@given(KEYS)
@settings(max_examples=examples(60), deadline=None)
def test_every_table_numbers_keys_by_their_first_place(keys: list[int]) -> None:
    firsts = dict[int, int]()
    expected = [firsts.setdefault(key, place) for place, key in enumerate(keys)]
    array, bits, out = np.array(keys, np.uint64), table_bits(len(keys)), np.zeros(len(keys), np.int64)
    _numbers_by_key(array, bits, out)
    assert out.tolist() == expected
    _numbers_by_number(array, bits, out)
    assert out.tolist() == expected
    slots = new_slots(len(keys))
    for _ in range(2):  # the second generation does not see the first
        _numbers_by_generation(array, bits, slots, out)
        assert out.tolist() == expected


@pytest.mark.parametrize(("entries", "bits"), [(0, LEAST_BITS), (8, 4), (9, 5), (16, 5), (17, 6), (1 << 20, 21)])
def test_half_of_the_slots_stay_free(entries: int, bits: int) -> None:
    assert table_bits(entries) == bits
    assert len(new_slots(entries).key) == 1 << bits


def test_slots_begin_again_after_the_last() -> None:
    assert [next_slot(slot, 15) for slot in (0, 14, 15)] == [1, 15, 0]
    assert [slot_after(slot, 12) for slot in (0, 10, 11)] == [1, 11, 0]
    assert high_slot(np.uint64(2**64 - 1), 4) == 15
    assert [scaled_slot(np.uint64(value), 12) for value in (0, 2**63, 2**64 - 1)] == [0, 6, 11]

"""Hashes against published values."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.kernels import hash as hashes
from classifiers.kernels.arrays import Int


# From the test suite of FNV's authors (test_fnv.c).
@pytest.mark.parametrize(
    ("data", "short", "long"),
    [
        (b"", 0x811C9DC5, 0xCBF29CE484222325),
        (b"a", 0xE40C292C, 0xAF63DC4C8601EC8C),
        (b"foobar", 0xBF9CF968, 0x85944171F73967E8),
    ],
)
def test_fnv_is_its_authors(data: bytes, short: int, long: int) -> None:
    state, state32 = hashes.FNV_SEED, hashes.FNV32_SEED
    for byte in data:
        state, state32 = np.uint64(hashes.fnv(state, byte)), np.uint32(hashes.fnv32(state32, byte))
    assert (int(state), hashes.fnv_of(data)) == (long, long)
    assert (int(state32), hashes.fnv32_of(data)) == (short, short)


def test_bytes_beyond_ascii_have_the_sign_of_fasttexts() -> None:
    state = hashes.FNV32_SEED
    for byte in "né".encode():
        state = np.uint32(hashes.fnv32(state, byte))
    assert int(state) == hashes.fnv32_of("né".encode())
    plain = 0x811C9DC5
    for byte in "né".encode():
        plain = ((plain ^ byte) * 16777619) & 0xFFFFFFFF
    assert int(state) != plain


# From reference implementations in C: MurmurHash3's fmix64, splitmix64's output function, degski's two rounds.
@pytest.mark.parametrize(
    ("mixer", "value", "expected"),
    [
        (hashes.scrambled, 1, 0xB456BCFC34C2CB2C),
        (hashes.avalanche, 0x9E3779B97F4A7C15, 0xE220A8397B1DCDAF),
        (hashes.mixed, 0, 0),
    ],
)
def test_mixers_are_the_published_ones(mixer: object, value: int, expected: int) -> None:
    assert callable(mixer)
    found: Int = mixer(np.uint64(value))
    assert int(found) == expected

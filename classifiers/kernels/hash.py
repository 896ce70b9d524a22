"""Hashes for all kernels: FNV-1a of 64 bits and of fastText's 32, mixers of 64-bit words, and their constants.

FNV-1a: Fowler, Noll and Vo, http://www.isthe.com/chongo/tech/comp/fnv/. A hash starts with the seed, and each value is
one step. The highest bits hardly depend on the last value: mix a hash before you take a table's slot from them.
"""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Int
from classifiers.kernels.jit import kernel

FNV_SEED, FNV_PRIME = np.uint64(14_695_981_039_346_656_037), np.uint64(1_099_511_628_211)  # of 64 bits
FNV32_SEED, FNV32_PRIME = np.uint32(2_166_136_261), np.uint32(16_777_619)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, odd: Fibonacci hashing's factor
POLYNOMIAL_BASE = np.uint64(0x9E3779B97F4A7C55)  # of rolling hashes; 5 modulo 8: its powers repeat after 2^62

_27, _30, _31, _32, _33 = (np.uint64(bits) for bits in (27, 30, 31, 32, 33))
_MIX = np.uint64(0xD6E8FEB86659FD93)  # of degski's mixer, here without its last shift
_MURMUR_1, _MURMUR_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SPLITMIX_1, _SPLITMIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@kernel
def fnv(state: Int, value: Int) -> Int:
    """The 64-bit state after one more value: a byte, a code point or another hash."""
    return (state ^ np.uint64(value)) * FNV_PRIME


@kernel
def fnv32(state: Int, byte: Int) -> Int:
    """The 32-bit state after one more byte, with the sign of fastText's `int8_t` extended."""
    signed = np.uint32(byte) if byte < 128 else np.uint32(byte) | np.uint32(0xFFFFFF00)
    return np.uint32(np.uint32(state ^ signed) * FNV32_PRIME)


def fnv_of(values: bytes | list[int]) -> int:
    """What `fnv` gives step by step, for Python: bytes, or code points."""
    state = int(FNV_SEED)
    for value in values:
        state = ((state ^ value) * int(FNV_PRIME)) & 0xFFFFFFFFFFFFFFFF
    return state


def fnv32_of(data: bytes) -> int:
    """What `fnv32` gives step by step, for Python."""
    state = int(FNV32_SEED)
    for byte in data:
        state = ((state ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * int(FNV32_PRIME)) & 0xFFFFFFFF
    return state


@kernel
def mixed(value: Int) -> Int:
    """A 64-bit hash whose high bits depend on every bit of `value`."""
    value = (value ^ (value >> _32)) * _MIX
    return (value ^ (value >> _32)) * _MIX


@kernel
def scrambled(value: Int) -> Int:
    """A bijection of the 64-bit words in which every bit depends on every bit of `value` (MurmurHash3's finaliser)."""
    value = (value ^ (value >> _33)) * _MURMUR_1
    value = (value ^ (value >> _33)) * _MURMUR_2
    return value ^ (value >> _33)


@kernel
def avalanche(value: Int) -> Int:
    """A bijection of the 64-bit words in which every bit depends on every bit of `value` (splitmix64's finaliser)."""
    value = (value ^ (value >> _30)) * _SPLITMIX_1
    value = (value ^ (value >> _27)) * _SPLITMIX_2
    return value ^ (value >> _31)

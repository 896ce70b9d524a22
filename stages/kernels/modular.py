"""Arithmetic modulo the prime 2^61 - 1, for polynomial hashes with a bound on collisions.

For a base drawn at random, two different sequences of n values below the prime collide with probability at most
n / 2^61, because their difference is a polynomial with at most n roots. That holds for every pair of sequences, so also
for runs, periodic texts and Thue-Morse words, on which polynomials modulo 2^64 fail for every base.
"""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Int, UInt64s
from classifiers.kernels.jit import kernel

PRIME = np.uint64((1 << 61) - 1)  # a Mersenne prime: a sum and a shift reduce a number
# Four bases, drawn once (os.urandom) and then fixed, because results must not depend on the run.
BASE_A, BASE_B = np.uint64(0x1903698FEFA7B9CE), np.uint64(0x073389C93B2FD622)  # of sequences of tokens
INNER_A, INNER_B = np.uint64(0x1930E74F7A58BAD0), np.uint64(0x0CEE4B0AA4020096)  # of the pieces of a long token

_31, _30, _61, _1 = np.uint64(31), np.uint64(30), np.uint64(61), np.uint64(1)  # bits to shift by
_LOW31, _LOW30 = np.uint64((1 << 31) - 1), np.uint64((1 << 30) - 1)  # masks of the low 31 and 30 bits


@kernel
def reduced(value: Int) -> Int:
    """Any uint64 modulo the prime."""
    value = (value & PRIME) + (value >> _61)
    return value - PRIME if value >= PRIME else value


@kernel
def product(a: Int, b: Int) -> Int:
    """a * b modulo the prime; both are uint64 below it."""
    a_high, a_low, b_high, b_low = a >> _31, a & _LOW31, b >> _31, b & _LOW31
    middle = a_low * b_high + a_high * b_low
    low = ((middle & _LOW30) << _31) + a_low * b_low
    return reduced(((a_high * b_high) << _1) + (middle >> _30) + low)


@kernel
def appended(hashed: Int, base: Int, value: Int) -> Int:
    """The hash of a sequence with one more value, which is below the prime."""
    return reduced(product(hashed, base) + value)


@kernel
def between(prefix_end: Int, prefix_start: Int, power: Int) -> Int:
    """The hash of a part, from the hashes of the prefixes at its ends and the base to the power of its length."""
    return reduced(prefix_end + PRIME - product(prefix_start, power))


def powers(base: np.uint64, most: int) -> UInt64s:
    """The powers base^0 to base^most."""
    out, power = np.empty(most + 1, np.uint64), 1
    for exponent in range(most + 1):
        out[exponent] = power
        power = power * int(base) % int(PRIME)
    return out

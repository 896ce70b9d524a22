"""Secrets for hashes of foreign text that only have to tell texts apart, so that nobody can make texts that collide.

An attacker who knows a hash can write a document whose words all meet in one slot of a table, where each look-up then
walks past all the words before it. So tables over foreign texts take their slots from a hash with numbers that are
drawn anew for each table. They decide where an entry lies and never what comes out: equality is decided by the keys or
bytes, and entries are numbered in the order of the text. Hashes that are written down (ids, keys, signatures) have no
secret.

A secret is an argument of the kernels. A constant would be compiled into the machine code that lies on disk.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int
from classifiers.kernels.jit import kernel

_32 = np.uint64(32)


class Secret(NamedTuple):
    """Where a hash starts, and the odd factor of its steps."""

    start: np.uint64
    factor: np.uint64


def new_secret() -> Secret:
    """Drawn from the system's randomness. The factor is 5 modulo 8, as a polynomial's base must be."""
    return Secret(np.uint64(secrets.randbits(64)), np.uint64(secrets.randbits(61) << 3 | 5))


@kernel
def secret_step(state: Int, value: Int, secret: Secret) -> Int:
    """The state of a secret hash after one more value. Two given texts collide for few factors: 2^-22 of them at most
    for words of two characters, fewer for others of up to a thousand characters.
    """
    return (state ^ np.uint64(value)) * secret.factor


@kernel
def secretly(value: Int, secret: Secret) -> Int:
    """A bijection of the 64-bit words, another one for each secret. Its high bits, which choose the slot, depend on
    every bit of `value`; by a random odd factor, two given values share their slot about as often as chance has it.
    """
    value = (value ^ secret.start) * secret.factor
    return (value ^ (value >> _32)) * secret.factor

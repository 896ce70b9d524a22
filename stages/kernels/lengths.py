"""Lengths of strings that lie one after another, each after its length in 4 bytes, as in Parquet's dictionaries."""

from __future__ import annotations

from classifiers.kernels.arrays import Bytes
from classifiers.kernels.jit import kernel


@kernel
def longest(data: Bytes, values: int, size: int) -> int:
    """The length of the longest of these strings, which have `size` bytes together, or what it is at most.

    `data` are their first bytes (uint8[n]).
    """
    at, most = 0, 0
    for _ in range(values):
        if at + 4 > len(data):
            return max(most, size - at)
        length = int(data[at]) | int(data[at + 1]) << 8 | int(data[at + 2]) << 16 | int(data[at + 3]) << 24
        most = max(most, length)
        at += 4 + length
    return most

"""Columns of 64-bit numbers: checked, paired into rows, and sorted with the least significant digit first."""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Int, Int64s, UInt64s
from classifiers.kernels.jit import kernel

DIGIT = 11  # bits per digit: a core's caches and address tables still hold 2,048 places to write to


def columns(**named: UInt64s) -> list[UInt64s]:
    """The columns as read-only contiguous arrays, so that a kernel is compiled only once.

    Raises TypeError for any type but uint64 (a cast would hide a wrong sign), ValueError for unequal lengths.
    """
    for name, values in named.items():
        if not isinstance(values, np.ndarray) or values.dtype != np.uint64 or values.ndim != 1:
            raise TypeError(
                f"{name} must be a one-dimensional array of uint64, got {_described(values)}; convert it first"
            )
    if len({len(values) for values in named.values()}) > 1:
        sizes = ", ".join(f"{name} has {len(values)}" for name, values in named.items())
        raise ValueError(f"columns of one table must have equal lengths, but {sizes}; pass columns of the same rows")
    return [_read_only(values) for values in named.values()]


def _described(values: object) -> str:
    return f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__


def _read_only(values: UInt64s) -> UInt64s:
    view = np.ascontiguousarray(values).view()
    view.flags.writeable = False
    return view


def paired(first: UInt64s, second: UInt64s) -> UInt64s:
    """Two columns as rows, copied."""
    return np.stack((first, second), axis=1)


def sort_rows(rows: UInt64s, *by: int) -> UInt64s:
    """Rows sorted by the columns `by`, the most significant first. `rows` is used as scratch.

    Takes one pass per digit that differs between rows; document addresses have few of them. Memory: 2 × `rows`.
    """
    source, target, places = rows, np.empty_like(rows), np.zeros(1 << DIGIT, np.int64)
    for column in reversed(by):
        bits = int(varying_bits(source, column))
        while bits:
            shift = (bits & -bits).bit_length() - 1
            scatter(source, target, column, np.uint64(shift), places)
            source, target = target, source
            bits &= ~(((1 << DIGIT) - 1) << shift)
    return source


@kernel
def varying_bits(rows: UInt64s, column: Int) -> Int:
    """The bits in which two rows of a column differ."""
    varying = np.uint64(0)
    for row in range(len(rows)):
        varying |= rows[row, column] ^ rows[0, column]
    return varying


@kernel
def scatter(source: UInt64s, target: UInt64s, column: Int, shift: Int, places: Int64s) -> None:
    """A stable counting sort by the digit of `column` that starts at bit `shift`."""
    mask = np.uint64(len(places) - 1)
    places[:] = 0
    for row in range(len(source)):
        places[(source[row, column] >> shift) & mask] += 1
    at = 0
    for digit in range(len(places)):
        at, places[digit] = at + places[digit], at
    for row in range(len(source)):
        digit = (source[row, column] >> shift) & mask
        place = places[digit]
        places[digit] = place + 1
        target[place, 0], target[place, 1] = source[row, 0], source[row, 1]

"""Winnowing: one of the k-grams of each window of tokens is its fingerprint, and neighbouring windows share it.

Source: Schleimer, Wilkerson and Aiken 2003, "Winnowing: local algorithms for document fingerprinting", section 3.
The paper records each chosen position. Here the run of windows that chose it is recorded too, which makes it exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, Int64s, UInt16s, UInt32s, UInt64s
from classifiers.kernels.hash import scrambled
from classifiers.kernels.jit import kernel
from stages.kernels.modular import BASE_A, BASE_B, appended, between, powers
from stages.kernels.tokens import Tokens

_COUNT_BITS = np.uint64(16)  # bits of a shape that hold the number of windows
_OTHER = np.uint64(0x2545F4914F6CDD1D)  # arbitrary; makes the second mixing of a hash differ from the first


class Occurrences(NamedTuple):
    """The chosen k-grams, in the order of rows and positions."""

    fingerprint: UInt64s
    high: UInt64s  # hash of the context in the first family
    low: UInt64s  # the same in the second family
    row: Int64s
    start: UInt32s  # token where the first window of the run starts
    windows: UInt16s  # how many windows the run has


class Scale(NamedTuple):
    """What follows from the length of a window."""

    length: int  # tokens of a window
    gram: int  # tokens of a k-gram
    a: UInt64s  # powers of the first family's base, up to the longest context
    b: UInt64s


def scale(length: int) -> Scale:
    """The scale with k = length / 2, so that a window has about as many k-grams as a k-gram has tokens."""
    return Scale(length, max(length // 2, 1), powers(BASE_A, 2 * length), powers(BASE_B, 2 * length))


def winnow(tokens: Tokens, scale: Scale) -> Occurrences:
    """Every occurrence in the rows. A row that is shorter than a window has none."""
    counts = np.diff(tokens.first)
    most = int(np.maximum(counts - scale.length + 1, 0).sum())
    fingerprint, high, low = np.empty((3, most), np.uint64)
    row, start, windows = np.empty(most, np.int64), np.empty(most, np.uint32), np.empty(most, np.uint16)
    out = Occurrences(fingerprint, high, low, row, start, windows)
    found = _winnow(tokens, scale, np.empty(int(counts.max(initial=0)) + 1, np.uint64), out)
    columns: list[Any] = [column[:found].copy() for column in out]
    return Occurrences(*columns)


@kernel
def _winnow(tokens: Tokens, scale: Scale, hashes: UInt64s, out: Occurrences) -> Int:
    """Choose the smallest hash of each window, and the rightmost of equal ones.

    `hashes` is scratch with an entry per k-gram of a row.
    """
    length, gram, power, found = scale.length, scale.gram, scale.a[scale.gram], 0
    width = length - gram + 1
    for row in range(len(tokens.first) - 1):
        count = tokens.first[row + 1] - tokens.first[row]
        a, chosen, start = tokens.a[tokens.first[row] + row :], -1, 0
        for last in range(count - gram + 1):
            hashed = scrambled(between(a[last + gram], a[last], power))
            hashes[last] = hashed
            window = last - width + 1
            before = chosen
            if chosen < 0 or hashed <= hashes[chosen]:
                chosen = last
            elif chosen < window:
                chosen = _rightmost_smallest(hashes, window, last)
            if window > 0 and chosen != before:
                _record(row, start, window - start, before, tokens, scale, hashes, found, out)
                start, found = window, found + 1
        if count >= length:
            _record(row, start, count - length + 1 - start, chosen, tokens, scale, hashes, found, out)
            found += 1
    return found


@kernel
def _rightmost_smallest(hashes: UInt64s, first: Int, last: Int) -> Int:
    chosen = last
    for at in range(last - 1, first - 1, -1):
        if hashes[at] < hashes[chosen]:
            chosen = at
    return chosen


@kernel
def _record(
    row: Int, start: Int, count: Int, chosen: Int, tokens: Tokens, scale: Scale, hashes: UInt64s, to: Int,
    out: Occurrences,
) -> None:  # fmt: skip
    """Write an occurrence. The hash of its context covers the tokens, the number of windows and the k-gram's place."""
    at = tokens.first[row] + row + start
    size = count - 1 + scale.length
    shape = (np.uint64(chosen - start + 1) << _COUNT_BITS) | np.uint64(count)
    high = between(tokens.a[at + size], tokens.a[at], scale.a[size])
    low = between(tokens.b[at + size], tokens.b[at], scale.b[size])
    out.high[to], out.low[to] = scrambled(appended(high, BASE_A, shape)), scrambled(appended(low, BASE_B, shape))
    # The smallest of many hashes is small, so it is mixed again: its high bits must spread over partitions.
    out.fingerprint[to] = scrambled(hashes[chosen] ^ _OTHER)
    out.row[to], out.start[to], out.windows[to] = row, start, count

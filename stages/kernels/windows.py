"""Single windows of tokens: their hashes, and the bytes that runs of windows cover."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, Int64s, UInt64s
from classifiers.kernels.hash import scrambled
from classifiers.kernels.jit import kernel
from stages.kernels.modular import between
from stages.kernels.tokens import Tokens
from stages.kernels.winnow import Scale


@kernel
def hash_windows(
    tokens: Tokens, scale: Scale, rows: Int64s, starts: Int64s, counts: Int64s, high: UInt64s, low: UInt64s
) -> None:
    """Compute the hash of each window of each run, one after the other, in both families."""
    length, to = scale.length, 0
    for run in range(len(rows)):
        at = tokens.first[rows[run]] + rows[run] + starts[run]
        for window in range(at, at + counts[run]):
            high[to] = scrambled(between(tokens.a[window + length], tokens.a[window], scale.a[length]))
            low[to] = scrambled(between(tokens.b[window + length], tokens.b[window], scale.b[length]))
            to += 1


class Covered(NamedTuple):
    """Spans that do not overlap or touch, in the order of rows: bytes of the row, and the numbers of their tokens."""

    row: Int64s
    start: Int64s
    end: Int64s
    first: Int64s
    last: Int64s  # the token after the span


def cover(tokens: Tokens, length: int, rows: Int64s, starts: Int64s, counts: Int64s) -> Covered:
    """What the runs, sorted by (row, start), cover."""
    out = np.empty((5, len(rows)), np.int64)
    found = _cover(tokens, length, rows, starts, counts, out)
    return Covered(*out[:, :found])


@kernel
def _cover(tokens: Tokens, length: Int, rows: Int64s, starts: Int64s, counts: Int64s, out: Int64s) -> Int:
    found, row = 0, np.int64(-1)
    for run in range(len(rows)):
        first = tokens.first[rows[run]] + starts[run]
        last = first + counts[run] + length - 1
        start, end = tokens.start[first], tokens.end[last - 1]
        if rows[run] == row and start <= out[2, found - 1]:
            out[2, found - 1] = max(end, out[2, found - 1])
            out[4, found - 1] = max(last, out[4, found - 1])
            continue
        row = rows[run]
        out[0, found], out[1, found], out[2, found], out[3, found], out[4, found] = row, start, end, first, last
        found += 1
    return found


def merged(spans: Covered, least: int, gap: int) -> Int64s:
    """(row, start, end) of the spans of `least` bytes or more; those with fewer than `gap` tokens between are one."""
    row, start, end, first, last = np.stack(spans)[:, spans.end - spans.start >= least]
    begins = np.ones(len(row), bool)
    begins[1:] = (row[1:] != row[:-1]) | (first[1:] - last[:-1] >= gap)
    at = np.flatnonzero(begins)
    return np.stack((row[at], start[at], end[np.append(at[1:], len(row)) - 1 if len(at) else at]))

"""Single windows of tokens: their hashes, and the bytes that runs of windows cover."""

from __future__ import annotations

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


def cover(tokens: Tokens, length: int, rows: Int64s, starts: Int64s, counts: Int64s) -> Int64s:
    """The bytes that the runs, sorted by (row, start), cover: spans (row, start, end) that do not overlap or touch."""
    out = np.empty((3, len(rows)), np.int64)
    return out[:, : _cover(tokens, length, rows, starts, counts, out)]


@kernel
def _cover(tokens: Tokens, length: Int, rows: Int64s, starts: Int64s, counts: Int64s, out: Int64s) -> Int:
    found, row = 0, np.int64(-1)
    for run in range(len(rows)):
        first = tokens.first[rows[run]] + starts[run]
        start, end = tokens.start[first], tokens.end[first + counts[run] + length - 2]
        if rows[run] == row and start <= out[2, found - 1]:
            out[2, found - 1] = max(end, out[2, found - 1])
            continue
        row = rows[run]
        out[0, found], out[1, found], out[2, found] = row, start, end
        found += 1
    return found

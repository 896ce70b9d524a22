"""Fast Similarity Sketching (Dahlgaard, Knudsen, Thorup, FOCS 2017): the signature of one set of shingles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, UInt64s
from classifiers.kernels.jit import kernel

_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)  # bits of half a word, and the mask of its lower half
PATIENCE = 32  # entries per bin after which a set must be full: a chance of e^-32 per bin that it is not
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)  # of a bin; larger than any entry, so the least of both is the entry


class Tosses(NamedTuple):
    """Scratch: the bin and the entry of each element of a set in one round."""

    bin: UInt64s
    entry: UInt64s


@kernel
def sketch(elements: UInt64s, factor: UInt64s, term: UInt64s, tosses: Tosses, out: UInt64s) -> None:
    """Set `out[bin]` to `round << 32 | value` of the earliest round that hits the bin. Needs at least one element.

    The upper half of factor·x + term gives the bin, and the lower half is the value.

    A set is full after about bins · ln(bins) entries. If it is not after many more, most elements are repeated ones (a
    text of one word), and their copies are removed, or each would cost an entry in every round.
    """
    bins, full, tossed = len(out), 0, 0
    out[:] = _EMPTY
    for turn in range(bins):
        _toss(elements, factor[turn], term[turn], turn, bins, tosses)
        full += _enter(tosses, len(elements), 8 * full < 7 * bins, out)
        if full == bins:
            return
        if tossed <= PATIENCE * bins < tossed + len(elements):
            elements = np.unique(elements)
        tossed += len(elements)
    for empty in range(bins):
        turn = bins + empty
        if out[empty] == _EMPTY:
            out[empty] = _least_of_round(elements, factor[turn], term[turn], turn)


@kernel
def _enter(tosses: Tosses, count: Int, often: bool, out: UInt64s) -> Int:
    """Keep the lesser entry of each bin; returns how many of the bins were empty.

    While bins are `often` empty, a store costs less than an unpredictable branch; later it is the other way round.
    """
    bins, entries, filled = tosses.bin, tosses.entry, 0
    for k in range(count if often else 0):
        old = out[bins[k]]
        filled += old == _EMPTY
        out[bins[k]] = min(old, entries[k])
    for k in range(0 if often else count):
        old = out[bins[k]]
        if entries[k] < old:
            filled += old == _EMPTY
            out[bins[k]] = entries[k]
    return filled


@kernel
def _toss(elements: UInt64s, by: Int, plus: Int, turn: Int, bins: Int, out: Tosses) -> None:
    """Compute the bin and entry of each element in one round. This is a loop by itself, because it vectorises."""
    base, size, at, entry = np.uint64(turn) << _HALF, np.uint64(bins), out.bin, out.entry
    for k in range(len(elements)):
        hashed = elements[k] * by + plus
        at[k] = ((hashed >> _HALF) * size) >> _HALF
        entry[k] = base | (hashed & _LOW)


@kernel
def _least_of_round(elements: UInt64s, by: Int, plus: Int, turn: Int) -> Int:
    best: Int = _EMPTY
    for k in range(len(elements)):
        best = min(best, (elements[k] * by + plus) & _LOW)
    return (np.uint64(turn) << _HALF) | best

"""MinHash: from the shingles of documents to one 64-bit digest per band (Broder 1997; bands as in RefinedWeb, G.3.1).

A signature has `bands × rows` entries. Two sets have the same entry with a probability equal to their Jaccard
similarity s. A digest stands for the `rows` entries of a band, so two documents share at least one digest with
probability 1-(1-s^rows)^bands. Only digests leave this module.

There are two ways to make the entries:
`permutations`  Entry i is the least of a_i·x + b_i (mod 2^32) over the set: bands × rows operations per shingle,
                sixteen at a time if the processor has 512-bit registers.
`fast`          Fast Similarity Sketching (Dahlgaard, Knudsen, Thorup, FOCS 2017). In round i < t each shingle goes to
                one of the t bins, with a value; an entry is the (round, value) of the earliest round that hits its bin,
                with the least value of that round. In round t + j all shingles go to bin j. The rounds end when all
                bins are full: n + t·log t operations in expectation instead of n·t.
The seeds are the outputs of splitmix64 from its seed 0. They are fixed here, so they never change.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, UInt32s, UInt64s
from classifiers.kernels.hash import GOLDEN, avalanche
from classifiers.kernels.jit import kernel
from stages.kernels.shingles import Shingles
from stages.kernels.sketch import Tosses, sketch
from stages.kernels.words import longest

Entries = UInt32s | UInt64s
_HALF = np.uint64(32)  # bits: half a word
_BLOCK = 1024  # hash functions at a time: their coefficients and minima then stay in the first-level cache


class HashFamily(NamedTuple):
    """Coefficients of the hash functions x → factor·x + term, and of the digests."""

    factor: UInt64s  # odd; uint32 for permutations
    term: UInt64s
    weight: UInt64s  # odd, one per row of a band


def splitmix(start: int, count: int) -> UInt64s:
    """Outputs `start` … `start + count` of splitmix64 with seed 0."""
    states = (np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)) * GOLDEN
    outputs: UInt64s = avalanche(states)
    return outputs


@lru_cache(maxsize=8)
def family(bands: int, rows: int, fast: bool) -> HashFamily:
    """64-bit coefficients for `2 × bands × rows` rounds, or 32-bit ones for `bands × rows` permutations."""
    functions = bands * rows * (1 + fast)
    outputs = splitmix(0, 2 * functions + rows)
    factor, term, weight = outputs[0 : 2 * functions : 2], outputs[1 : 2 * functions : 2], outputs[2 * functions :]
    if not fast:
        factor, term = (factor >> _HALF).astype(np.uint32), (term >> _HALF).astype(np.uint32)
    return HashFamily(factor | factor.dtype.type(1), np.ascontiguousarray(term), weight | np.uint64(1))


def band_digests(shingles: Shingles, bands: int, rows: int, fast: bool) -> UInt64s:
    """Digests of shape (documents, bands) for the documents that have shingles, in their order."""
    chosen = family(bands, rows, fast)
    signed = int(np.count_nonzero(np.diff(shingles.offsets)))
    out = np.empty((signed, bands), np.uint64)
    if fast:
        tosses = Tosses(*np.empty((2, longest(shingles.offsets)), np.uint64))
        _fast_digests(shingles, chosen, tosses, np.empty(bands * rows, np.uint64), out)
    else:
        short = np.empty(longest(shingles.offsets), np.uint32)
        _permutation_digests(shingles, chosen, short, np.empty(bands * rows, np.uint32), out)
    return out


@kernel
def _permutation_digests(
    shingles: Shingles, chosen: HashFamily, short: UInt32s, entries: UInt32s, out: UInt64s
) -> None:
    offsets, hashes, signed = shingles.offsets, shingles.hashes, 0
    for row in range(len(offsets) - 1):
        start, count = offsets[row], offsets[row + 1] - offsets[row]
        if count == 0:
            continue
        for k in range(count):
            short[k] = hashes[start + k] >> _HALF
        for first in range(0, len(entries), _BLOCK):
            last = min(first + _BLOCK, len(entries))
            least(short, count, chosen.factor[first:last], chosen.term[first:last], entries[first:last])
        digest_bands(entries, chosen.weight, out[signed])
        signed += 1


@kernel
def least(elements: Entries, count: Int, factor: Entries, term: Entries, out: Entries) -> None:
    """Set `out[i]` to the least of `factor[i]·x + term[i]` over the first `count` elements (at least one).

    Takes eight elements at a time, so that coefficients are loaded and minima stored an eighth as often.
    """
    out[:] = np.uint32(0xFFFFFFFF)
    last = count - 1
    for at in range(0, count, 8):
        a, b = elements[at], elements[min(at + 1, last)]
        c, d = elements[min(at + 2, last)], elements[min(at + 3, last)]
        e, f = elements[min(at + 4, last)], elements[min(at + 5, last)]
        g, h = elements[min(at + 6, last)], elements[min(at + 7, last)]
        for i in range(len(out)):
            by, plus = factor[i], term[i]
            abcd = min(_lesser(by, plus, a, b), _lesser(by, plus, c, d))
            efgh = min(_lesser(by, plus, e, f), _lesser(by, plus, g, h))
            out[i] = min(out[i], min(abcd, efgh))


@kernel
def _lesser(by: Int, plus: Int, a: Int, b: Int) -> Int:
    return min(np.uint32(by * a + plus), np.uint32(by * b + plus))


@kernel
def _fast_digests(shingles: Shingles, chosen: HashFamily, tosses: Tosses, entries: UInt64s, out: UInt64s) -> None:
    offsets, hashes, signed = shingles.offsets, shingles.hashes, 0
    for row in range(len(offsets) - 1):
        if offsets[row] == offsets[row + 1]:
            continue
        sketch(hashes[offsets[row] : offsets[row + 1]], chosen.factor, chosen.term, tosses, entries)
        digest_bands(entries, chosen.weight, out[signed])
        signed += 1


@kernel
def digest_bands(entries: Entries, weight: UInt64s, out: UInt64s) -> None:
    """One hash per band: a weighted sum (modulo 2^64) of its entries and the band's number."""
    rows = len(weight)
    for band in range(len(out)):
        total = np.uint64(band + 1) * GOLDEN
        for row in range(rows):
            total += np.uint64(entries[band * rows + row]) * weight[row]
        out[band] = avalanche(total)

"""The S-curve of MinHash on pairs of sets whose Jaccard similarity is known exactly, with both hashings.

    uv run python -m benchmarks.minhash_curve [--pairs 8000] [--budget 12000000]

Each line compares the share of pairs with a common digest with 1-(1-s^rows)^bands, and says how many standard
deviations are between them. A pair has sets of about `size` shingles (random 64-bit numbers). `--budget` limits the
shingles per line.
"""

from __future__ import annotations

import argparse
from itertools import count, product
from math import sqrt

import numpy as np

from stages.kernels.minhash import band_digests, splitmix
from stages.kernels.shingles import Shingles

LAYOUTS = ((450, 20), (14, 8))  # bands and rows of the presets
SIZES = (60, 300, 1_000, 5_000)  # shingles of a set
SIMILARITIES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)  # Jaccard, from hardly found to nearly always found
BLOCK = 500  # pairs that are made and compared together, to bound memory
seeds = count(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8_000)
    parser.add_argument("--budget", type=int, default=12_000_000)
    options = parser.parse_args()
    print("| layout | shingles | Jaccard | expected | pairs | permutations | sd | fast | sd |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (bands, rows), size, wanted in product(LAYOUTS, SIZES, SIMILARITIES):
        pairs = min(options.pairs, options.budget // size) // BLOCK * BLOCK
        union = round(2 * size / (1 + wanted))
        shared = round(wanted * union)
        expected = 1 - (1 - (shared / union) ** rows) ** bands
        cells = [found(pairs, union, shared, bands, rows, fast, expected) for fast in (False, True)]
        line = f"| {bands} x {rows} | {size} | {shared / union:.4f} | {expected:.4f} | {pairs} | "
        print(line + " | ".join(cells) + " |", flush=True)


def found(pairs: int, union: int, shared: int, bands: int, rows: int, fast: bool, expected: float) -> str:
    """The share of pairs with a common digest, and its distance from `expected` in standard deviations."""
    hits = sum(hits_of_block(union, shared, bands, rows, fast) for _ in range(pairs // BLOCK))
    deviation = sqrt(pairs * expected * (1 - expected)) or 1.0
    return f"{hits / pairs:.4f} | {(hits - pairs * expected) / deviation:+.1f}"


def hits_of_block(union: int, shared: int, bands: int, rows: int, fast: bool) -> int:
    """How many pairs of a new block have a common digest."""
    values = splitmix(next(seeds) << 40, BLOCK * union).reshape(BLOCK, union)
    half = shared + (union - shared) // 2
    sets = values[:, :half], np.delete(values, np.s_[shared:half], axis=1)
    one, other = (band_digests(shingles(each), bands, rows, fast) for each in sets)
    return int((one == other).any(axis=1).sum())


def shingles(values: np.ndarray) -> Shingles:
    """The rows of a matrix as the shingles of one document each."""
    pairs, size = values.shape
    return Shingles(np.arange(pairs + 1, dtype=np.int64) * size, np.ascontiguousarray(values).ravel())


if __name__ == "__main__":
    main()

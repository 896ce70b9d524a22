"""The driver's constants."""

from __future__ import annotations

BLOCKS = 512


MOST_PER_BLOCK = 64


RECYCLE_BYTES = 16 << 30


def recycle_of(mean: int) -> int:
    """Tasks per worker process, by the mean size of the inputs: a new one after some gigabytes, against leaks in the C
    libraries.
    """
    return max(4, min(2000, RECYCLE_BYTES // max(1, mean)))


def block_of(files: int) -> int:
    """Tasks of a pass that are claimed together."""
    return max(1, min(MOST_PER_BLOCK, files // BLOCKS))

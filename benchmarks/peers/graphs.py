"""Graphs of document addresses for the benchmark of connected components, the same for every side. Needs only numpy.

Each has 0.6 nodes per edge. Edges come in chunks, so that no side must hold more of them in memory than it wants.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

CHUNK = 1 << 20  # edges
SHARD = 50_000  # documents

Numbers = Any


def sparse(edge: Numbers, nodes: int, random: Any) -> tuple[Numbers, Numbers]:
    """Edges with both ends anywhere: one giant component and crumbs."""
    return random.integers(0, nodes, len(edge)), random.integers(0, nodes, len(edge))


def families(edge: Numbers, nodes: int, random: Any) -> tuple[Numbers, Numbers]:
    """Components of up to four documents, like near-duplicates."""
    a = random.integers(0, nodes, len(edge))
    return a, a // 4 * 4 + random.integers(0, 4, len(edge))


def giants(edge: Numbers, nodes: int, random: Any) -> tuple[Numbers, Numbers]:
    """Ten components, with each edge starting at the first node of its component, like boilerplate."""
    b = random.integers(0, nodes, len(edge))
    return b % 10, b


def paths(edge: Numbers, nodes: int, random: Any) -> tuple[Numbers, Numbers]:
    """Paths of 1,000 nodes whose edges arrive far apart: the longest way to a root."""
    del random
    a = edge * 6_700_417 % nodes
    return a, np.where(a % 1000 < 999, a + 1, a - 1) % nodes


KINDS = {"sparse": sparse, "families": families, "giants": giants, "paths": paths}


def chunks(kind: str, edges: int) -> Iterator[tuple[Numbers, Numbers]]:
    """(a, b) of uint64 addresses (shard << 32 | row). Self edges are left out, so there are a few less than `edges`."""
    random, nodes = np.random.default_rng(1), int(0.6 * edges)
    for start in range(0, edges, CHUNK):
        a, b = KINDS[kind](np.arange(start, min(edges, start + CHUNK)), nodes, random)
        yield address(a[a != b]), address(b[a != b])


def address(node: Numbers) -> Numbers:
    """The address of document `node` of the corpus."""
    return (node // SHARD << 32 | node % SHARD).astype(np.uint64)


class Clock:
    """The sum of wall and CPU seconds within `with` blocks."""

    def __init__(self) -> None:
        self.seconds = self.process_seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.perf_counter() - self._start[0]
        self.process_seconds += time.process_time() - self._start[1]

    def answer(self, **sizes: int) -> dict[str, Any]:
        """Both times, the peak memory of the process, and `sizes`."""
        return {
            "seconds": self.seconds,
            "process_seconds": self.process_seconds,
            "megabytes": peak_megabytes(),
            **sizes,
        }


def peak_megabytes() -> float:
    """The largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

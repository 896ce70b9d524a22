"""Graphs for the tests of connected components, and a plain computation of the components."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from classifiers.kernels.arrays import UInt64s

Edge = tuple[int, int]

# Small numbers occur repeatedly, large ones use all 64 bits, and addresses (shard << 32 | row) vary in a few bits.
nodes = st.one_of(
    st.integers(0, 12),
    st.integers(0, 2**64 - 1),
    st.builds(lambda shard, row: shard << 32 | row, st.integers(0, 3), st.integers(0, 5)),
)
edge_lists = st.lists(st.tuples(nodes, nodes), max_size=60)


def oracle(edges: Iterable[Edge]) -> dict[int, int]:
    """The smallest node of each node's component."""
    members: dict[int, set[int]] = {}
    for a, b in edges:
        merged = members.get(a, {a}) | members.get(b, {b})
        members.update(dict.fromkeys(merged, merged))
    return {node: min(together) for node, together in members.items()}


def column(values: Iterable[int]) -> UInt64s:
    return np.fromiter(values, np.uint64)


def arrays(edges: Iterable[Edge]) -> tuple[UInt64s, UInt64s]:
    edges = list(edges)
    return column(a for a, _ in edges), column(b for _, b in edges)


def listed(pair: tuple[UInt64s, ...]) -> list[Edge]:
    return list(zip(*(values.tolist() for values in pair), strict=True))


SHAPES: dict[str, Callable[[int, np.random.Generator], Iterable[Edge]]] = {
    "path": lambda n, rng: pairwise(range(n)),
    "path, last edge first": lambda n, rng: pairwise(range(n, 0, -1)),
    "path, shuffled": lambda n, rng: [(i, i + 1) for i in rng.permutation(n - 1).tolist()],
    "star": lambda n, rng: [(n // 2, i) for i in range(n)],
    "clique": lambda n, rng: [(i, j) for i in range(int(n**0.5)) for j in range(i)],
    "tree": lambda n, rng: list(enumerate(rng.integers(0, np.arange(1, n)).tolist(), 1)),
    "pairs": lambda n, rng: [(2 * i, 2 * i + 1) for i in range(n // 2)],
    "random": lambda n, rng: listed((rng.integers(0, n, n, np.uint64), rng.integers(0, n, n, np.uint64))),
}


def shaped(shape: str, count: int, in_order: bool = False) -> tuple[UInt64s, UInt64s]:
    """A graph of that shape whose nodes have random 64-bit names, which ascend along the shape if `in_order`."""
    rng = np.random.default_rng(len(shape))
    names = rng.integers(0, 1 << 64, count + 1, dtype=np.uint64)
    a, b = arrays(SHAPES[shape](count, rng))
    names = np.sort(names) if in_order else names
    return names[a], names[b]

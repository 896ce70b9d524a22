"""Connected components over partitions: alternating large-star and small-star.

Kiveris, Lattanzi, Mirrokni, Rastogi, Vassilvitskii 2014, "Connected Components in MapReduce and Beyond", algorithms 1
to 3: O(log² n) rounds, and never more edges than there were. Edges are pairs (a, b), a < b. A round is:

1. `both_directions` of the edges, shuffled by node; `large_star` of each partition: its output are the edges.
2. `downwards` of those edges, shuffled by node; `small_star` of each partition: its output are the edges.

A round in which `changed`, summed over the partitions of both operations, is 0 is the last: no node has a smaller and a
larger neighbour, none has two smaller ones, so each component is a star. Then (a, b) says that b's label is a, and a
label, which is nobody's b, has itself. Nodes without edges to others never appear.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, UInt64s
from classifiers.kernels.jit import kernel
from stages.kernels.rows import columns, paired, sort_rows

_NODE, _NEIGHBOUR = 0, 1


class Stars(NamedTuple):
    """Edges (a, b), a < b, each once, ordered by a, then b; and how many of the rows were replaced by another edge."""

    a: UInt64s
    b: UInt64s
    changed: int


def both_directions(a: UInt64s, b: UInt64s) -> tuple[UInt64s, UInt64s]:
    """(node, neighbour) as `large_star` wants them: each edge from both of its ends."""
    return np.concatenate((a, b)), np.concatenate((b, a))


def downwards(a: UInt64s, b: UInt64s) -> tuple[UInt64s, UInt64s]:
    """(node, neighbour) as `small_star` wants them: each edge from its larger end."""
    return np.maximum(a, b), np.minimum(a, b)


def large_star(node: UInt64s, neighbour: UInt64s) -> Stars:
    """Each node's larger neighbours go to the smallest of its neighbours and itself.

    Two columns of n uint64: for every node of this partition all of its edges, each also given to the partition of its
    other end. Repeated rows and self edges do no harm. The result depends on the set of rows only, and may hold edges
    that other partitions hold too. Memory: twice the input more. Raises as `rows.columns` does.
    """
    return _stars(node, neighbour, False)


def small_star(node: UInt64s, neighbour: UInt64s) -> Stars:
    """Each node and its smaller neighbours go to the smallest of these.

    As `large_star`, but with each edge only in the partition of its larger end: rows whose neighbour is the larger one
    are an error (ValueError), because their other half would be missing.
    """
    node, neighbour = columns(node=node, neighbour=neighbour)
    if (node < neighbour).any():
        raise ValueError("small_star wants each edge from its larger end; pass the edges through `downwards` first")
    return _stars(node, neighbour, True)


def _stars(node: UInt64s, neighbour: UInt64s, small: bool) -> Stars:
    rows = sort_rows(paired(*columns(node=node, neighbour=neighbour)), _NODE, _NEIGHBOUR)
    edges, changed = link_down(rows) if small else link_up(rows)
    rows = sort_rows(rows[:edges], 0, 1)
    rows = rows[: drop_repeated(rows)]
    return Stars(rows[:, 0].copy(), rows[:, 1].copy(), int(changed))


@kernel
def link_up(rows: UInt64s) -> tuple[Int, Int]:
    """Large-star of sorted rows, in place; returns (edges, how many of them are not the row they come from)."""
    edges, changed, last, least = 0, 0, np.uint64(0), np.uint64(0)
    for row in range(len(rows)):
        node, neighbour = rows[row, _NODE], rows[row, _NEIGHBOUR]
        if row == 0 or node != last:
            last, least = node, min(node, neighbour)
        if neighbour > node:
            rows[edges, 0], rows[edges, 1] = least, neighbour
            edges += 1
            changed += least != node
    return edges, changed


@kernel
def link_down(rows: UInt64s) -> tuple[Int, Int]:
    """Small-star of sorted rows, in place; as `link_up`."""
    edges, changed, last, least = 0, 0, np.uint64(0), np.uint64(0)
    for row in range(len(rows)):
        node, neighbour = rows[row, _NODE], rows[row, _NEIGHBOUR]
        if row == 0 or node != last:
            last, least, other = node, neighbour, node
        else:
            other = neighbour
        if other != least:
            rows[edges, 0], rows[edges, 1] = least, other
            edges += 1
            changed += other != node
    return edges, changed


@kernel
def drop_repeated(rows: UInt64s) -> Int:
    """Sorted rows, each once, at the front; returns how many."""
    kept = 0
    for row in range(len(rows)):
        if kept == 0 or rows[kept - 1, 0] != rows[row, 0] or rows[kept - 1, 1] != rows[row, 1]:
            rows[kept, 0], rows[kept, 1] = rows[row, 0], rows[row, 1]
            kept += 1
    return kept

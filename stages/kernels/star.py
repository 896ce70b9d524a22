"""Connected components over partitions: alternating large-star and small-star.

Kiveris, Lattanzi, Mirrokni, Rastogi, Vassilvitskii 2014, "Connected Components in MapReduce and Beyond", algorithms 1
to 3: O(log² n) rounds, and never more edges than before. Edges are pairs (a, b), a < b. A round is:

1. `both_directions` of the edges, shuffled by node; `large_star` of each partition outputs the new edges.
2. `downwards` of those edges, shuffled by node; `small_star` of each partition outputs the new edges.

The last round is the one in which `changed`, summed over the partitions of both operations, is 0: no node has both a
smaller and a larger neighbour, and none has two smaller ones, so each component is a star. Then (a, b) says that the
label of b is a. A label is never the b of an edge; its own label is itself. Nodes without edges to others never appear.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, UInt64s
from classifiers.kernels.jit import kernel
from stages.kernels.rows import columns, paired, sort_rows

_NODE, _NEIGHBOUR = 0, 1  # columns of a row
_A, _B = 0, 1  # the same columns once the rows are edges


class Stars(NamedTuple):
    """Edges (a, b), a < b, each once, ordered by a, then b; and how many rows were replaced by another edge."""

    a: UInt64s
    b: UInt64s
    changed: int


def both_directions(a: UInt64s, b: UInt64s) -> tuple[UInt64s, UInt64s]:
    """(node, neighbour) as `large_star` needs them: each edge from both of its ends."""
    return np.concatenate((a, b)), np.concatenate((b, a))


def downwards(a: UInt64s, b: UInt64s) -> tuple[UInt64s, UInt64s]:
    """(node, neighbour) as `small_star` needs them: each edge from its larger end."""
    return np.maximum(a, b), np.minimum(a, b)


def large_star(node: UInt64s, neighbour: UInt64s) -> Stars:
    """Connect each node's larger neighbours to the smallest among its neighbours and itself.

    Takes two columns of n uint64: for every node of this partition all of its edges. Each edge is also given to the
    partition of its other end. Repeated rows and self edges do no harm. The result depends only on the set of rows, and
    it may contain edges that other partitions output too. Memory: twice the input on top of it. Raises the errors of
    `rows.columns`.
    """
    return _stars(node, neighbour, False)


def small_star(node: UInt64s, neighbour: UInt64s) -> Stars:
    """Connect each node and its smaller neighbours to the smallest of these.

    Like `large_star`, but each edge is only in the partition of its larger end: a row whose neighbour is the larger one
    is an error (ValueError), because its other half would be missing.
    """
    node, neighbour = columns(node=node, neighbour=neighbour)
    if (node < neighbour).any():
        raise ValueError("small_star needs each edge from its larger end; pass the edges through `downwards` first")
    return _stars(node, neighbour, True)


class Least:
    """The smallest neighbour of each node, of rows that are added part by part. Memory: 16 bytes per node, and some
    times the largest part."""

    def __init__(self) -> None:
        self._found: list[UInt64s] = []
        self._rows = 0

    def add(self, node: UInt64s, neighbour: UInt64s) -> None:
        """Rows as `large_star` takes them."""
        self._found.append(_first_rows(paired(*columns(node=node, neighbour=neighbour))))
        self._rows += len(self._found[-1])
        if len(self._found) > 1 and self._rows > 2 * len(self._found[0]):
            self._join()

    def _join(self) -> None:
        self._found = [_first_rows(np.concatenate(self._found))]
        self._rows = len(self._found[0])

    def table(self) -> tuple[UInt64s, UInt64s]:
        """The nodes, ascending, and the smallest neighbour of each."""
        if len(self._found) != 1:
            self._found.append(np.empty((0, 2), np.uint64))
            self._join()
        return self._found[0][:, _NODE], self._found[0][:, _NEIGHBOUR]

    def of(self, node: UInt64s) -> UInt64s:
        """The smallest neighbour of each of these nodes, all of which were added."""
        nodes, least = self.table()
        found: UInt64s = least[np.searchsorted(nodes, node)]
        return found


def _first_rows(rows: UInt64s) -> UInt64s:
    """The first row of each node, once the rows are sorted. `rows` is used as scratch."""
    rows = sort_rows(rows, _NODE, _NEIGHBOUR)
    first: UInt64s = rows[np.flatnonzero(np.diff(rows[:, _NODE], prepend=~rows[:1, _NODE]))]
    return first


def large_star_part(node: UInt64s, neighbour: UInt64s, least: Least) -> Stars:
    """`large_star` of a part of a partition's rows, whose `least` neighbours are known. Edges that two parts have are
    found twice."""
    smallest, up = np.minimum(node, least.of(node)), neighbour > node
    edges = paired(smallest[up], neighbour[up])
    return _each_once(edges, int(np.count_nonzero(smallest[up] != node[up])))


def small_star_part(node: UInt64s, neighbour: UInt64s, least: Least) -> Stars:
    """`small_star` of a part, likewise."""
    smallest = least.of(node)
    others, itself = neighbour != smallest, smallest != node
    edges = np.concatenate((paired(smallest, node)[itself], paired(smallest, neighbour)[others]))
    return _each_once(edges, int(np.count_nonzero(others & (neighbour != node))))


def _each_once(rows: UInt64s, changed: int) -> Stars:
    rows = sort_rows(rows, _A, _B)
    rows = rows[: drop_repeated(rows)]
    return Stars(rows[:, _A].copy(), rows[:, _B].copy(), changed)


def _stars(node: UInt64s, neighbour: UInt64s, small: bool) -> Stars:
    rows = sort_rows(paired(*columns(node=node, neighbour=neighbour)), _NODE, _NEIGHBOUR)
    edges, changed = link_down(rows) if small else link_up(rows)
    return _each_once(rows[:edges], int(changed))


@kernel
def link_up(rows: UInt64s) -> tuple[Int, Int]:
    """Large-star of sorted rows, in place; returns (edges, how many of them differ from the row they come from)."""
    edges, changed, last, least = 0, 0, np.uint64(0), np.uint64(0)
    for row in range(len(rows)):
        node, neighbour = rows[row, _NODE], rows[row, _NEIGHBOUR]
        if row == 0 or node != last:
            last, least = node, min(node, neighbour)
        if neighbour > node:
            rows[edges, _A], rows[edges, _B] = least, neighbour
            edges += 1
            changed += least != node
    return edges, changed


@kernel
def link_down(rows: UInt64s) -> tuple[Int, Int]:
    """Small-star of sorted rows, in place; returns what `link_up` does."""
    edges, changed, last, least = 0, 0, np.uint64(0), np.uint64(0)
    for row in range(len(rows)):
        node, neighbour = rows[row, _NODE], rows[row, _NEIGHBOUR]
        if row == 0 or node != last:
            last, least, other = node, neighbour, node
        else:
            other = neighbour
        if other != least:
            rows[edges, _A], rows[edges, _B] = least, other
            edges += 1
            changed += other != node
    return edges, changed


@kernel
def drop_repeated(rows: UInt64s) -> Int:
    """Move one copy of each of the sorted rows to the front; returns how many there are."""
    kept = 0
    for row in range(len(rows)):
        if kept == 0 or rows[kept - 1, _A] != rows[row, _A] or rows[kept - 1, _B] != rows[row, _B]:
            rows[kept, _A], rows[kept, _B] = rows[row, _A], rows[row, _B]
            kept += 1
    return kept

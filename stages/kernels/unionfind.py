"""Connected components in one process: union-find over the nodes that have edges.

Tarjan and van Leeuwen 1984, "Worst-case analysis of set union algorithms": path halving. A root is always the smallest
node of its component, so labels need no pass of their own, and the result depends only on the set of edges.
"""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Int, Int64s, UInt32s, UInt64s
from classifiers.kernels.jit import kernel
from classifiers.kernels.secret import Secret, new_secret, secretly
from classifiers.kernels.table import scaled_slot, slot_after
from stages.kernels.rows import columns, sort_rows

CHUNK = 1 << 17  # edges for which room is made at a time
BLOCK = 256  # edges that are looked up together
MAX_NODES = (1 << 32) - 2  # a slot holds the number of a node plus one in 32 bits
_NODE, _PARENT = 0, 1  # columns of a record; a parent is the number of a record, and in the end a label
_NODE_BYTES = 34  # bytes per node: 1.5 × (16 + 6) while edges are added, 2 × 16 while labels are sorted
_SMALL = 1024  # nodes for which there is room at first


class Components:
    """Takes edges and gives components: call `add` for any number of chunks, then `labels` once.

    Memory: 22 to 33 bytes per node while edges are added, 32 while the labels are sorted. The edges are not kept.
    """

    def __init__(self) -> None:
        self._secret = new_secret()
        self._forget()

    def _forget(self) -> None:
        self._count = 0
        self._records: UInt64s = np.zeros((0, 2), np.uint64)
        self._slots: UInt32s = np.zeros(1, np.uint32)

    def __len__(self) -> int:
        """How many different nodes there are so far."""
        return self._count

    def add(self, a: UInt64s, b: UInt64s) -> None:
        """Join a[i] and b[i] for all i: two uint64 arrays of equal length. A self edge only adds its node.

        Raises TypeError and ValueError as `rows.columns` does, and OverflowError for more than 2³² - 2 nodes.
        """
        a, b = columns(a=a, b=b)
        for start in range(0, len(a), CHUNK):
            end = min(start + CHUNK, len(a))
            self._make_room(self._count + 2 * (end - start))
            self._count = join(a[start:end], b[start:end], self._slots, self._secret, self._records, self._count)

    def labels(self) -> tuple[UInt64s, UInt64s]:
        """Returns (nodes ascending, the smallest node of each one's component): two uint64 arrays of length `len`.

        Forgets the edges: the object is empty again.
        """
        records, count = self._records, self._count
        self._forget()
        records.resize((count, 2), refcheck=False)
        write_labels(records)
        records = sort_rows(records, _NODE)
        return records[:, _NODE].copy(), records[:, _PARENT].copy()

    def _make_room(self, nodes: int) -> None:
        """Make room for `nodes` nodes in all. At most two thirds of the slots are taken."""
        if nodes <= len(self._records):
            return
        if self._count >= MAX_NODES - 2 * CHUNK:
            raise OverflowError(
                f"more than {MAX_NODES:,} nodes in one process; use the star operations over partitions"
            )
        room = min(MAX_NODES, max(nodes, _SMALL, self._count + self._count // 2))
        self._slots = np.zeros(1, np.uint32)  # before the new ones are allocated
        self._records.resize((room, 2), refcheck=False)
        self._slots = np.zeros(room + room // 2, np.uint32)
        enter(self._records[: self._count], self._slots, self._secret)


def bytes_needed(edges: int) -> int:
    """An upper bound of the memory that `Components` takes for this many edges, whatever they are.

    It does not include the arrays that the caller passes. It is reached if no two edges share a node.
    """
    return 2 * edges * _NODE_BYTES + 2 * CHUNK * _NODE_BYTES


def forest(a: UInt64s, b: UInt64s) -> tuple[UInt64s, UInt64s]:
    """The smallest edge set with the same components: from each one's smallest node to its others, (a, b), a < b.

    The edges are ordered by b, in which each node occurs at most once. They depend only on the set of edges. Nodes that
    have only self edges are gone. Memory as `bytes_needed`.
    """
    components = Components()
    components.add(a, b)
    nodes, labels = components.labels()
    inner = nodes != labels
    return labels[inner], nodes[inner]


@kernel
def join(a: UInt64s, b: UInt64s, slots: UInt32s, secret: Secret, records: UInt64s, count: Int) -> Int:
    """Join the components of a[i] and b[i]; returns how many nodes are known then. There must be room for all of them.

    Nearly all the time is spent waiting for memory. So each step is done for a block of edges, in loops whose reads do
    not wait for each other; what the block itself changes is looked up again.
    """
    numbers, ahead = np.zeros((2, BLOCK), np.int64), np.zeros((2, BLOCK), np.int64)
    for start in range(0, len(a), BLOCK):
        size = min(BLOCK, len(a) - start)
        for side in range(2):
            nodes = a[start : start + size] if side == 0 else b[start : start + size]
            _guess(nodes, slots, secret, records, numbers[side])
            for i in range(size):
                if numbers[side, i] < 0:
                    numbers[side, i], count = _number(nodes[i], slots, secret, records, count)
        for side in range(2):
            for i in range(size):
                ahead[side, i] = np.int64(records[numbers[side, i], _PARENT])
            for i in range(size):
                ahead[side, i] = np.int64(records[ahead[side, i], _PARENT])
                records[numbers[side, i], _PARENT] = ahead[side, i]
        for i in range(size):
            left, right = _root(ahead[0, i], records), _root(ahead[1, i], records)
            if records[left, _NODE] < records[right, _NODE]:
                records[right, _PARENT] = left
            else:
                records[left, _PARENT] = right
    return count


@kernel
def _guess(nodes: UInt64s, slots: UInt32s, secret: Secret, records: UInt64s, numbers: Int64s) -> None:
    """Write the number of each node that is in its first slot, and -1 for the others."""
    for i in range(len(nodes)):
        numbers[i] = np.int64(slots[_slot(nodes[i], slots, secret)]) - 1
    for i in range(len(nodes)):
        number = numbers[i]
        numbers[i] = number if records[max(number, 0), _NODE] == nodes[i] else -1


@kernel
def _number(node: Int, slots: UInt32s, secret: Secret, records: UInt64s, count: Int) -> tuple[Int, Int]:
    """The number of a node, which is new if the node is not known yet; and how many nodes are known then."""
    slot = _slot(node, slots, secret)
    while slots[slot] > 0:
        number = np.int64(slots[slot]) - 1
        if records[number, _NODE] == node:
            return number, count
        slot = slot_after(slot, len(slots))
    records[count, _NODE], records[count, _PARENT] = node, count
    slots[slot] = count + 1
    return count, count + 1


@kernel
def _slot(node: Int, slots: UInt32s, secret: Secret) -> Int:
    return scaled_slot(secretly(node, secret), len(slots))


@kernel
def _root(number: Int, records: UInt64s) -> Int:
    """The record in which the parents of a node end. Halves the path to it."""
    parent = np.int64(records[number, _PARENT])
    while parent != number:
        above = np.int64(records[parent, _PARENT])
        records[number, _PARENT] = above
        number, parent = above, np.int64(records[above, _PARENT])
    return number


@kernel
def enter(records: UInt64s, slots: UInt32s, secret: Secret) -> None:
    """Enter the numbers of all records into empty slots."""
    for number in range(len(records)):
        slot = _slot(records[number, _NODE], slots, secret)
        while slots[slot] > 0:
            slot = slot_after(slot, len(slots))
        slots[slot] = number + 1


@kernel
def write_labels(records: UInt64s) -> None:
    """Turn every parent into the root's node, in two passes: the first still needs parents to find the roots."""
    for number in range(len(records)):
        records[number, _PARENT] = _root(number, records)
    for number in range(len(records)):
        records[number, _PARENT] = records[np.int64(records[number, _PARENT]), _NODE]

"""Edges → the component of each node: in one process as long as that fits, else by stars over shuffled edges.

In one process it is `link`. Beyond `LINK_BYTES` it is rounds of `large` and `small` (alternating large-star and
small-star, see `stages.kernels.star`) until a round changes nothing, then `label`. Both yield the same labels: the
smallest address of the component.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.context import Context
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled, facts_of
from refinedweb.dedup.shuffle import ShuffleWriter, partition_of
from stages.kernels.star import both_directions, downwards, large_star, small_star
from stages.kernels.unionfind import Components, bytes_needed

MEMBERS = pa.schema([("address", pa.uint64()), ("component", pa.uint64())])
SIDES = pa.schema([("node", pa.uint64()), ("neighbour", pa.uint64())])
SIDES_BYTES = 16  # of one side of an edge: two addresses
LINK_BYTES = 1 << 30  # of memory for all edges in one process: two thirds of what a worker may use
STAR_BYTES = 64 << 20  # of the edges' sides, in one partition
CHANGED = "changed"


def linked(context: Context, edges: Shuffled) -> Generator[Phase, None, Shuffled]:
    """The phases that find components; returns their members, shuffled by block. `edges` are all in partition 0."""
    if bytes_needed(edges.rows()) <= LINK_BYTES:
        link = LinkPhase(context, edges)
        yield link
        return Shuffled(link, "members", MEMBERS)
    spread = Spread(context, edges, star_partitions(edges.rows(), context.partitions))
    yield spread
    sides, number, changed = Shuffled(spread, "sides", SIDES), 0, True
    while changed:
        large = Star(context, sides, spread.partitions, f"3-link-{number:02d}-large", small=False)
        yield large
        between = Shuffled(large, "sides", SIDES)
        small = Star(context, between, spread.partitions, f"3-link-{number:02d}-small", small=True)
        yield small
        sides, number = Shuffled(small, "sides", SIDES), number + 1
        changed = facts_of(large, CHANGED) + facts_of(small, CHANGED) > 0
    label = Label(context, sides, spread.partitions)
    yield label
    return Shuffled(label, "members", MEMBERS)


def star_partitions(edges: int, most: int) -> int:
    """Partitions for rounds over this number of edges.

    They depend on the edges, not on the keys (`most`), which are ten thousand times larger: each round reads every
    partition of every task, and each read is a request.
    """
    return min(most, 1 + 2 * edges * SIDES_BYTES // STAR_BYTES)


@dataclass(frozen=True)
class LinkPhase:
    """All edges in one task."""

    context: Context
    edges: Shuffled
    name: str = "3-link"

    @property
    def count(self) -> int:
        return 1

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        components, counts = Components(), PhaseCounts()
        for rows in self.edges.each(0):
            components.add(rows.column("a").to_numpy(), rows.column("b").to_numpy())
            counts.rows_in += rows.num_rows
        write_members(self.context, *components.labels(), outputs)
        return counts


def write_members(context: Context, nodes: UInt64s, components: UInt64s, outputs: PhaseOutputs) -> None:
    """Write each node with its component to the block of the node."""
    writer = outputs.shuffle("members", MEMBERS, len(context.blocks))
    writer.write(pa.table([pa.array(nodes), pa.array(components)], schema=MEMBERS), context.block_of(nodes))


@dataclass(frozen=True)
class Spread:
    """Edges → both of their sides, shuffled by node. It has a task for each task that wrote edges."""

    context: Context
    edges: Shuffled
    partitions: int
    name: str = "3-link-00-edges"

    @property
    def count(self) -> int:
        return self.edges.producer.count

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        writer, counts = outputs.shuffle("sides", SIDES, self.partitions), PhaseCounts()
        for rows in self.edges.tables(task, 0):
            sides = both_directions(rows.column("a").to_numpy(), rows.column("b").to_numpy())
            _write_sides(sides, writer, self.partitions)
            counts.rows_in += rows.num_rows
        return counts


def _write_sides(sides: tuple[UInt64s, UInt64s], writer: ShuffleWriter, partitions: int) -> None:
    node, neighbour = sides
    rows = pa.table([pa.array(node), pa.array(neighbour)], schema=SIDES)
    writer.write(rows, partition_of(node, partitions))


@dataclass(frozen=True)
class Star:
    """One operation of a round, over the nodes of a partition."""

    context: Context
    sides: Shuffled
    partitions: int
    name: str
    small: bool

    @property
    def count(self) -> int:
        return self.partitions

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        rows = self.sides.read(task)
        node, neighbour = rows.column("node").to_numpy(), rows.column("neighbour").to_numpy()
        stars = (small_star if self.small else large_star)(node, neighbour)
        writer = outputs.shuffle("sides", SIDES, self.partitions)
        _write_sides((both_directions if self.small else downwards)(stars.a, stars.b), writer, self.partitions)
        return PhaseCounts(rows.num_rows, facts={CHANGED: stars.changed})


@dataclass(frozen=True)
class Label:
    """Components that are stars (both sides of each edge, by node) → each node with the smaller end of its edges."""

    context: Context
    sides: Shuffled
    partitions: int
    name: str = "3-link-label"

    @property
    def count(self) -> int:
        return self.partitions

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        rows = self.sides.read(task)
        node, neighbour = rows.column("node").to_numpy(), rows.column("neighbour").to_numpy()
        order = np.lexsort((neighbour, node))
        nodes, first = np.unique(node[order], return_index=True)
        write_members(self.context, nodes, np.minimum(nodes, neighbour[order][first]), outputs)
        return PhaseCounts(rows.num_rows)

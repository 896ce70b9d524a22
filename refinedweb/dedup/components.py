"""Edges → the component of each node: in one process as long as that fits, else by stars over shuffled edges.

In one process it is `link`. Beyond `LINK_BYTES` it is rounds of `large` and `small` (alternating large-star and
small-star, see `stages.kernels.star`) until a round changes nothing, then `label`. Both yield the same labels: the
smallest address of the component.

A hub is a node whose edges alone make its partition exceed a worker's memory: a large star ends as one. Such
a partition is read twice, part by part: first for the least neighbour of each of its nodes, then to link the others.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.context import Context
from refinedweb.dedup.exchange import Exchange, arrived
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled, facts_of
from refinedweb.dedup.shuffle import concatenated
from stages.kernels.star import (
    Least,
    both_directions,
    downwards,
    large_star,
    large_star_part,
    small_star,
    small_star_part,
)
from stages.kernels.unionfind import Components, bytes_needed

MEMBERS = pa.schema([("address", pa.uint64()), ("component", pa.uint64())])
SIDES = pa.schema([("node", pa.uint64()), ("neighbour", pa.uint64())])
SIDES_BYTES = 16  # of one side of an edge: two addresses
LINK_BYTES = 1 << 30  # of memory for all edges in one process: two thirds of what a worker may use
STAR_BYTES = 64 << 20  # of the edges' sides, in one partition
ROWS = 1 << 21  # sides or members that a task works on at a time: 32 MiB, a few times over
CHANGED = "changed"


def linked(context: Context, edges: tuple[Shuffled, ...]) -> Generator[Phase, None, Shuffled]:
    """The phases that find components; returns their members, shuffled by block. `edges` are all in partition 0."""
    count = sum(one.rows() for one in edges)
    if bytes_needed(count) <= LINK_BYTES:
        link = LinkPhase(context, edges, count)
        yield link
        return (yield from arrived(link.members, link))
    partitions = star_partitions(count, context.partitions)
    spread = Spread(context, edges, Sides(partitions, count))
    yield spread
    sides, number, changed = (yield from arrived(spread.sent, spread)), 0, True
    while changed:
        large = Star(context, sides, spread.sides, f"3-link-{number:02d}-large", small=False)
        yield large
        between = yield from arrived(large.sent, large)
        small = Star(context, between, spread.sides, f"3-link-{number:02d}-small", small=True)
        yield small
        sides, number = (yield from arrived(small.sent, small)), number + 1
        changed = facts_of(large, CHANGED) + facts_of(small, CHANGED) > 0
    label = Label(context, sides, spread.sides)
    yield label
    return (yield from arrived(label.members, label))


def star_partitions(edges: int, most: int) -> int:
    """Partitions for rounds over this number of edges.

    They depend on the edges, not on the keys (`most`), which are ten thousand times larger: each round reads every
    partition of every task, and each read is a request.
    """
    return min(most, 1 + 2 * edges * SIDES_BYTES // STAR_BYTES)


@dataclass(frozen=True)
class Sides:
    """How many partitions the sides of `edges` edges have."""

    partitions: int
    edges: int

    def exchange(self, context: Context, producers: int) -> Exchange:
        """From the tasks that write them to the partition of each node."""
        size = 2 * self.edges * SIDES_BYTES
        return Exchange(context, "sides", SIDES, producers, self.partitions, size, "key", "node")


@dataclass(frozen=True)
class LinkPhase:
    """All edges in one task."""

    context: Context
    edges: tuple[Shuffled, ...]
    number: int
    name: str = "3-link"

    @property
    def count(self) -> int:
        return 1

    @property
    def members(self) -> Exchange:
        return _members(self.context, 1, self.number)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        components, counts = Components(), PhaseCounts()
        for edges in self.edges:
            for rows in edges.each(0):
                components.add(rows.column("a").to_numpy(), rows.column("b").to_numpy())
                counts.rows_in += rows.num_rows
        _write_members(self.members, *components.labels(), outputs)
        return counts


def _members(context: Context, producers: int, edges: int) -> Exchange:
    """From the tasks that find the components of `edges` edges to the block of each member."""
    size = 2 * edges * SIDES_BYTES
    return Exchange(context, "members", MEMBERS, producers, len(context.blocks), size, "block", "address")


def _write_members(exchange: Exchange, nodes: UInt64s, components: UInt64s, outputs: PhaseOutputs) -> None:
    sender = exchange.open(outputs)
    for start in range(0, len(nodes), ROWS):
        part = slice(start, start + ROWS)
        sender.write(pa.table([pa.array(nodes[part]), pa.array(components[part])], schema=MEMBERS))


@dataclass(frozen=True)
class Spread:
    """Edges → both of their sides, shuffled by node. It has a task for each task that wrote edges."""

    context: Context
    edges: tuple[Shuffled, ...]
    sides: Sides
    name: str = "3-link-00-edges"

    @property
    def count(self) -> int:
        return sum(edges.producer.count for edges in self.edges)

    @property
    def sent(self) -> Exchange:
        return self.sides.exchange(self.context, self.count)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        sender, counts = self.sent.open(outputs), PhaseCounts()
        for edges in self.edges:
            if 0 <= task < edges.producer.count:
                for rows in edges.tables(task, 0):
                    sides = both_directions(rows.column("a").to_numpy(), rows.column("b").to_numpy())
                    sender.write(_sides(*sides))
                    counts.rows_in += rows.num_rows
            task -= edges.producer.count
        return counts


def _sides(node: UInt64s, neighbour: UInt64s) -> pa.Table:
    return pa.table([pa.array(node), pa.array(neighbour)], schema=SIDES)


@dataclass(frozen=True)
class Star:
    """One operation of a round, over the nodes of a partition."""

    context: Context
    source: Shuffled
    sides: Sides
    name: str
    small: bool

    @property
    def count(self) -> int:
        return self.sides.partitions

    @property
    def sent(self) -> Exchange:
        return self.sides.exchange(self.context, self.count)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        sender, counts, changed = self.sent.open(outputs), PhaseCounts(), 0
        first = next(parts := _parts(self.source, task), None)
        following = next(parts, None)
        if following is None:
            link = partial(small_star if self.small else large_star)
            parts = iter(() if first is None else (first,))
        else:
            link = partial((small_star_part if self.small else large_star_part), least=_least(self.source, task))
            parts = _parts(self.source, task)
        for node, neighbour in parts:
            stars = link(node, neighbour)
            sender.write(_sides(*(both_directions if self.small else downwards)(stars.a, stars.b)))
            changed, counts.rows_in = changed + stars.changed, counts.rows_in + len(node)
        counts.facts[CHANGED] = changed
        return counts


def _parts(sides: Shuffled, partition: int) -> Iterator[tuple[UInt64s, UInt64s]]:
    """The nodes and neighbours of a partition, at most `ROWS` rows at a time."""
    waiting: list[pa.Table] = []
    for rows in chain(sides.each(partition), [None]):
        if rows is not None:
            waiting.append(rows)
        if waiting and (rows is None or sum(one.num_rows for one in waiting) >= ROWS):
            together = concatenated(waiting, SIDES)
            waiting = []
            for start in range(0, together.num_rows, ROWS):
                part = together.slice(start, ROWS)
                yield part.column("node").to_numpy(), part.column("neighbour").to_numpy()


def _least(sides: Shuffled, partition: int) -> Least:
    least = Least()
    for node, neighbour in _parts(sides, partition):
        least.add(node, neighbour)
    return least


@dataclass(frozen=True)
class Label:
    """Components that are stars (both sides of each edge, by node) → each node with the smaller end of its edges."""

    context: Context
    source: Shuffled
    sides: Sides
    name: str = "3-link-label"

    @property
    def count(self) -> int:
        return self.sides.partitions

    @property
    def members(self) -> Exchange:
        return _members(self.context, self.count, self.sides.edges)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        nodes, least = _least(self.source, task).table()
        _write_members(self.members, nodes, np.minimum(nodes, least), outputs)
        return PhaseCounts(len(nodes))

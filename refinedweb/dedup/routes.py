"""How rows get from many tasks to many partitions: with how many merges in between, and how many requests that takes.

If each of M objects had a piece for each of N partitions, reading them all would take M × N requests. So beyond a limit
the objects have coarser pieces, and merges follow, level by level, until a piece is one partition:

    level 0   M objects, each of ⌈N / w₀⌉ pieces; a piece is w₀ neighbouring partitions
    level 1   a merge reads the same piece of a group of those objects, and writes one object with its w₀ / w₁ pieces
    …         until w is 1; a partition is then in as many objects as there were groups

These are pure functions of counts and bytes. The engine and the forecast use the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

REQUESTS = 2  # per piece that is read: the end of its object, which has the index, and the piece
TASK = 20  # requests that a task is worth: its object, record and claim, and its start
MOVED = 4 << 20  # bytes that take a worker as long as a request


@dataclass(frozen=True)
class Limits:
    """`direct`: reads between two phases that need no merge; `fan`: pieces of an object, and objects that one merge
    reads; `merged`: bytes that one merge reads, and keeps on this machine's disk.
    """

    direct: int = 1 << 20
    fan: int = 1024
    merged: int = 2 << 30


@dataclass(frozen=True)
class Route:
    """`widths`: partitions per piece; `groups`: objects that have rows of a partition; both level by level."""

    partitions: int
    widths: tuple[int, ...]
    groups: tuple[int, ...]

    @property
    def merges(self) -> int:
        """The number of levels after the first."""
        return len(self.widths) - 1

    def pieces(self, level: int) -> int:
        """Pieces of each object."""
        return -(-self._covered(level) // self.widths[level])

    def tasks(self, level: int) -> int:
        """Objects, each of which one task writes."""
        return -(-self.partitions // self._covered(level)) * self.groups[level]

    def merged(self, level: int) -> int:
        """Objects of the level before that a merge reads from."""
        return -(-self.groups[level - 1] // self.groups[level])

    def reads(self, level: int) -> int:
        """Pieces that the tasks after this level read, all together."""
        return -(-self.partitions // self.widths[level]) * self.groups[level]

    def _covered(self, level: int) -> int:
        """Partitions that an object has rows of."""
        return self.widths[level - 1] if level else self.partitions

    def cost(self, size: int) -> int:
        """In requests, for rows of `size` bytes."""
        levels = range(self.merges + 1)
        tasks = sum(self.tasks(level) for level in levels[1:])
        return sum(map(self.reads, levels)) * REQUESTS + tasks * TASK + self.merges * (size // MOVED)


def route(producers: int, partitions: int, size: int, limits: Limits) -> Route:
    """The cheapest route from `producers` tasks, which write at most `size` bytes, to `partitions`."""
    return min(_routes(producers, partitions, size, limits), key=lambda one: one.cost(size))


def settled(planned: Route, size: int, limits: Limits) -> Route:
    """The cheapest route that begins as planned, once it is known how many bytes were written.

    What is found about keys is often a thousandth of them, so that a merge can read a hundred times as many objects.
    """
    routes = _routes(planned.groups[0], planned.partitions, size, limits)
    return min((one for one in routes if one.widths[0] == planned.widths[0]), key=lambda one: one.cost(size))


def _routes(producers: int, partitions: int, size: int, limits: Limits) -> list[Route]:
    """Those to choose from: the straight one alone, if it needs few reads."""
    straight = Route(partitions, (1,), (max(1, producers),))
    possible = partitions <= limits.fan
    if possible and producers * partitions <= limits.direct:
        return [straight]
    found = [_route(factors, producers, partitions, size, limits) for factors in _factors(partitions, limits.fan)]
    return [straight, *found] if possible else found


def _factors(partitions: int, fan: int) -> Iterator[tuple[int, ...]]:
    """Pieces of the objects of each level: as many on all levels, or one on the first, which then only gathers.

    More than one level more than necessary is never cheaper.
    """
    least = next(n for n in range(1, 65) if fan**n >= partitions)
    for levels in (least, least + 1):
        each = _root(partitions, levels)
        if levels > 1:
            yield (each,) * levels
        yield (1, *(each,) * levels)


def _root(number: int, degree: int) -> int:
    """The smallest whole number whose power is at least `number`."""
    root = max(1, round(math.pow(number, 1 / degree)) - 1)
    while root**degree < number:
        root += 1
    return root


def _route(factors: tuple[int, ...], producers: int, partitions: int, size: int, limits: Limits) -> Route:
    widths = tuple(math.prod(factors[level + 1 :]) for level in range(len(factors)))
    groups = [max(1, producers)]
    for width in widths[:-1]:
        piece = max(1, size * min(width, partitions) // partitions // groups[-1])  # bytes
        together = max(1, min(limits.fan, limits.merged // piece))
        groups.append(-(-groups[-1] // together))
    return Route(partitions, widths, tuple(groups))

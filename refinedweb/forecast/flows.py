"""Which phase of a global step writes rows for which other, and by which routes they go over a larger input.

The phases themselves are generators that learn as they go; this is what they do once everything is known. The routes,
blocks and partitions are computed by the functions that the engine computes them with.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from refinedweb.dedup import planning
from refinedweb.dedup.components import SIDES_BYTES
from refinedweb.dedup.election import BEST_BYTES
from refinedweb.dedup.routes import Route, route
from refinedweb.storage.s3 import SMALL
from refinedweb.storage.s3_streams import PART_BYTES

BY_PARTITION = {"2-group", "4-match", "3-link-label"}  # phases with a task per partition of the keys
READ_DOCUMENTS = ("1-sign", "2-group-fetch", "2-group-verify", "3-windows", "4-describe")


@dataclass(frozen=True)
class Flow:
    """Objects called `name` that the phase `source` writes for the phase `target`.

    `to`: the partitions of the keys, those of the clusters, the blocks, one task; or each task's `own` object.
    """

    source: str
    target: str
    name: str
    to: Literal["partitions", "clusters", "blocks", "one", "own"]


FLOWS = (
    Flow("1-sign", "2-group", "signed", "partitions"),
    Flow("1-sign", "3-link", "edges", "one"),
    Flow("2-group", "3-link", "edges", "one"),
    Flow("2-group", "2-group-fetch", "edges", "blocks"),
    Flow("2-group-fetch", "2-group-verify", "pairs", "blocks"),
    Flow("2-group-fetch", "2-group-verify", "texts", "blocks"),
    Flow("2-group-verify", "3-link", "edges", "one"),
    Flow("3-link", "4-describe", "members", "blocks"),
    Flow("4-describe", "5-elect", "best", "clusters"),
    Flow("4-describe", "9-decide", "members", "own"),
    Flow("5-elect", "9-decide", "winners", "blocks"),
    Flow("2-group", "3-windows", "checks", "blocks"),
    Flow("3-windows", "4-match", "windows", "partitions"),
    Flow("4-match", "9-decide", "matched", "blocks"),
    Flow("2-group", "9-decide", "resolved", "blocks"),
    Flow("2-group", "9-decide", "copies", "blocks"),
)


@dataclass(frozen=True)
class Shuffle:
    """How a global step is cut: blocks of documents, partitions of keys, and bytes of shuffled keys; the edges between
    its documents, and the documents in clusters.
    """

    blocks: int
    partitions: int
    bytes: float
    edges: float = 0.0
    members: float = 0.0

    @property
    def clusters(self) -> int:
        """Partitions of what is known about clusters."""
        return planning.split_shuffle(self._tail)[1]

    @property
    def _tail(self) -> int:
        return int(self.members) * BEST_BYTES

    def tasks(self, phase: str) -> int:
        """How many tasks a phase has."""
        if phase == "3-link":
            return 1
        if phase == "5-elect":
            return self.clusters
        return self.partitions if phase in BY_PARTITION else self.blocks

    def route(self, flow: Flow) -> Route | None:
        """The way of a flow's rows; None for objects that are not divided."""
        if flow.to in ("one", "own"):
            return None
        sizes = {"members": 2 * SIDES_BYTES * int(self.edges), "best": self._tail, "winners": self._tail}
        partitions = {"partitions": self.partitions, "clusters": self.clusters, "blocks": self.blocks}[flow.to]
        return route(self.tasks(flow.source), partitions, sizes.get(flow.name, int(self.bytes)), planning.LIMITS)

    def objects(self, flow: Flow) -> int:
        """How many objects of a flow each task of its target reads."""
        if flow.to == "own":
            return 1
        found = self.route(flow)
        return self.tasks(flow.source) if found is None else found.groups[-1]


def flows_of(phases: Collection[str], names: Collection[tuple[str, str]]) -> list[Flow]:
    """The flows between these phases. `names`: which phase wrote objects of which name."""
    return [flow for flow in FLOWS if flow.target in phases and (flow.source, flow.name) in names]


def requests(objects: float, size: float) -> float:
    """To read one piece of each object, of `size` bytes on average: a head; then the whole of a small object, or index
    and range of a larger one, and the checksums of one that was written in parts.
    """
    return objects * (2.0 if size <= SMALL else 3.0 if size <= PART_BYTES else 4.0)

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
from refinedweb.dedup.routes import Route, route, settled
from refinedweb.storage.s3_end import ENDING

BY_PARTITION = {"2-group", "4-match", "3-link-label"}  # phases with a task per partition of the keys
READ_ALL = "1-sign"  # it reads all documents
# Phases that read documents, but not in a task that has been asked about none of its block.
READ_ASKED = (
    "2-group-fetch", "2-group-verify", "3-windows", "4-describe", "5-judge", "6-name", "6-keeper-fetch",
    "6-keeper-verify",
)  # fmt: skip


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
    Flow("4-describe", "6-keeper-pair", "members", "own"),
    Flow("5-elect", "6-keeper-pair", "winners", "blocks"),
    Flow("6-keeper-pair", "6-keeper-fetch", "pairs", "blocks"),
    Flow("6-keeper-fetch", "6-keeper-verify", "pairs", "blocks"),
    Flow("6-keeper-fetch", "6-keeper-verify", "texts", "blocks"),
    Flow("6-keeper-verify", "9-decide", "edges", "own"),
    Flow("2-group", "5-judge", "resolved", "blocks"),
    Flow("2-group", "5-judge", "copies", "blocks"),
    Flow("4-match", "5-judge", "matched", "blocks"),
    Flow("5-judge", "6-name", "asked", "blocks"),
    Flow("5-judge", "6-name", "judged", "own"),
    Flow("5-judge", "9-decide", "judged", "own"),
    Flow("5-judge", "9-decide", "held", "own"),
    Flow("6-name", "9-decide", "named", "blocks"),
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

    def route(self, flow: Flow, written: float) -> Route | None:
        """The way of a flow's rows, of which `written` bytes there will be; None for objects that are not divided."""
        if flow.to in ("one", "own"):
            return None
        sizes = {"members": 2 * SIDES_BYTES * int(self.edges), "best": self._tail, "winners": self._tail}
        partitions = {"partitions": self.partitions, "clusters": self.clusters, "blocks": self.blocks}[flow.to]
        size = sizes.get(flow.name, int(self.bytes))
        planned = route(self.tasks(flow.source), partitions, size, planning.LIMITS)
        return settled(planned, int(written), planning.LIMITS) if planned.merges else planned

    def objects(self, flow: Flow, written: float) -> int:
        """How many objects of a flow each task of its target reads."""
        if flow.to == "own":
            return 1
        found = self.route(flow, written)
        return self.tasks(flow.source) if found is None else found.groups[-1]


def flows_of(phases: Collection[str], names: Collection[tuple[str, str]]) -> list[Flow]:
    """The flows between these phases. `names`: which phase wrote objects of which name."""
    found = [flow for flow in FLOWS if flow.target in phases and (flow.source, flow.name) in names]
    checked = "2-group-verify" in phases  # then only the edges that hold are linked
    return [flow for flow in found if not (checked and (flow.source, flow.target) == ("2-group", "3-link"))]


def requests(objects: float, size: float) -> float:
    """To read one piece of each object, of `size` bytes on average: its end, which is the whole of a small object, and
    the index of a larger one, of which a range follows.
    """
    return objects * (1.0 if size <= ENDING else 2.0)

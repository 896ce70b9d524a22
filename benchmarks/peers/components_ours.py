"""Our side of the benchmark of connected components: `python -m benchmarks.peers.components_ours`."""

from __future__ import annotations

from benchmarks.peers import graphs
from benchmarks.peers.protocol import Answer, serve
from stages.kernels.unionfind import Components


def components(kind: str, edges: int) -> Answer:
    """Seconds in `Components` (without making the edges), peak memory, and the sizes of the answer."""
    found, clock = Components(), graphs.Clock()
    for a, b in graphs.chunks(kind, edges):
        with clock:
            found.add(a, b)
    with clock:
        nodes, labels = found.labels()
    return clock.answer(nodes=len(nodes), components=int((nodes == labels).sum()))


if __name__ == "__main__":
    components("families", 1000)  # compiles
    serve({"components": components})

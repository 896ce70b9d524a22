"""Connected components of 10⁶, 10⁷ and 10⁸ edges: ours compared with scipy and datatrove's cluster step.

    uv run python -m benchmarks.components [--sizes 1000000 …] [--peers 10000000] [--kinds sparse …] [--core N]

Every figure is one run in a fresh process, so that its peak memory is measured alone; a graph has 0.6 nodes per edge
(`peers/graphs.py`). Ours gets the edges in chunks, scipy as arrays (its time includes numbering the 64-bit
addresses), and datatrove as files (its time includes reading them and writing its lists).
Afterwards come the rounds of large-star and small-star over four partitions, and the time to find the edges in a
partition of 16 million band digests, of which 2 % occur twice.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from benchmarks import pairs
from benchmarks.peers import graphs
from benchmarks.peers.protocol import Answer

BUDGET = (120, 8_000)  # seconds, MB, at 10⁸ edges
PARTITIONS = 4  # of the distributed form


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**6, 10**7, 10**8], help="edges of the graphs")
    parser.add_argument("--peers", type=int, default=10**7, help="edges of the largest graph that the others get")
    parser.add_argument("--kinds", nargs="+", choices=graphs.KINDS, default=list(graphs.KINDS))
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()
    pairs.warn_where_noisy()
    print("CPU seconds (wall time), peak memory of the process")
    print(f"budget at 10⁸ edges: ≤ {BUDGET[0]} s, ≤ {BUDGET[1]:,} MB")
    print("| graph | edges | nodes | components | ours | scipy | datatrove |")
    print("|---|---|---|---|---|---|---|")
    for edges in options.sizes:
        for kind in options.kinds:
            row(kind, edges, ["ours", *(["scipy", "datatrove"] if edges <= options.peers else [])], options.core)
    print("\n| graph, 10⁶ edges | rounds | seconds |\n|---|---|---|")
    for kind in options.kinds:
        print(f"| {kind} | {rounds(kind, 10**6)} |", flush=True)
    print(f"\n{digests(16_000_000)}")


def row(kind: str, edges: int, names: list[str], core: int) -> None:
    """Print one line of the table. Every side must find the same components."""
    answers = [ask(name, kind, edges, core) for name in names]
    sizes = {(answer["nodes"], answer["components"]) for answer in answers}
    if len(sizes) > 1:
        raise SystemExit(f"{kind}, {edges:,} edges: {names} found different (nodes, components): {sizes}")
    nodes, components = sizes.pop()
    figures = [
        f"{answer['process_seconds']:.3g} s ({answer['seconds']:.3g}), {answer['megabytes']:,.0f} MB"
        for answer in answers
    ]
    figures += ["not run"] * (3 - len(figures))
    print(f"| {kind} | {edges:,} | {nodes:,} | {components:,} | {' | '.join(figures)} |", flush=True)


def ask(name: str, kind: str, edges: int, core: int) -> Answer:
    """The answer of one contender, in a process of its own."""
    if name == "ours":
        with pairs.ours(core, "components_ours") as side:
            return side.ask("components", kind=kind, edges=edges)
    with pairs.peer("dedup_side.py", core) as side:
        return side.ask(name, kind=kind, edges=edges)


def rounds(kind: str, edges: int) -> str:
    """The rounds of the distributed form until nothing changes, and how many seconds they take in this process."""
    from stages.kernels.star import both_directions, downwards, large_star, small_star

    a, b = (np.concatenate(side) for side in zip(*graphs.chunks(kind, edges), strict=True))
    start, count, changed = time.perf_counter(), 0, 1
    while changed:
        changed, count = 0, count + 1
        for operation, directed in ((large_star, both_directions), (small_star, downwards)):
            node, neighbour = directed(a, b)
            stars = [
                operation(node[node % PARTITIONS == part], neighbour[node % PARTITIONS == part])
                for part in range(PARTITIONS)
            ]
            a, b = (np.concatenate([star[side] for star in stars]) for side in (0, 1))
            changed += sum(star.changed for star in stars)
    return f"{count} | {time.perf_counter() - start:.1f}"


def digests(rows: int) -> str:
    """CPU nanoseconds per row in `grouped_edges`, the median of five."""
    from stages.kernels.edges import grouped_edges

    random = np.random.default_rng(1)
    keys, nodes = random.integers(0, 1 << 64, rows, dtype=np.uint64), np.arange(rows, dtype=np.uint64)
    keys[: rows // 100] = keys[-(rows // 100) :]
    grouped_edges(keys[:9], None, nodes[:9])
    clocks = [graphs.Clock() for _ in range(5)]
    for clock in clocks:
        with clock:
            found = len(grouped_edges(keys, None, nodes)[0])
    each = sorted(clock.process_seconds / rows * 1e9 for clock in clocks)
    return f"{rows:,} digests: {found:,} edges, {each[2]:.0f} CPU ns per row ({each[0]:.0f} to {each[-1]:.0f})"


if __name__ == "__main__":
    main()

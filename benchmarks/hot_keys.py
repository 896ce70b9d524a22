"""Peak memory of the tasks that meet what is hot: a key or a cluster that most documents have, and the hub it makes.

    uv run python -m benchmarks.hot_keys [--members 1000000 10000000]

For each number of members, in fresh processes, each phase as the engine runs it, over objects on disk:
stars     connected components by stars, of one cluster: all edges from one hub
election  one cluster over blocks of a million documents: the best of each block, the winner, the decisions
join      one key that all documents have: the rows that a signing task sends
merge     rows of keys from eight objects to 4,096 partitions: the bytes that merges take per CPU second
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from refinedweb.dedup import components, keys
from refinedweb.dedup.context import Block, Context
from refinedweb.dedup.election import BEST, MEMBER, best_members, joined, winners_of
from refinedweb.dedup.exchange import Exchange, arrived
from refinedweb.dedup.keys import EDGES, KEYS, edges_table
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, PhaseWork, Shuffled
from refinedweb.dedup.routes import Limits
from refinedweb.recipe.load import load
from refinedweb.recipe.plan import Step

EACH = 1_000_000  # documents per block
PARTITIONS = 8


def context(out: str, blocks: int) -> Context:
    """Of a step over this number of blocks."""
    places = tuple(Block(number, number + 1) for number in range(blocks))
    return Context(
        out, Step("01-exact_v1", "global", ("exact_v1",)), load("exact_v1"), places, PARTITIONS, 1 << 30, Limits()
    )


def addresses(members: int) -> np.ndarray:
    """Of documents in shards of EACH."""
    number = np.arange(members, dtype=np.uint64)
    return (number // np.uint64(EACH) << np.uint64(32)) | number % np.uint64(EACH)


@dataclass(frozen=True)
class HubPhase:
    """Edges from the first document to all others."""

    context: Context
    name: str = "2-group"

    @property
    def count(self) -> int:
        return len(self.context.blocks)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        nodes = addresses(len(self.context.blocks) * EACH)[task * EACH : (task + 1) * EACH]
        nodes = nodes[nodes > 0]
        outputs.shuffle("edges", EDGES, 1).write(edges_table(np.zeros(len(nodes), np.uint64), nodes))
        return PhaseCounts(len(nodes))


def complete(phase: Phase) -> None:
    for task in range(phase.count):
        PhaseWork(phase)(task, None, False)


def stars(members: int, out: str) -> int:
    """All rounds; returns how many phases."""
    components.LINK_BYTES = -1
    hub = HubPhase(context(out, members // EACH))
    complete(hub)
    count = 0
    for phase in components.linked(hub.context, (Shuffled(hub, "edges", EDGES),)):
        complete(phase)
        count += 1
    return count


def election(members: int, out: str) -> int:
    """Each block's best, the winner, the decisions of each block; returns how many were removed."""
    bests, removed = [best_members(_block(block)) for block in range(members // EACH)], 0
    best = best_members(pa.concat_tables(bests))
    winners = winners_of(best, pa.concat_tables(bests))
    for block in range(members // EACH):
        decided = joined(_block(block).select(MEMBER.names), winners.slice(block, 1), "duplicate_text")
        removed += decided.num_rows - decided.column("reason").null_count
    return removed


def _block(block: int) -> pa.Table:
    nodes = addresses((block + 1) * EACH)[block * EACH :]
    ranks = nodes * np.uint64(0x9E3779B97F4A7C15)
    ids = pa.array(nodes).cast(pa.string())
    ones, blocks = np.ones(EACH, np.int64), np.full(EACH, block, np.uint32)
    return pa.table([pa.array(np.zeros(EACH, np.uint64)), pa.array(nodes), pa.array(ranks), ids, ones, blocks], BEST)


@dataclass(frozen=True)
class JoinPhase:
    """All documents have one key."""

    context: Context
    members: int
    name: str = "1-sign"
    count: int = 1

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        schema = KEYS.remove(1)
        sent = Exchange(self.context, "signed", schema, 1, PARTITIONS, 1 << 30, "key", "key").open(outputs)
        join, edges = keys.Join(sent, schema), outputs.shuffle("edges", EDGES, 1)
        for start in range(0, self.members, 10_000):
            nodes = np.arange(start, min(start + 10_000, self.members), dtype=np.uint64)
            edges.write(join.add(pa.table([pa.array(np.full(len(nodes), 7, np.uint64)), pa.array(nodes)], schema)))
        edges.write(join.flush())
        return PhaseCounts(sent.rows)


def join(members: int, out: str) -> int:
    """One signing task; returns how many rows it sent."""
    return PhaseWork(JoinPhase(context(out, 1), members))(0, None, False).rows_in


@dataclass(frozen=True)
class KeysPhase:
    """Keys that occur once, for many partitions."""

    context: Context
    members: int
    name: str = "1-sign"
    count: int = 8

    @property
    def rows(self) -> Exchange:
        """Far more partitions than pieces."""
        return Exchange(self.context, "signed", KEYS.remove(1), self.count, 4096, 16 * self.members, "key", "key")

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        sent = self.rows.open(outputs)
        nodes = np.arange(task, self.members, self.count, dtype=np.uint64)
        for start in range(0, len(nodes), EACH):
            part = pa.array(nodes[start : start + EACH])
            sent.write(pa.table([part, part], self.rows.schema))
        return PhaseCounts(len(nodes))


def merge(members: int, out: str) -> int:
    """Bytes per CPU second."""
    phase = KeysPhase(context(out, 1), members)
    complete(phase)
    start, moved = time.process_time(), 0
    for merged in arrived(phase.rows, phase):
        complete(merged)
        moved += 16 * members
    return round(moved / (time.process_time() - start))


CASES = {"stars": stars, "election": election, "join": join, "merge": merge}


def alone(name: str, members: int) -> None:
    """One case in this process; prints what it found and took."""
    with tempfile.TemporaryDirectory() as out:
        start, base = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = CASES[name](members, out)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps([found, time.process_time() - start, base * 1024, peak * 1024]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    if options.alone:
        alone(options.cases[0], options.members[0])
        return
    print("| case | members | found | CPU s | MB before | peak MB |\n|---|---|---|---|---|---|")
    for name in options.cases:
        for members in options.members:
            call = [sys.executable, "-m", "benchmarks.hot_keys", "--alone", "--cases", name, "--members", str(members)]
            done = subprocess.run(call, capture_output=True, text=True, check=True)
            found, seconds, base, peak = json.loads(done.stdout)
            print(f"| {name} | {members:,} | {found:,} | {seconds:.0f} | {base / 1e6:,.0f} | {peak / 1e6:,.0f} |")


if __name__ == "__main__":
    main()

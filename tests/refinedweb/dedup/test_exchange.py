"""Rows on their way between phases: whatever the route, a partition has the same rows in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinedweb.dedup.context import Block, Context
from refinedweb.dedup.exchange import Exchange, arrived
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled, folder_of
from refinedweb.dedup.planning import split_shuffle
from refinedweb.dedup.routes import Limits, route
from refinedweb.dedup.shuffle import MOST_PARTITIONS, partition_of
from refinedweb.recipe.load import load as load_recipe
from refinedweb.recipe.plan import Step
from tests.examples import examples

ROWS = pa.schema([("key", pa.uint64()), ("task", pa.int64()), ("row", pa.int64())])


@dataclass(frozen=True)
class ToyPhase:
    """Each task writes its keys."""

    context: Context
    keys: tuple[tuple[int, ...], ...]
    partitions: int
    size: int
    name: str = "1-sign"

    @property
    def count(self) -> int:
        return len(self.keys)

    @property
    def sent(self) -> Exchange:
        return Exchange(self.context, "rows", ROWS, self.count, self.partitions, self.size, "key", "key")

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        sender = self.sent.open(outputs)
        for row, key in enumerate(self.keys[task]):
            sender.write(pa.table([[key], [task], [row]], schema=ROWS))
        return PhaseCounts()


def complete(phase: Phase) -> None:
    for task in range(phase.count):
        outputs = PhaseOutputs(phase.context.store, folder_of(phase), task)
        phase.run(task, outputs)
        outputs.finish()


def sent(phase: ToyPhase) -> tuple[Shuffled, int]:
    """What the next phase reads, and how many merges there were."""
    complete(phase)
    steps, merges = arrived(phase.sent, phase), 0
    while True:
        try:
            complete(next(steps))
        except StopIteration as end:
            return end.value, merges
        merges += 1


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=8).map(tuple), min_size=1, max_size=6).map(tuple),
    partitions=st.integers(1, 11),
    fan=st.integers(2, 4),
    merged=st.sampled_from([1, 200, 1 << 30]),
)
def test_every_route_brings_the_same_rows_in_the_same_order(
    tmp_path_factory: pytest.TempPathFactory,
    keys: tuple[tuple[int, ...], ...],
    partitions: int,
    fan: int,
    merged: int,
) -> None:
    out = str(tmp_path_factory.mktemp("out"))
    step = Step("01-exact_v1", "global", ("exact_v1",))
    limits = Limits(direct=0, fan=fan, merged=merged)
    recipe = load_recipe("exact_v1", [])
    context = Context(out, step, recipe, (Block(0, 1),), partitions, 1000, limits)
    found, merges = sent(ToyPhase(context, keys, partitions, 1000))
    rows = [(key, task, row) for task, of_task in enumerate(keys) for row, key in enumerate(of_task)]
    where = partition_of(np.array([key for key, _, _ in rows], np.uint64), partitions).tolist()
    for partition in range(partitions):
        wanted = [row for row, at in zip(rows, where, strict=True) if at == partition]
        assert [tuple(row.values()) for row in found.read(partition).to_pylist()] == wanted
    assert partitions <= fan or merges >= 1


@given(
    producers=st.integers(1, 10**7),
    partitions=st.integers(1, 10**8),
    size=st.integers(0, 10**16),
    direct=st.sampled_from([0, 1 << 20]),
    fan=st.sampled_from([2, 30, 1024]),
)
def test_no_object_has_more_pieces_and_no_merge_more_objects_than_the_fan(
    producers: int, partitions: int, size: int, direct: int, fan: int
) -> None:
    limits = Limits(direct, fan)
    found = route(producers, partitions, size, limits)
    levels = range(found.merges + 1)
    assert found.widths[-1] == 1
    assert found.groups[0] == producers
    assert all(found.pieces(level) <= fan <= MOST_PARTITIONS for level in levels)
    assert all(found.merged(level) <= fan for level in levels[1:])
    assert all((found.groups[level] - 1) * found.merged(level) < found.groups[level - 1] for level in levels[1:])
    held = [found.reads(level - 1) for level in levels[1:]]
    assert all(found.tasks(level) * found.merged(level) >= read for level, read in zip(levels[1:], held, strict=True))


def requests(documents: int, keys: int) -> float:
    """Reads per task of a MinHash step over that many documents."""
    size = documents * keys * 16
    block, partitions = split_shuffle(size)
    blocks = size // block + 1
    found = route(blocks, partitions, size, Limits())
    tasks = blocks + partitions + sum(map(found.tasks, range(1, found.merges + 1)))
    return sum(map(found.reads, range(found.merges + 1))) / tasks


@pytest.mark.parametrize("keys", [14, 450])
def test_requests_grow_with_the_corpus_and_not_with_its_square(keys: int) -> None:
    """From a thousandth of a dump to a hundred billion documents. A direct route would take 10⁵ times more reads."""
    each = [requests(int(documents), keys) for documents in (2.6e6, 2.6e7, 2.6e8, 2.6e9, 2.6e10, 1e11)]
    assert max(each) < 2 * MOST_PARTITIONS


def test_few_objects_take_the_direct_route() -> None:
    assert route(100, 800, 10**10, Limits()).merges == 0
    assert route(15_000, 36_000, 7 * 10**12, Limits()).merges >= 1


def test_small_rows_of_many_tasks_are_gathered_first(tmp_path: Path) -> None:
    """Each object is then read once, as a whole, and not once for each of its pieces."""
    found = route(36_000, 15_000, 10**9, Limits())
    assert found.pieces(0) == 1
    assert sum(map(found.reads, range(found.merges + 1))) < 4 * (36_000 + 15_000)

"""What a step of the sample becomes over a larger input: how many tasks, how large, with which requests.

Everything grows in proportion to the input, except the number of tasks of global steps, which `dedup/planning.py`
chooses, and their requests and merges, which follow from it (`flows`). Duplicates grow faster than the corpus; one
sample does not show how fast, so this is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from classifiers.kernels.arrays import Float64s
from refinedweb.dedup import planning
from refinedweb.dedup.components import LINK_BYTES, ROWS, SIDES_BYTES, star_partitions
from refinedweb.dedup.routes import route as route_of
from refinedweb.engine.policy import block_of, recycle_of
from refinedweb.forecast.flows import READ_ALL, READ_ASKED, Flow, Shuffle, flows_of, requests
from refinedweb.forecast.measured import MeasuredPart, MeasuredSample
from refinedweb.forecast.simulation import Tasks
from refinedweb.ledger.layout import DECIDE
from refinedweb.recipe.load import of_content
from refinedweb.recipe.plan import Step
from refinedweb.shard.outputs import GROUP_BYTES, GROUP_ROWS
from refinedweb.storage.s3 import PARALLEL, READ_AHEAD, SMALL
from refinedweb.storage.s3_end import ENDING
from refinedweb.storage.s3_streams import PART_BYTES
from stages.base import build
from stages.dedup import Clustered, Global
from stages.kernels.unionfind import bytes_needed

RECORD_PUTS = 2  # per task: its commit record, and its share of the claims
MERGE = "-merge-"  # in the name of a phase that merges
MERGE_RATE = 43e6  # bytes per core second of a merge, in pieces of 8 kB (`benchmarks/hot_keys.py`)
ROUNDS = 6  # of large and small stars: the planted graphs of `benchmarks/components.py` took 4 to 6
HELD = 3  # copies: a gathering task holds its partition as read, as one table, and sorted
NORMAL_DRAWS = 30  # the mean of this many draws is normal enough (the usual rule of thumb)
FILE_GETS = 2  # per input file, besides its ranges: its head, and its checksums if there are any
CLAIM_REQUESTS = 3  # of the driver, per claim: take it, list which of its tasks have a record, release it


@dataclass(frozen=True)
class InputVolume:
    """The wanted input: the number of files, and the bytes of each."""

    files: int
    size: float

    @property
    def bytes(self) -> float:
        return self.files * self.size


@dataclass(frozen=True)
class Load:
    """One step or phase over the wanted input. `memory`: bytes per worker; `shuffle`: only of a global step."""

    name: str
    tasks: Tasks
    gets: float
    puts: float
    bytes_in: float
    bytes_out: float
    memory: float
    shuffle: Shuffle | None = None


def loads(sample: MeasuredSample, wanted: InputVolume, dice: np.random.Generator) -> list[Load]:
    """Every step and phase of the run over the wanted input, in order."""
    scale = wanted.bytes / sample.bytes_in
    shuffles = _shuffles(sample, wanted, scale)
    found: list[Load] = []
    for part in sample.parts:
        if part.step.kind == "local":
            found.append(_pass(part, wanted, scale, dice))
        elif MERGE not in part.phase:
            found += _phase(part, _Step(sample, part.step, *shuffles[part.step.name], wanted, scale), dice)
    return found


def drawn(part: MeasuredPart, works: Float64s, dice: np.random.Generator) -> Float64s:
    """Seconds of tasks that have this much work each. A task's rate is the mean of several of the sample's rates: as
    many as tasks of the sample fit into its work.

    A shard of a crawl is a mixture of many pages: one that is a hundred times larger than the sample's varies less.
    """
    typical = part.work / part.tasks if part.tasks else 1.0
    draws = np.maximum(1, np.round(works / max(1e-9, typical))).astype(int)
    spread = float(part.rates.std())
    if draws.min() >= NORMAL_DRAWS:
        rates = part.rate + dice.standard_normal(len(works)) * spread / np.sqrt(draws)
    else:
        rates = np.array([dice.choice(part.rates, n).mean() for n in draws])
    seconds: Float64s = np.maximum(0.0, rates) * works
    return seconds


def _pass(part: MeasuredPart, wanted: InputVolume, scale: float, dice: np.random.Generator) -> Load:
    files = wanted.files
    each = scale / files
    seconds = -np.sort(-drawn(part, np.full(files, part.work * each), dice))
    read = max(part.bytes_in, 1.0) * each
    written, objects = part.bytes_out * each, part.outputs / part.tasks
    gets = FILE_GETS + math.ceil(read / READ_AHEAD) + len(part.step.applies)
    puts = _puts(written, objects)
    tasks = Tasks(
        seconds, part.warm_up, recycle_of(int(wanted.size)), gets, puts, read + written, **_claims(files)
    )  # fmt: skip
    return Load(part.name, tasks, gets * files, puts * files, read * files, written * files, part.peak_memory)


def _claims(tasks: int) -> dict[str, Any]:
    """How the driver shares out this number of tasks."""
    block = block_of(tasks)
    return {"driver_requests": CLAIM_REQUESTS / block, "per_claim": block}


def _puts(size: float, objects: float) -> float:
    """Writing requests of a task for `size` bytes in `objects` objects, and for its record. A task may write none."""
    return RECORD_PUTS + (objects * (1 + _parts(size / objects)) if objects else 0.0)


def _parts(size: float) -> float:
    """Requests beyond the first for an object of that size: its parts, beginning and completing the upload, and the
    object of checksums."""
    return 0.0 if size < PART_BYTES else math.ceil(size / PART_BYTES) + 2


def _shuffles(sample: MeasuredSample, wanted: InputVolume, scale: float) -> dict[str, tuple[Global, Shuffle]]:
    """The stage of each global step and what `dedup/planning.py` will plan for it, by the step's name."""
    deciding = [name for step in sample.run.steps if step.kind == "global" for name in step.stages]
    recipe = of_content(sample.run.recipe, sample.run.recipe_name, deciding, sample.trust)
    passes = {part.name: part for part in sample.parts if part.step.kind == "local"}
    found = {}
    for step in sample.run.steps:
        if step.kind == "global" and step.reads is not None:
            ((name, values),) = recipe.only(step.stages)
            read = passes[step.reads]
            stage, sizes = build(name, values), (int(read.rows_kept * scale), int(read.bytes_kept * scale))
            total = planning.shuffle_bytes(stage, *sizes)
            block, partitions = planning.split_shuffle(total)
            files = max(1, int(block / max(1.0, planning.block_bytes(stage, *sizes) / wanted.files)))  # in a block
            edges, members = (_rows(sample, step, phase) * scale for phase in ("3-link", "4-describe"))
            shuffle = Shuffle(-(-wanted.files // files), partitions, float(total), edges, members)
            found[step.name] = (cast(Global, stage), shuffle)
    return found


def _rows(sample: MeasuredSample, step: Step, phase: str) -> float:
    """Rows that a phase of the sample read; 0 if it has no such phase."""
    return sum(part.rows for part in sample.parts if part.step == step and part.phase == phase)


@dataclass(frozen=True)
class _Step:
    """A global step over the wanted input."""

    sample: MeasuredSample
    step: Step
    stage: Global
    shuffle: Shuffle
    wanted: InputVolume
    scale: float

    def document_gets(self, phase: str) -> float:
        """Requests of a phase for the documents of one shard: the end of the object, which may be all of it; the rest
        if it is small, else each column of each row group; and the decisions of the steps before.
        """
        (read,) = (part for part in self.sample.parts if part.name == self.step.reads)
        size, rows, text = (
            n * self.scale / self.wanted.files for n in (read.handed_on, read.rows_kept, read.bytes_kept)
        )
        decided = len(self.step.applies)
        if size <= SMALL:
            return (1.0 if size <= ENDING else 2.0) + decided
        groups = max(math.ceil(rows / GROUP_ROWS), math.ceil(text / GROUP_BYTES))
        return 1.0 + (size > PART_BYTES) + groups * len(self._columns(phase)) + decided

    def _columns(self, phase: str) -> set[str]:
        """Which a phase reads."""
        if phase == "4-describe" and isinstance(self.stage, Clustered):
            return {"id", *self.stage.ranks_by}
        return {"id"} if phase == "6-name" else {"id", *self.stage.reads}

    def flows(self) -> list[Flow]:
        """Those of the sample, whose phases go by the same names."""
        parts = {part.phase: part for part in self.sample.parts if part.step == self.step}
        return flows_of(parts, [(phase, name) for phase, part in parts.items() for name in part.shuffled])

    def bytes(self, flow: Flow) -> float:
        (source,) = (p for p in self.sample.parts if p.step == self.step and p.phase == flow.source)
        return source.shuffled[flow.name] * self.scale


def _phase(part: MeasuredPart, step: _Step, dice: np.random.Generator) -> list[Load]:
    """A phase, and the merges of what it writes."""
    if part.phase == "3-link" and bytes_needed(int(part.rows * step.scale)) > LINK_BYTES:
        return _stars(part, step.shuffle, step.scale, dice)
    shuffle, wanted, tasks = step.shuffle, step.wanted, step.shuffle.tasks(part.phase)
    work, out, moved_in, reads = part.work * step.scale, part.bytes_out * step.scale, 0.0, 0.0
    busy = _busy(part, step.scale * part.tasks / tasks)
    for flow in step.flows():
        if flow.target == part.phase:
            size = step.bytes(flow)
            route = shuffle.route(flow, size)
            written = shuffle.tasks(flow.source) if route is None else route.tasks(route.merges)
            each = requests(shuffle.objects(flow, size), size / written)
            reads, moved_in = reads + each * (busy if flow.to == "own" else 1.0), moved_in + size
    waits = reads / PARALLEL
    if part.phase == READ_ALL or part.phase in READ_ASKED:
        documents = step.document_gets(part.phase) * wanted.files / tasks * busy
        reads, waits = reads + documents, waits + documents
    objects = wanted.files / tasks if part.phase == DECIDE else part.outputs / part.tasks
    puts = _puts(out / tasks, objects)
    load = Tasks(
        drawn(part, np.full(tasks, work / tasks), dice), part.warm_up, gets=reads, puts=puts,
        moved=(moved_in + out) / tasks, waits=waits, **_claims(tasks),
    )  # fmt: skip
    memory = part.peak_memory + (HELD * shuffle.bytes / tasks if part.phase == "2-group" else 0)
    found = [Load(part.name, load, reads * tasks, puts * tasks, moved_in, out, memory, shuffle)]
    sent = {flow.name: flow for flow in step.flows() if flow.source == part.phase}  # two phases may read the same
    for flow in sent.values():
        found += _merges(part, flow, step)
    return found


def _busy(part: MeasuredPart, size: float) -> float:
    """The share of tasks that have anything to look up in their block, if a task has `size` times as much to do as one
    of the sample. The others read neither documents nor what belongs to them.
    """
    return 1.0 - (1.0 - part.active) ** size if part.phase in READ_ASKED else 1.0


def _merges(part: MeasuredPart, flow: Flow, step: _Step) -> list[Load]:
    """The merges between two phases: each reads a piece of some objects, and writes one."""
    size, found = step.bytes(flow), list[Load]()
    route = step.shuffle.route(flow, size)
    for level in range(1, route.merges + 1) if route is not None else ():
        assert route is not None
        tasks, before = route.tasks(level), size / route.tasks(level - 1)
        gets = requests(route.merged(level), before)
        puts = _puts(size / tasks, 1)
        load = Tasks(
            np.full(tasks, size / tasks / MERGE_RATE), gets=gets, puts=puts, moved=2 * size / tasks,
            waits=gets / PARALLEL, **_claims(tasks),
        )  # fmt: skip
        name, memory = f"{part.name}-{flow.name}{MERGE}{level}", part.peak_memory
        reads = requests(route.reads(level - 1), before)
        found.append(Load(name, load, reads, puts * tasks, size, size, memory, step.shuffle))
    return found


def _stars(part: MeasuredPart, shuffle: Shuffle, scale: float, dice: np.random.Generator) -> list[Load]:
    """Connected components by stars over shuffled edges. Every round reads and writes all edges twice, partition by
    partition."""
    edges = part.rows * scale
    tasks, moved = star_partitions(int(edges), shuffle.partitions), 2 * SIDES_BYTES * edges
    between = route_of(tasks, tasks, int(moved), planning.LIMITS)
    reads = requests(between.groups[-1], moved / between.tasks(between.merges))
    seconds = drawn(part, np.full(tasks, 2 * part.work * scale / tasks), dice)
    load = Tasks(
        seconds, part.warm_up, gets=reads, puts=1 + RECORD_PUTS, moved=2 * moved / tasks, waits=reads / PARALLEL,
        **_claims(tasks),
    )  # fmt: skip
    memory = part.peak_memory + HELD * min(moved / tasks, 16.0 * ROWS)
    one = Load(part.name, load, reads * tasks, 3.0 * tasks, moved, moved, memory, shuffle)
    return [one] * (2 * ROUNDS + 2)

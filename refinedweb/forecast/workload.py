"""What a step of the sample becomes over a larger input: how many tasks, how large, with which requests.

Everything grows in proportion to the input, except the number of tasks of global steps, which `dedup/planning.py`
chooses, and with it their requests: every task of a phase reads from every object of the previous phase
(`dedup/shuffle.py`). Duplicates grow faster than the corpus; one sample does not show how fast, so this is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from classifiers.kernels.arrays import Float64s
from refinedweb.dedup.components import LINK_BYTES, SIDES_BYTES, star_partitions
from refinedweb.dedup.planning import shuffle_bytes, split_shuffle
from refinedweb.dedup.shuffle import MOST_PARTITIONS
from refinedweb.engine.policy import block_of, recycle_of
from refinedweb.forecast.measured import MeasuredPart, MeasuredSample
from refinedweb.forecast.simulation import Tasks
from refinedweb.recipe.load import of_content
from refinedweb.storage.s3 import PARALLEL, READ_AHEAD, SMALL
from refinedweb.storage.s3_streams import PART_BYTES
from stages.base import build
from stages.kernels.unionfind import bytes_needed

RECORD_AND_CLAIM = 2  # PUTs per task: its commit record, and its share of the claims
ROUNDS = 6  # of large and small stars: the planted graphs of `benchmarks/components.py` took 4 to 6
HELD = 3  # copies: a gathering task holds its partition as read, as one table, and sorted
NORMAL_DRAWS = 30  # the mean of this many draws is normal enough (the usual rule of thumb)
FILE_GETS = 2  # per input file, besides its ranges: its head, and its checksums if there are any
DOCUMENT_GETS = 3  # per shard of documents in a block: head, footer, columns
RECORD_REQUESTS = 1  # of the driver, per task: whether it has a record
CLAIM_REQUESTS = 2  # of the driver, per claim: take it, release it


@dataclass(frozen=True)
class InputVolume:
    """The wanted input: the number of files, and the bytes of each."""

    files: int
    size: float

    @property
    def bytes(self) -> float:
        return self.files * self.size


@dataclass(frozen=True)
class Shuffle:
    """How a global step is cut: blocks of documents, partitions of keys, and bytes of shuffled keys."""

    blocks: int
    partitions: int
    bytes: float

    @property
    def possible(self) -> bool:
        """Whether 16 bits are enough to number the blocks and the partitions."""
        return max(self.blocks, self.partitions) <= MOST_PARTITIONS


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
        else:
            found += _phase(part, shuffles[part.step.name], wanted, scale, dice)
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
    gets = FILE_GETS + math.ceil(read / READ_AHEAD)
    puts = objects + objects * _parts(written / objects) + RECORD_AND_CLAIM
    block = block_of(files)
    tasks = Tasks(
        seconds, part.warm_up, recycle_of(int(wanted.size)), gets, puts, read + written,
        driver_requests=RECORD_REQUESTS + CLAIM_REQUESTS / block, per_claim=block,
    )  # fmt: skip
    return Load(part.name, tasks, gets * files, puts * files, read * files, written * files, part.peak_memory)


def _parts(size: float) -> float:
    """Requests beyond the first for an object of that size: its parts, beginning and completing the upload, and the
    object of checksums."""
    return 0.0 if size < PART_BYTES else math.ceil(size / PART_BYTES) + 2


def _shuffles(sample: MeasuredSample, wanted: InputVolume, scale: float) -> dict[str, Shuffle]:
    """What `dedup/planning.py` will plan for each global step, by the step's name."""
    deciding = [name for step in sample.run.steps if step.kind == "global" for name in step.stages]
    recipe = of_content(sample.run.recipe, sample.run.recipe_name, deciding, sample.trust)
    passes = {part.name: part for part in sample.parts if part.step.kind == "local"}
    found = {}
    for step in sample.run.steps:
        if step.kind == "global" and step.reads is not None:
            ((name, values),) = recipe.only(step.stages)
            read = passes[step.reads]
            total = shuffle_bytes(build(name, values), int(read.rows_kept * scale), int(read.bytes_kept * scale))
            block, partitions = split_shuffle(total)
            files = max(1, int(block / max(1.0, total / wanted.files)))  # in a block
            found[step.name] = Shuffle(-(-wanted.files // files), partitions, float(total))
    return found


def _phase(
    part: MeasuredPart, shuffle: Shuffle, wanted: InputVolume, scale: float, dice: np.random.Generator
) -> list[Load]:
    work, out = part.work * scale, part.bytes_out * scale
    linking = part.phase == "3-link"
    if linking and bytes_needed(int(part.rows * scale)) > LINK_BYTES:
        return _stars(part, shuffle, scale, dice)
    producers, tasks = _sides(part.phase, shuffle)
    seconds = drawn(part, np.full(tasks, work / tasks), dice)
    moved_in = shuffle.bytes if part.phase == "2-group" else out
    objects = part.outputs / part.tasks if part.phase != "9-decide" else wanted.files / tasks
    reads = _reads(producers, tasks, moved_in)
    waits = reads / PARALLEL
    if part.phase.startswith(("1", "3-windows", "4-describe", "9")):
        documents = DOCUMENT_GETS * wanted.files / tasks
        reads, waits = reads + documents, waits + documents
    puts = objects + objects * _parts(out / tasks / objects) + RECORD_AND_CLAIM
    load = Tasks(
        seconds,
        part.warm_up,
        gets=reads,
        puts=puts,
        moved=(moved_in + out) / tasks,
        waits=waits,
        driver_requests=RECORD_REQUESTS + CLAIM_REQUESTS,
    )
    memory = part.peak_memory + (HELD * shuffle.bytes / tasks if part.phase == "2-group" else 0)
    return [Load(part.name, load, reads * tasks, puts * tasks, moved_in, out, memory, shuffle)]


def _sides(phase: str, shuffle: Shuffle) -> tuple[int, int]:
    """How many objects a task of the phase reads from, and how many tasks the phase has."""
    blocks, partitions = shuffle.blocks, shuffle.partitions
    if phase == "1-sign":
        return 0, blocks
    if phase == "3-link":
        return partitions, 1
    by_partition = {"2-group", "4-match", "5-elect", "3-link-label"}
    return (blocks, partitions) if phase in by_partition else (partitions, blocks)


def _reads(producers: int, tasks: int, moved: float) -> float:
    """Requests of a task that reads its partition from each of the objects: a head; then the whole of a small object,
    or index and range of a larger one, and the checksums of one that was written in parts.
    """
    if producers == 0:
        return 0.0
    size = moved / producers
    return producers * (2.0 if size <= SMALL else 3.0 if size <= PART_BYTES else 4.0)


def _stars(part: MeasuredPart, shuffle: Shuffle, scale: float, dice: np.random.Generator) -> list[Load]:
    """Connected components by stars over shuffled edges. Every round reads and writes all edges twice, partition by
    partition."""
    edges = part.rows * scale
    tasks, moved = star_partitions(int(edges), shuffle.partitions), 2 * SIDES_BYTES * edges
    reads = _reads(tasks, tasks, moved)
    seconds = drawn(part, np.full(tasks, 2 * part.work * scale / tasks), dice)
    load = Tasks(
        seconds, part.warm_up, gets=reads, puts=1 + RECORD_AND_CLAIM, moved=2 * moved / tasks, waits=reads / PARALLEL,
        driver_requests=RECORD_REQUESTS + CLAIM_REQUESTS,
    )  # fmt: skip
    memory = part.peak_memory + HELD * moved / tasks
    one = Load(part.name, load, reads * tasks, 3.0 * tasks, moved, moved, memory, shuffle)
    return [one] * (2 * ROUNDS + 2)

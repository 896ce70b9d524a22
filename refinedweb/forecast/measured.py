"""The ledger of a sample run → what each of its steps and phases costs.

A worker's first task of a step is slower: it imports, opens models, loads compiled kernels. First tasks are recognised
by their times: a task that began before the first one was committed is some worker's first. If all tasks are first ones
(as in a phase of one task), two samples of different size separate the warm-up from the work; with one sample, all of
it counts as work, which is too much for larger inputs, never too little.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from classifiers.kernels.arrays import Float64s
from refinedweb.ledger.gaps import lost_to
from refinedweb.ledger.layout import handed_on_folder, shuffled_name
from refinedweb.ledger.manifest import Ledger, Record
from refinedweb.ledger.own_runs import trust_in
from refinedweb.ledger.run_file import RunFile, open_run
from refinedweb.ledger.totals import ledger_folders
from refinedweb.recipe.plan import Step
from refinedweb.recipe.trust import Trust
from refinedweb.storage import open_store
from stages.errors import ConfigError

# Times the smallest task that the largest one must be, for a line through them to mean anything.
DISTINCT_SIZES = 1.2


@dataclass(frozen=True)
class TaskPoint:
    """One task: its work (bytes of input, or rows if it has none), its seconds, and whether it was a first one."""

    work: float
    seconds: float
    first: bool


@dataclass(frozen=True)
class MeasuredPart:
    """A step, or a phase of a global step. Sums are over the tasks of the (largest) sample.

    `rates`: seconds per unit of work, one for each informative task; `warm_up`: additional seconds of a worker's first
    task; `bytes_in`, `bytes_out`, `outputs`: bytes read, bytes written, objects written; `bytes_kept`: text that goes
    on to the next step; `shuffled`: bytes of shuffle objects by their name; `handed_on`: bytes of the objects with the
    documents that go on; `active`: share of the tasks that had any rows.
    """

    name: str
    step: Step
    tasks: int
    work: float
    rates: Float64s
    warm_up: float
    bytes_in: float
    bytes_out: float
    outputs: float
    shuffled: dict[str, float]
    handed_on: float
    active: float
    rows: float
    rows_kept: float
    bytes_kept: float
    peak_memory: int

    @property
    def phase(self) -> str:
        """`1-sign` of `01-minhash_v1/1-sign`; empty for a pass."""
        return self.name.partition("/")[2]

    @property
    def rate(self) -> float:
        """Mean seconds per unit of work."""
        return float(self.rates.mean())


@dataclass(frozen=True)
class MeasuredSample:
    """What a finished sample run measured. `start`: seconds until its first task began; `gap`: seconds between two
    steps or phases, in which no task ran; `pause`: seconds between the end of a task and the start of the next one on
    the same core; `bytes_in`: size of all its inputs.
    """

    run: RunFile
    trust: Trust
    parts: list[MeasuredPart]
    start: float
    gap: float
    pause: float
    bytes_in: float
    documents: int


def measure(outs: Sequence[str], *, trust: bool = False) -> MeasuredSample:
    """What finished runs of one recipe measured: the sums of the largest run, the rates of all.

    Raises ConfigError if a run is not finished, or ran another recipe.
    """
    runs = sorted((_Run(out, trust) for out in outs), key=lambda run: run.bytes_in)
    largest = runs[-1]
    for run in runs:
        if run.file.fingerprint != largest.file.fingerprint:
            raise ConfigError(f"{run.out} and {largest.out} ran different recipes; give samples of one recipe")
    parts = [_part(name, step, [run.records.get(name, []) for run in runs]) for name, step in largest.folders]
    if not parts:
        raise ConfigError(f"{largest.out} has no committed task; let the sample run finish")
    documents = sum(record.rows_in for record in largest.records[parts[0].name])
    return MeasuredSample(
        largest.file, largest.trust, parts, largest.start(), largest.gap(), largest.pause(), largest.bytes_in, documents
    )


class _Run:
    """The records of one finished run."""

    def __init__(self, out: str, trust: bool) -> None:
        self.out = out
        self.file = open_run(out)
        store = open_store(out)
        self.trust = trust_in(store, self.file, given=trust)
        self.records: dict[str, list[Record]] = {}
        self.folders: list[tuple[str, Step]] = []
        for folder in ledger_folders(store, self.file.steps):
            ledger = Ledger(store, folder)
            records = [record for record in ledger.records(sorted(ledger.committed())) if not record.lost]
            if records:
                step = next(step for step in self.file.steps if step.name == folder.partition("/")[0])
                self.records[folder] = records
                self.folders.append((folder, step))
        last, shards = self.file.steps[-1].name, len(self.file.inputs)
        lost = lost_to(store, self.file.steps)
        done = len(self.records.get(last, [])) + len(lost)
        if done < shards:
            raise ConfigError(f"{out} is not finished: {done} of {shards} shards of {last}")
        self.bytes_in = float(sum(item.size for n, item in enumerate(self.file.inputs) if n not in lost))

    def start(self) -> float:
        created = datetime.fromisoformat(self.file.created_at).timestamp()
        begun = min(map(_begun, self.records[self.folders[0][0]]))
        return max(0.0, begun - created)

    def gap(self) -> float:
        """The median, because a run that was resumed the next day has one long gap."""
        spans = [(min(map(_begun, records)), max(map(_ended, records))) for records in self.records.values()]
        spans.sort()
        gaps = [max(0.0, after[0] - before[1]) for before, after in pairwise(spans)]
        return statistics.median(gaps) if gaps else 0.0

    def pause(self) -> float:
        """The median over those tasks of the first pass that were not the first on their core."""
        found = pauses([(_begun(r), _ended(r)) for r in self.records[self.folders[0][0]]])
        return statistics.median(found) if found else 0.0


def pauses(spans: Sequence[tuple[float, float]]) -> list[float]:
    """When tasks began and ended → how long the core that took each task had been free. Which core it was is not
    recorded; it is taken to be the one that became free first, because tasks are handed out in that order.
    """
    free: list[float] = []
    found = []
    for begun, ended in sorted(spans):
        before = [at for at in free if at <= begun]
        if before:
            free.remove(min(before))
            found.append(begun - min(before))
        free.append(ended)
    return found


def _ended(record: Record) -> float:
    return datetime.fromisoformat(record.committed_at).timestamp()


def _begun(record: Record) -> float:
    return _ended(record) - record.seconds


def work_of(record: Record) -> float:
    """The quantity that a task's time grows with: bytes of input, else rows."""
    return float(record.input_size or record.rows_in)


def points(records: Sequence[Record]) -> list[TaskPoint]:
    """The tasks of one step. On each host, those that began before its first commit are first ones."""
    first_commit: dict[str, float] = {}
    for record in records:
        first_commit[record.host] = min(_ended(record), first_commit.get(record.host, float("inf")))
    return [TaskPoint(work_of(r), _busy(r), _begun(r) < first_commit[r.host]) for r in records]


def _busy(record: Record) -> float:
    """Seconds in which a task kept a core busy. Those of a phase are CPU seconds of its worker: other load on the
    machine and the store's answers are not in them. A pass may have other processes at work, so its clock decides.
    """
    return record.cpu_seconds or record.seconds


def fit(samples: Sequence[Sequence[TaskPoint]]) -> tuple[Float64s, float]:
    """Seconds per unit of work as an empirical distribution, and the warm-up in seconds."""
    everything = [point for sample in samples for point in sample]
    warm = [point for point in everything if not point.first and point.work > 0]
    first = [point for point in everything if point.first]
    if warm:
        rates = np.array([point.seconds / point.work for point in warm])
        rate = sum(p.seconds for p in warm) / sum(p.work for p in warm)
        more = [point.seconds - rate * point.work for point in first]
        return rates, max(0.0, statistics.median(more)) if more else 0.0
    line = _line([point for point in first if point.work > 0])
    if line is not None:
        return np.array([line[0]]), line[1]
    total = sum(point.work for point in everything)
    return np.array([sum(point.seconds for point in everything) / total if total else 0.0]), 0.0


def _line(found: Sequence[TaskPoint]) -> tuple[float, float] | None:
    """Slope and intercept, neither negative; None if the sizes do not differ enough to tell (by a fifth)."""
    work = np.array([point.work for point in found])
    if len(work) < 2 or work.max() < DISTINCT_SIZES * work.min():
        return None
    slope, intercept = np.polyfit(work, np.array([point.seconds for point in found]), 1)
    if slope <= 0:
        return None
    return float(slope), max(0.0, float(intercept))


def _part(name: str, step: Step, samples: Sequence[Sequence[Record]]) -> MeasuredPart:
    rates, warm_up = fit([points(records) for records in samples])
    records = samples[-1]
    return MeasuredPart(
        name=name,
        step=step,
        tasks=len(records),
        work=sum(map(work_of, records)),
        rates=rates,
        warm_up=warm_up,
        bytes_in=float(sum(record.input_size for record in records)),
        bytes_out=float(sum(output.size for record in records for output in record.outputs)),
        outputs=float(sum(len(record.outputs) for record in records)),
        shuffled=_shuffled(records),
        handed_on=float(sum(o.size for r in records for o in r.outputs if o.key.startswith(handed_on_folder(name)))),
        active=sum(record.rows_in > 0 for record in records) / len(records),
        rows=float(sum(record.rows_in for record in records)),
        rows_kept=float(sum(record.rows_kept for record in records)),
        bytes_kept=float(sum(record.bytes_kept for record in records)),
        peak_memory=max(record.peak_memory for record in records),
    )


def _shuffled(records: Sequence[Record]) -> dict[str, float]:
    """Bytes of shuffle objects by the name of what they hold."""
    sizes: dict[str, float] = {}
    for output in (output for record in records for output in record.outputs):
        if (name := shuffled_name(output.key)) is not None:
            sizes[name] = sizes.get(name, 0.0) + output.size
    return sizes

"""The metrics of a run while it goes on: CloudWatch's embedded metric format, and Prometheus text.

    emf     a line of JSON on stdout, once a minute, from which CloudWatch Logs makes metrics
            (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)
    *.prom  a file for the textfile collector of Prometheus's node exporter, replaced as a whole

Counts (`Documents`, `CostDollars`, …) are increments since the last line, so that their sum over hosts, drivers and
relaunches is right. The others (`ProgressPercent`, `FailedTasks`) are the state as this driver sees it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from refinedweb.engine.loop import LoopProgress, Watch
from refinedweb.ledger.manifest import Totals
from refinedweb.ledger.totals import StepState
from stages.errors import ConfigError

NAMESPACE = "RefinedWeb"
EVERY_SECONDS = 60.0  # between two readings: the resolution of CloudWatch's standard metrics
PRICE = "REFINEDWEB_DOLLARS_PER_HOUR"
CONTAINER_FILES = ("/opt/ml/config/resourceconfig.json", "/opt/ml/input/config/resourceconfig.json")

# Name, CloudWatch's unit, field of Reading.
METRICS = (
    ("ProgressPercent", "Percent", "progress_percent"),
    ("TasksDone", "Count", "tasks_done"),
    ("Tasks", "Count", "tasks"),
    ("FailedTasks", "Count", "tasks_failed"),
    ("WorkerDeaths", "Count", "deaths"),
    ("Documents", "Count", "documents"),
    ("DocumentsKept", "Count", "documents_kept"),
    ("DocumentsPerSecond", "Count/Second", "documents_per_second"),
    ("KeptPercent", "Percent", "kept_percent"),
    ("CostDollars", "None", "cost_dollars"),
)


@dataclass(frozen=True)
class Reading:
    """The state of one step, and the increments since the reading before: tasks, documents, worker deaths, dollars.

    `documents_per_second` and `kept_percent` are those of the same time; the latter is None if no documents came.
    """

    run: str
    step: str
    progress_percent: float
    tasks_done: int
    tasks_failed: int
    tasks: int
    deaths: int
    documents: int
    documents_kept: int
    documents_per_second: float
    kept_percent: float | None
    cost_dollars: float


Sink = Callable[[Reading], None]


class Meter:
    """A watcher of the engine's loop that takes a reading every `every` seconds, after each step, and at `close`."""

    def __init__(
        self, run: str, sinks: Sequence[Sink], dollars_per_hour: float = 0.0,
        every: float = EVERY_SECONDS, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._run = run
        self._sinks = sinks
        self._price = dollars_per_hour
        self._every = every
        self._clock = clock
        self._read_at = clock()
        self._current: LoopProgress | None = None
        self._before = (0, 0, 0, 0)

    def watch(self, progress: LoopProgress) -> None:
        """Called by the loop several times a second, and without a step while the store holds up what is between."""
        if not progress.step:
            return
        if self._current is not None and self._current.step != progress.step:
            self.close()
        self._current = progress
        if self._clock() - self._read_at >= self._every:
            self._read(progress)

    def close(self) -> None:
        """Take the last reading of a step."""
        if self._current is not None:
            self._read(self._current)
        self._current, self._before = None, (0, 0, 0, 0)

    def _read(self, progress: LoopProgress) -> None:
        now = self._clock()
        seconds, self._read_at = max(1e-9, now - self._read_at), now
        seen = (progress.seen.tasks, progress.seen.rows_in, progress.seen.rows_kept, progress.deaths)
        tasks, documents, kept, deaths = (new - old for new, old in zip(seen, self._before, strict=True))
        self._before = seen
        if "/" in progress.step:  # the tasks of a global step count keys and pairs, not documents
            documents = kept = 0
        reading = Reading(
            run=self._run,
            step=progress.step,
            progress_percent=100.0 * progress.done / max(1, progress.total),
            tasks_done=progress.done,
            tasks_failed=len(progress.failed),
            tasks=tasks,
            deaths=deaths,
            documents=documents,
            documents_kept=kept,
            documents_per_second=documents / seconds,
            kept_percent=100.0 * kept / documents if documents else None,
            cost_dollars=self._price * seconds / 3600,
        )
        for sink in self._sinks:
            sink(reading)


def meter_of(wanted: Sequence[str], out: str) -> Meter | None:
    """The meter that `--metrics` asks for (`emf`, or the path of a .prom file); in a SageMaker container `emf` is the
    default. None if no metrics are wanted. Raises ConfigError if a target cannot be used.
    """
    if not wanted and any(Path(name).exists() for name in CONTAINER_FILES):
        wanted = ("emf",)
    run = out.rstrip("/")
    sinks = [emf_sink(sys.stdout) if name == "emf" else _prometheus_file(name) for name in wanted]
    return Meter(run, sinks, dollars_per_hour()) if sinks else None


def dollars_per_hour() -> float:
    """What the machines of this driver cost, from the environment; 0 if the variable is not set."""
    value = os.environ.get(PRICE, "0")
    try:
        return float(value)
    except ValueError:
        raise ConfigError(f"{PRICE} must be a number of dollars per hour, not {value!r}") from None


def both(first: Watch, meter: Meter | None) -> Watch:
    """A watcher that passes progress on to the meter and to `first`."""

    def watch(progress: LoopProgress) -> None:
        if meter is not None:
            meter.watch(progress)
        first(progress)

    return watch


def emf(reading: Reading, milliseconds: int) -> dict[str, Any]:
    """One object of the embedded metric format, by run, and by run and step. `milliseconds`: since 1970."""
    found = [(name, unit, getattr(reading, field)) for name, unit, field in METRICS]
    metrics = [{"Name": name, "Unit": unit} for name, unit, value in found if value is not None]
    about = {
        "Timestamp": milliseconds,
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Run"], ["Run", "Step"]], "Metrics": metrics}],
    }
    values = {name: value for name, _, value in found if value is not None}
    return {"_aws": about, "Run": reading.run, "Step": reading.step, **values}


def emf_sink(stream: TextIO, now: Callable[[], float] = time.time) -> Sink:
    """A sink that writes a line for each reading."""

    def write(reading: Reading) -> None:
        stream.write(json.dumps(emf(reading, int(now() * 1000)), ensure_ascii=False) + "\n")
        stream.flush()

    return write


def _prometheus_file(name: str) -> Sink:
    path = Path(name)
    if path.suffix != ".prom":
        raise ConfigError(
            f"--metrics {name}: give `emf`, or a file whose name ends in .prom (the textfile collector reads no other)"
        )
    if not path.parent.is_dir():
        raise ConfigError(f"--metrics {name}: there is no folder {path.parent}")
    sums: dict[str, float] = {}

    def write(reading: Reading) -> None:
        for field in ("documents", "documents_kept", "deaths", "cost_dollars"):
            sums[field] = sums.get(field, 0.0) + getattr(reading, field)
        replace_file(path, prometheus(_of_reading(reading, sums)))

    return write


def replace_file(path: Path, text: str) -> None:
    """Replace the file as a whole: the collector may read it at any time, and must see the old text or the new one."""
    handle, waiting = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(waiting, 0o644)
    os.replace(waiting, path)


@dataclass(frozen=True)
class MetricFamily:
    """One metric of the Prometheus text format, with its samples by labels."""

    name: str
    kind: str
    help: str
    samples: Sequence[tuple[dict[str, str], float]]


def prometheus(families: Iterable[MetricFamily]) -> str:
    """The text exposition format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats)."""
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{family.name}{_labels(labels)} {value:.17g}" for labels, value in family.samples]
    return "\n".join(lines) + "\n"


_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def _labels(labels: dict[str, str]) -> str:
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}" if labels else ""


def _of_reading(reading: Reading, sums: dict[str, float]) -> list[MetricFamily]:
    run, at = {"run": reading.run}, {"run": reading.run, "step": reading.step}
    done, failed, rate = reading.tasks_done, reading.tasks_failed, reading.documents_per_second
    gauges = [
        ("progress_ratio", "Share of the step's tasks that are done, from 0 to 1.", reading.progress_percent / 100),
        ("tasks_done", "Tasks of the step that have a commit record.", done),
        ("tasks_failed", "Tasks of the step that failed for good.", failed),
        ("documents_per_second", "Documents read per second since the last reading.", rate),
    ]
    counters = [
        ("documents_total", "Documents read by this driver so far.", "documents"),
        ("documents_kept_total", "Documents kept by this driver so far.", "documents_kept"),
        ("worker_deaths_total", "Workers of this driver that died so far.", "deaths"),
        ("cost_dollars_total", "Cost of this driver's machines so far, in dollars.", "cost_dollars"),
    ]
    return [
        *(MetricFamily(f"refinedweb_{name}", "gauge", text, [(at, value)]) for name, text, value in gauges),
        *(MetricFamily(f"refinedweb_{name}", "counter", text, [(run, sums[key])]) for name, text, key in counters),
    ]


def of_status(run: str, states: Sequence[StepState], totals: Totals, failed: int) -> list[MetricFamily]:
    """The metrics of a run according to its ledger, for `status --prometheus`."""
    at = [({"run": run, "step": state.step.name}, state) for state in states]
    removed = [
        ({"run": run, "stage": stage, "reason": reason}, float(n))
        for stage, reasons in sorted(totals.removed.items())
        for reason, n in sorted(reasons.items())
    ]
    whole = {"run": run}
    seconds = sum(state.totals.seconds for state in states)
    return [
        MetricFamily("refinedweb_tasks_done", "gauge", "Tasks of the step that have a commit record.",
               [(labels, state.done) for labels, state in at]),
        MetricFamily("refinedweb_tasks", "gauge", "Tasks of the step, as far as they are known by now.",
               [(labels, state.total) for labels, state in at]),
        MetricFamily("refinedweb_tasks_failed", "gauge", "Tasks that failed for good.", [(whole, failed)]),
        MetricFamily("refinedweb_shards_lost", "gauge", "Shards that the run went on without.", [(whole, totals.lost)]),
        MetricFamily("refinedweb_documents_lost", "gauge", "Documents that were counted before their shard was lost.",
               [(whole, totals.rows_lost)]),
        MetricFamily("refinedweb_documents_in", "gauge", "Documents read so far.", [(whole, totals.rows_in)]),
        MetricFamily("refinedweb_documents_kept", "gauge", "Documents kept so far.", [(whole, totals.rows_kept)]),
        MetricFamily("refinedweb_documents_removed", "gauge", "Documents removed, by stage and reason.", removed),
        MetricFamily("refinedweb_core_seconds", "gauge", "Core seconds of the committed tasks.", [(whole, seconds)]),
    ]  # fmt: skip

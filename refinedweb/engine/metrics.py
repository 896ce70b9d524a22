"""What a run tells of itself while it goes on: CloudWatch's embedded metric format, and Prometheus text.

    emf     a line of JSON on stdout, once a minute, of which CloudWatch Logs makes metrics
            (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)
    *.prom  a file for the textfile collector of Prometheus's node exporter, replaced as a whole

Counts (`Documents`, `CostDollars`, …) are what came since the last line, so that the sum over hosts, drivers and
relaunches is right; the others (`ProgressPercent`, `FailedTasks`) are the state that this driver sees.
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
EVERY_SECONDS = 60.0
PRICE = "REFINEDWEB_DOLLARS_PER_HOUR"
CONTAINER_FILES = ("/opt/ml/config/resourceconfig.json", "/opt/ml/input/config/resourceconfig.json")

# name, unit (of CloudWatch's list), field of Reading
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
    """The state of one step, and what came since the reading before: tasks, documents, worker deaths, dollars.

    `documents_per_second` and `kept_percent` are of that time too; None where no documents came.
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
    """A watcher of the engine's loop that reads it every `every` seconds, at the end of each step, and at `close`."""

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
        """Called by the loop several times a second."""
        if self._current is not None and self._current.step != progress.step:
            self.close()
        self._current = progress
        if self._clock() - self._read_at >= self._every:
            self._read(progress)

    def close(self) -> None:
        """The last reading of a step."""
        if self._current is not None:
            self._read(self._current)
        self._current, self._before = None, (0, 0, 0, 0)

    def _read(self, progress: LoopProgress) -> None:
        now = self._clock()
        seconds, self._read_at = max(1e-9, now - self._read_at), now
        seen = (progress.seen.tasks, progress.seen.rows_in, progress.seen.rows_kept, progress.deaths)
        tasks, documents, kept, deaths = (new - old for new, old in zip(seen, self._before, strict=True))
        self._before = seen
        if "/" in progress.step:  # tasks of a global step count keys and pairs, not documents
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
    """The meter that `--metrics` asks for (`emf`, or the path of a .prom file); in a SageMaker container `emf` without
    being asked. None where nothing is wanted. Raises ConfigError.
    """
    if not wanted and any(Path(name).exists() for name in CONTAINER_FILES):
        wanted = ("emf",)
    run = out.rstrip("/")
    sinks = [emf_sink(sys.stdout) if name == "emf" else _prometheus_file(name) for name in wanted]
    return Meter(run, sinks, dollars_per_hour()) if sinks else None


def dollars_per_hour() -> float:
    """What the machines of this driver cost, from the environment; 0 where nobody said."""
    told = os.environ.get(PRICE, "0")
    try:
        return float(told)
    except ValueError:
        raise ConfigError(f"{PRICE} must be a number of dollars per hour, not {told!r}") from None


def both(first: Watch, meter: Meter | None) -> Watch:
    """A watcher that shows progress to `first`, and to the meter."""

    def watch(progress: LoopProgress) -> None:
        if meter is not None:
            meter.watch(progress)
        first(progress)

    return watch


def emf(reading: Reading, milliseconds: int) -> dict[str, Any]:
    """One object of the embedded metric format, by run, and by run and step. `milliseconds`: since 1970."""
    told = [(name, unit, getattr(reading, field)) for name, unit, field in METRICS]
    metrics = [{"Name": name, "Unit": unit} for name, unit, value in told if value is not None]
    about = {
        "Timestamp": milliseconds,
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Run"], ["Run", "Step"]], "Metrics": metrics}],
    }
    values = {name: value for name, _, value in told if value is not None}
    return {"_aws": about, "Run": reading.run, "Step": reading.step, **values}


def emf_sink(stream: TextIO, now: Callable[[], float] = time.time) -> Sink:
    """A line for each reading."""

    def write(reading: Reading) -> None:
        stream.write(json.dumps(emf(reading, int(now() * 1000)), ensure_ascii=False) + "\n")
        stream.flush()

    return write


def _prometheus_file(name: str) -> Sink:
    path = Path(name)
    if path.suffix != ".prom":
        raise ConfigError(
            f"--metrics {name}: give `emf`, or a file that ends in .prom, as the textfile collector wants"
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
    """The file has the whole text or the old one: the collector may read at any time."""
    handle, waiting = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(waiting, 0o644)
    os.replace(waiting, path)


@dataclass(frozen=True)
class MetricFamily:
    """One metric of the Prometheus text format: its samples by labels."""

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
    told = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(told) + "}" if labels else ""


def _of_reading(reading: Reading, sums: dict[str, float]) -> list[MetricFamily]:
    run, at = {"run": reading.run}, {"run": reading.run, "step": reading.step}
    done, failed, rate = reading.tasks_done, reading.tasks_failed, reading.documents_per_second
    gauges = [
        ("progress_ratio", "Share of the step's tasks that are done.", reading.progress_percent / 100),
        ("tasks_done", "Tasks of the step with a commit record.", done),
        ("tasks_failed", "Tasks that failed for good.", failed),
        ("documents_per_second", "Documents read since the last reading.", rate),
    ]
    counters = [
        ("documents_total", "Documents read by this driver.", "documents"),
        ("documents_kept_total", "Documents kept by this driver.", "documents_kept"),
        ("worker_deaths_total", "Workers that died.", "deaths"),
        ("cost_dollars_total", "Cost of this driver's machines so far, in dollars.", "cost_dollars"),
    ]
    return [
        *(MetricFamily(f"refinedweb_{name}", "gauge", told, [(at, value)]) for name, told, value in gauges),
        *(MetricFamily(f"refinedweb_{name}", "counter", told, [(run, sums[key])]) for name, told, key in counters),
    ]


def of_status(run: str, states: Sequence[StepState], totals: Totals, failed: int) -> list[MetricFamily]:
    """The metrics of a run as its ledger tells them, for `status --prometheus`."""
    at = [({"run": run, "step": state.step.name}, state) for state in states]
    removed = [
        ({"run": run, "stage": stage, "reason": reason}, float(n))
        for stage, reasons in sorted(totals.removed.items())
        for reason, n in sorted(reasons.items())
    ]
    whole = {"run": run}
    seconds = sum(state.totals.seconds for state in states)
    return [
        MetricFamily("refinedweb_tasks_done", "gauge", "Tasks of the step with a commit record.",
               [(labels, state.done) for labels, state in at]),
        MetricFamily("refinedweb_tasks", "gauge", "Tasks of the step, as far as they are known.",
               [(labels, state.total) for labels, state in at]),
        MetricFamily("refinedweb_tasks_failed", "gauge", "Tasks that failed for good.", [(whole, failed)]),
        MetricFamily("refinedweb_documents_in", "gauge", "Documents read.", [(whole, totals.rows_in)]),
        MetricFamily("refinedweb_documents_kept", "gauge", "Documents kept so far.", [(whole, totals.rows_kept)]),
        MetricFamily("refinedweb_documents_removed", "gauge", "Documents removed, by stage and reason.", removed),
        MetricFamily("refinedweb_core_seconds", "gauge", "Core seconds of the committed tasks.", [(whole, seconds)]),
    ]  # fmt: skip

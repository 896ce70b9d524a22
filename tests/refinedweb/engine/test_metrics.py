"""Laws of the metrics: increments add up to what was done, however they are summed; both formats can be read back."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.engine.loop import LoopProgress
from refinedweb.engine.metrics import METRICS, Meter, MetricFamily, Reading, emf, emf_sink, meter_of, prometheus
from refinedweb.ledger.manifest import Totals
from stages.errors import ConfigError
from tests.refinedweb.engine.inline import run, write_shards

SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def total(readings: list[Reading], field: str) -> float:
    return sum(getattr(reading, field) for reading in readings)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 50), st.integers(0, 9), st.floats(0, 100)), max_size=40))
def test_increments_add_up_over_steps_and_time(ticks: list[tuple[int, int, int, float]]) -> None:
    clock, readings = Clock(), list[Reading]()
    meter = Meter("out", [readings.append], dollars_per_hour=36.0, every=60.0, clock=clock)
    progress = LoopProgress("00-filter", 10)
    documents = kept = 0
    for number, (new_step, came, dropped, seconds) in enumerate(ticks):
        if new_step:
            progress = LoopProgress(f"{number:02d}-filter", 10)
        progress.seen.merge(Totals(rows_in=came, rows_kept=came - min(came, dropped)))
        documents, kept = documents + came, kept + came - min(came, dropped)
        clock.now += seconds
        meter.watch(progress)
    meter.close()
    assert total(readings, "documents") == documents
    assert total(readings, "documents_kept") == kept
    assert total(readings, "cost_dollars") == pytest.approx(clock.now / 100, abs=1e-6)


def test_no_reading_before_its_time() -> None:
    clock, readings = Clock(), list[Reading]()
    meter = Meter("out", [readings.append], every=60.0, clock=clock)
    for second in range(0, 180, 2):
        clock.now = second
        meter.watch(LoopProgress("00-filter", 1))
    assert len(readings) == 2


READING = Reading("s3://b/out", "00-filter", 50.0, 5, 1, 3, 2, 100, 23, 4.5, 23.0, 0.25)


def test_a_line_of_the_embedded_metric_format_defines_what_it_carries() -> None:
    stream = io.StringIO()
    emf_sink(stream, lambda: 1_700_000_000.5)(READING)
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    (directive,) = event["_aws"]["CloudWatchMetrics"]
    assert event["_aws"]["Timestamp"] == 1_700_000_000_500
    assert directive["Namespace"] == "RefinedWeb"
    assert len(directive["Metrics"]) == len(METRICS)
    for metric in directive["Metrics"]:
        assert isinstance(event[metric["Name"]], int | float)
    for dimensions in directive["Dimensions"]:
        assert all(isinstance(event[name], str) for name in dimensions)


def test_a_share_of_no_documents_is_not_told() -> None:
    event = emf(replace(READING, documents=0, kept_percent=None), 1)
    assert "KeptPercent" not in event
    assert "KeptPercent" not in [metric["Name"] for metric in event["_aws"]["CloudWatchMetrics"][0]["Metrics"]]


@given(st.dictionaries(st.sampled_from(["run", "step"]), st.text(), min_size=1), st.floats(allow_nan=False))
def test_prometheus_text_reads_back(labels: dict[str, str], value: float) -> None:
    text = prometheus([MetricFamily("refinedweb_x", "gauge", "Help.", [(labels, value)])])
    line = text.split("\n", 2)[2].removesuffix("\n")
    found = SAMPLE.match(line)
    assert found is not None, line
    pairs = re.findall(r'([a-z]+)="((?:[^"\\\n]|\\["\\n])*)"', found[2])
    unescaped = {name: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), escaped) for name, escaped in pairs}
    assert unescaped == labels
    assert float(found[3]) == value


def test_a_run_tells_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real run: what CloudWatch and Prometheus get is what the ledger says."""
    from refinedweb.engine.inline import InlinePool
    from refinedweb.engine.run import execute_on
    from refinedweb.recipe.load import load as load_recipe
    from refinedweb.sources import inputs

    documents = [{"id": str(n), "text": f"words of document {n % 7}"} for n in range(40)]
    files = write_shards(documents, tmp_path / "in", 4)
    meter = meter_of(["emf", str(tmp_path / "run.prom")], str(tmp_path / "out"))
    assert meter is not None
    loaded = load_recipe("exact_v1", [])
    found = inputs.find([str(file) for file in files], out=str(tmp_path / "out"))
    result = execute_on(InlinePool, loaded, found.inputs, str(tmp_path / "out"), 60.0, meter.watch)
    meter.close()
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first = [event for event in events if event["Step"] == "00-filter"]
    last = [event for event in events if event["Step"] == "02-corpus"]
    assert sum(event["Documents"] for event in first) == result.totals.rows_in == 40
    assert sum(event["DocumentsKept"] for event in last) == result.totals.rows_kept == 7
    assert last[-1]["ProgressPercent"] == 100
    samples = dict(line.rpartition(" ")[::2] for line in (tmp_path / "run.prom").read_text().splitlines())
    # the reading pass counts all documents, the writing pass those that it read again
    assert float(samples[f'refinedweb_documents_total{{run="{tmp_path / "out"}"}}']) == 80


@pytest.mark.parametrize("name", ["run.txt", "no/such/folder/run.prom"])
def test_a_wrong_target_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.prom|no folder"):
        meter_of([name], "out")


def test_nothing_is_told_where_nobody_asked(tmp_path: Path) -> None:
    assert meter_of((), "out") is None
    assert (
        run("exact_v1", write_shards([{"id": "1", "text": "x"}], tmp_path / "in", 1), tmp_path / "out").exit_code == 0
    )

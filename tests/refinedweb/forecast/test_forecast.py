"""Laws of the forecast: bounds that no schedule can break, what the fit must recover, a real run read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.cli.plan import input_volume, plan
from refinedweb.cli.plan_tables import with_spread
from refinedweb.dedup.planning import split_shuffle
from refinedweb.forecast.forecast import ForecastPlan, curve, forecast
from refinedweb.forecast.machines import Conditions, Machine, machine, quiet
from refinedweb.forecast.measured import TaskPoint, fit, measure, pauses
from refinedweb.forecast.simulation import SimulatedRun, Simulation, Tasks
from refinedweb.forecast.workload import InputVolume
from stages.errors import ConfigError
from tests.examples import examples
from tests.refinedweb.engine.inline import run, write_shards

BOX = Machine("box", 4, 8e9, 1e9, 2.0)
CALM = quiet(0.0)


def simulated(
    tasks: Tasks, machines: int, conditions: Conditions, box: Machine = BOX, ready: float = 0.0
) -> SimulatedRun:
    starts = np.full(machines, ready)
    return Simulation(tasks, box, starts, conditions, np.random.default_rng(conditions.seed)).run()


durations = st.lists(st.floats(0.1, 1000), min_size=1, max_size=60).map(lambda found: -np.sort(-np.array(found)))


@given(durations, st.integers(1, 5))
def test_no_schedule_beats_the_bounds(seconds: np.ndarray, machines: int) -> None:
    """Graham: greedy list scheduling lies between the bound of all schedules and 2 - 1/m times it."""
    out = simulated(Tasks(seconds), machines, CALM)
    workers = machines * BOX.cores
    bound = max(seconds.sum() / workers, seconds.max())
    submits = len(seconds) * 0.0006
    assert bound - 1e-6 <= out.seconds <= (2 - 1 / workers) * bound + submits + 1e-6
    assert out.work == pytest.approx(seconds.sum())


@given(durations, st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=examples(40))
def test_interruptions_lose_time_and_never_work(seconds: np.ndarray, machines: int, seed: int) -> None:
    rough = replace(CALM, interruptions=2.0, start=30.0, seed=seed)
    out = simulated(Tasks(seconds), machines, rough)
    assert out.work == pytest.approx(seconds.sum())
    assert out.seconds >= max(seconds.sum() / (machines * BOX.cores), seconds.max()) - 1e-6
    assert out.lost >= 0
    assert (out.lost == 0) or out.interruptions


def test_workers_warm_up_once_and_after_they_are_replaced() -> None:
    one = replace(BOX, cores=1)
    assert simulated(Tasks(np.full(10, 5.0), warm_up=7.0), 1, CALM, one).seconds == pytest.approx(57, abs=0.1)
    assert simulated(Tasks(np.full(10, 5.0), warm_up=7.0, recycle=5), 1, CALM, one).seconds == pytest.approx(
        64, abs=0.1
    )


def test_requests_bound_the_rate() -> None:
    """1,000 tasks of 100 gets at 50 gets per second take 2,000 s on any number of machines."""
    slow = replace(CALM, gets=50.0)
    for machines in (5, 50):
        out = simulated(Tasks(np.full(1000, 1.0), gets=100.0), machines, slow)
        assert out.seconds == pytest.approx(2000, rel=0.25)
        assert max(out.limited, key=lambda cause: out.limited[cause]) == "gets"


def test_the_network_is_each_machines_own() -> None:
    """Four tasks of 1 GB at 1 GB/s take 4 s on one machine; on four machines with one core each they take 1 s."""
    tasks = Tasks(np.full(4, 0.5), moved=1e9)
    assert simulated(tasks, 1, CALM).seconds == pytest.approx(4, rel=0.01)
    assert simulated(tasks, 4, CALM, replace(BOX, cores=1)).seconds == pytest.approx(1, rel=0.01)


def test_one_driver_hands_out_one_after_the_other() -> None:
    waiting = replace(CALM, latency=0.1)
    tasks = Tasks(np.full(400, 1.0), driver_requests=1.0)
    together = simulated(tasks, 100, waiting)
    alone = simulated(tasks, 100, replace(waiting, share_nothing=True))
    assert together.seconds >= 40
    assert alone.seconds < 3
    assert together.limited["driver"] > 10 * alone.limited["driver"]


@given(st.floats(1e-6, 1e-2), st.floats(0, 60), st.integers(2, 30))
def test_the_fit_recovers_rate_and_warm_up(rate: float, warm_up: float, count: int) -> None:
    works = [1000.0 * (1 + n % 5) for n in range(count + 2)]
    found = [TaskPoint(w, rate * w + (warm_up if n < 2 else 0.0), n < 2) for n, w in enumerate(works)]
    rates, warm = fit([found])
    assert rates.mean() == pytest.approx(rate)
    assert warm == pytest.approx(warm_up, abs=1e-6)


@given(st.floats(1e-6, 1e-2), st.floats(0, 60))
def test_two_sizes_tell_the_warm_up_of_a_phase_of_one_task(rate: float, warm_up: float) -> None:
    small, large = (TaskPoint(work, rate * work + warm_up, True) for work in (1000.0, 4000.0))
    rates, warm = fit([[small], [large]])
    assert rates.mean() == pytest.approx(rate, rel=1e-3)
    assert warm == pytest.approx(warm_up, abs=1e-3 * (1 + warm_up))
    alone, none = fit([[large]])
    assert none == 0
    assert alone.mean() >= rate * 0.999, "one sample may say too much, never too little"


@given(durations, st.integers(1, 5), st.floats(0, 5))
def test_pauses_are_read_from_begins_and_ends(seconds: np.ndarray, cores: int, pause: float) -> None:
    """The pauses of a schedule that waits after each task are read back."""
    free, spans = [0.0] * cores, []
    for each in seconds:
        core = free.index(min(free))
        spans.append((free[core], free[core] + each))
        free[core] += each + pause
    found = pauses(spans)
    assert len(found) <= max(0, len(seconds) - 1)
    assert all(0 <= one <= pause + 1e-6 for one in found)
    if cores == 1:
        assert found == pytest.approx([pause] * (len(seconds) - 1), abs=1e-6)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    documents = [{"id": str(n), "text": f"words {n} of a document that says {n % 50} " * 20} for n in range(600)]
    run("exact_v1,minhash_v1", write_shards(documents, folder / "in", 6), folder / "out", "minhash_v1.preset=fineweb")
    return folder / "out"


def planned(sample: Path, files: int, **changes: object) -> ForecastPlan:
    return ForecastPlan(measure([str(sample)]), InputVolume(files, 1e6), BOX, replace(Conditions(), **changes))  # type: ignore[arg-type]


def test_a_ledger_becomes_a_forecast_of_every_phase(sample: Path) -> None:
    found = forecast(planned(sample, 60), 2)
    names = [step.name for step in found.steps]
    assert names[0] == "00-filter"
    assert names[-1] == "03-corpus"
    assert {"01-exact_v1/1-sign", "02-minhash_v1/2-group", "02-minhash_v1/9-decide"} <= set(names)
    assert found.seconds == pytest.approx(sum(step.seconds for step in found.steps))
    assert 0 < found.efficiency <= 1
    assert found.dollars == pytest.approx(found.hours * 2 * BOX.price)
    assert forecast(planned(sample, 60), 2) == found, "the same seed, the same forecast"


def test_twice_the_input_is_twice_the_work(sample: Path) -> None:
    one, two = (forecast(planned(sample, files, stragglers=0.0), 1) for files in (100, 200))
    assert sum(s.work for s in two.steps) == pytest.approx(2 * sum(s.work for s in one.steps), rel=0.1)


def test_parts_side_by_side_cost_what_they_cost_alone(sample: Path) -> None:
    whole = planned(sample, 400, stragglers=0.0)
    parts = replace(whole, parts=4)
    alone = forecast(replace(whole, wanted=InputVolume(100, 1e6)), 1)
    assert forecast(parts, 4).seconds == pytest.approx(alone.seconds)
    assert forecast(parts, 4).dollars == pytest.approx(4 * alone.dollars)
    assert forecast(parts, 2).seconds == pytest.approx(2 * alone.seconds)


def test_more_machines_are_faster_until_something_else_holds(sample: Path) -> None:
    times = [one.seconds for one in curve(planned(sample, 5000, stragglers=0.0, start=0.0), (1, 2, 4))]
    assert times == sorted(times, reverse=True)


def test_no_input_is_too_large_for_a_shuffle(sample: Path) -> None:
    """Beyond what any crawl has, forecast phases read what merges leave them: no more than some hundred objects."""
    found = forecast(planned(sample, 20_000), 1)
    vast = forecast(ForecastPlan(measure([str(sample)]), InputVolume(20_000, 1e9), BOX, Conditions()), 1)
    names = {step.name for step in vast.steps}
    assert not any("partitions" in problem for problem in vast.problems)
    assert "02-minhash_v1/1-sign-signed-merge-1" in names
    assert not any("-merge-" in step.name for step in found.steps)


@given(st.integers(0, 1 << 50))
def test_what_is_planned_is_what_the_engine_cuts(total: int) -> None:
    block, partitions = split_shuffle(total)
    assert 16 << 20 <= block <= 1 << 30
    assert (partitions - 1) * (16 << 20) <= total


def test_the_command_tells_the_same_as_json(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--from", str(sample), "--input", "500x1.5MB", "--instances", "3", "--spot", "--share-nothing"]
    assert plan.main([*arguments, "--json"], standalone_mode=False) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["plan"]["machines"] == 3
    assert [one["machines"] for one in told["curve"]] == [1, 3, 5, 20, 50, 100, 257, 500]
    assert plan.main(arguments, standalone_mode=False) == 0
    shown = capsys.readouterr().out
    assert "3 × ml.c5.18xlarge (216 workers, each its own driver)" in shown
    assert "02-minhash_v1/1-sign" in shown
    assert "(simulated spread " in shown


def test_a_forecast_and_its_spread_have_one_unit() -> None:
    assert with_spread(39.3 * 86_400, 39.26 * 86_400, 39.34 * 86_400) == "39.3 days (simulated spread 39.3 to 39.3)"
    assert with_spread(9_000.0, 3_600.0, 200_000.0) == "2.5 h (simulated spread 1.0 to 55.6)"
    assert with_spread(90.0, 89.0, 130.0) == "90.0 s (simulated spread 89.0 to 130.0)"


@pytest.mark.parametrize("text", ["", "90000", "0x1GB", "10x0GB", "10x1 parsec", "-1x1GB", "x1GB"])
def test_a_wrong_input_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"90000x1\.1GB"):
        input_volume(text)


def test_sizes() -> None:
    assert input_volume("90000x1.1GB") == InputVolume(90000, 1.1e9)
    assert input_volume("8x64MiB").bytes == 512 * 2**20


def test_an_unknown_machine_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"ml\.c5\.18xlarge"):
        machine("ml.c5.18xlarg")


def test_a_run_that_is_not_finished_is_no_sample(tmp_path: Path, sample: Path) -> None:
    import shutil

    shutil.copytree(sample, tmp_path / "out")
    next((tmp_path / "out" / "03-corpus" / "manifest").glob("*.json")).unlink()
    with pytest.raises(ConfigError, match="not finished: 5 of 6"):
        measure([str(tmp_path / "out")])
    with pytest.raises(ConfigError, match="no run at"):
        measure([str(tmp_path / "nothing")])

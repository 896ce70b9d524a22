"""The forecast's requests beside those that a run on a real S3 server makes, phase by phase, with forced merges."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from refinedweb.dedup.phase import PhaseWork
from refinedweb.engine.pool import Work
from refinedweb.forecast.forecast import ForecastPlan, StepForecast, forecast
from refinedweb.forecast.machines import machine, quiet
from refinedweb.forecast.measured import measure
from refinedweb.forecast.workload import InputVolume
from refinedweb.storage import s3_client
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS
from tests.refinedweb.engine.inline import HookedPool, ok, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting", "many_levels")
DRIVERS = ("/claims/", "/drivers/", "/rollup/", "/failed/", "/phases.json", "/plan.json")
WITHIN = 0.15
ELECTS_AGAIN = (
    "78"  # how the names of the phases begin that amend earlier steps: the forecast has no flows for them yet
)


def counted(spec: str, files: list[Path], out: str, *settings: str) -> Counter[tuple[str, str]]:
    """Run it; returns how many objects each phase got, and put, without the driver's own."""
    found: Counter[tuple[str, str]] = Counter()
    phase = ["a pass"]

    def entered(work: Work) -> None:
        phase[0] = f"{work.phase.context.step.name}/{work.phase.name}" if isinstance(work, PhaseWork) else "a pass"

    def note(params: dict[str, Any], model: Any, **more: Any) -> None:
        kind = {"HeadObject": "gets", "GetObject": "gets", "PutObject": "puts"}.get(model.name)
        if kind and not any(part in params["Key"] for part in DRIVERS) and ("/manifest/" not in params["Key"]):
            found[phase[0], kind] += 1

    events = s3_client.client().meta.events
    events.register("before-parameter-build.s3", note)
    try:
        ok(run(spec, files, out, *settings, pool=HookedPool(entered)))
    finally:
        events.unregister("before-parameter-build.s3", note)
    return found


STEPS = (
    ("exact_v1", ()), ("exact_v2", ()), ("url_dedup_v1", ()), ("paragraph_v1", ()), ("paragraph_v2", ()),
    ("substring_v1", ()), ("substring_v2", ()), ("minhash_v1", ()), ("minhash_v2", ()),
    ("minhash_v2", ("minhash_v2.verify=0.8",)),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "settings"), STEPS, ids=[" ".join((spec, *more)) for spec, more in STEPS])
def test_the_forecast_counts_the_requests_that_a_run_makes(
    tmp_path: Path, s3_server: str, spec: str, settings: tuple[str, ...]
) -> None:
    out = f"{s3_server}/{uuid.uuid4().hex}"
    files = write_shards(DOCUMENTS[:120], tmp_path / "in", 6)
    real = counted(spec, files, out, *settings)
    sample = measure([out])
    size = sample.bytes_in / len(files)
    steps = forecast(
        ForecastPlan(sample, InputVolume(len(files), size), machine("local", cores=1), quiet(0.0)), 1
    ).steps
    told = {step.name: step for step in steps if "/" in step.name}
    phases = {phase for phase, _ in real if "/" in phase}
    assert phases <= set(told), "the same phases, merges too"
    phases = {phase for phase in phases if phase.partition("/")[2][0] not in ELECTS_AGAIN}
    assert {phase for phase in told if phase.partition("/")[2][0] not in ELECTS_AGAIN} == phases
    assert any("-merge-" in phase for phase in phases)
    lines = [line(phase, told[phase], real) for phase in sorted(phases)]
    print("\n".join(lines))
    for phase in phases:
        records = 2 * told[phase].tasks  # and claims, which are the driver's
        for kind, forecast_ in (("gets", told[phase].gets), ("puts", told[phase].puts - records)):
            assert abs(forecast_ / real[phase, kind] - 1) <= WITHIN, (phase, kind, forecast_, real[phase, kind])


def line(phase: str, step: StepForecast, real: Counter[tuple[str, str]]) -> str:
    """A phase, for who reads why the sums differ."""
    puts = step.puts - 2 * step.tasks
    return f"{phase}: {step.gets:.0f} gets, {real[phase, 'gets']} counted; {puts:.0f} puts, {real[phase, 'puts']}"

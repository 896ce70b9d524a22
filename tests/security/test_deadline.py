"""No document takes a pass hostage: one that takes too long is removed, alone, by the CPU time that it takes."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from refinedweb.engine.inline import InlinePool
from refinedweb.engine.run import execute_on
from refinedweb.recipe.load import load
from refinedweb.recipe.plan import steps_of
from refinedweb.recipe.recipe import STAGE_SECONDS, RunOptions
from refinedweb.shard import quarantine
from refinedweb.shard.local_step import LocalStep
from refinedweb.sources import inputs
from refinedweb.views.verify import verify
from stages.errors import ConfigError, ShardError
from tests.conftest import ROOT
from tests.refinedweb.engine.inline import ok, rows_of, write_shards

TOYS = ("tests.refinedweb.toy_stages",)


@pytest.mark.slow
def test_a_document_that_takes_too_long_is_removed_and_the_others_stay(tmp_path: Path) -> None:
    files = write_shards([{"id": f"id-{n}", "text": f"text {n}"} for n in range(12)], tmp_path / "in", 2)
    settings = ["stage_seconds=0.6", 'hanger_v1.victims=["id-5"]', "hanger_v1.seconds=1.0"]
    recipe = load("hanger_v1,scorer_v1", ["keep_removed=full", *settings], imports=TOYS)
    found = inputs.find([str(file) for file in files], out=str(tmp_path / "out"))
    ok(execute_on(InlinePool, recipe, found.inputs, str(tmp_path / "out"), 60.0, lambda progress: None))
    assert [row["id"] for row in rows_of(tmp_path / "out", "corpus")] == [f"id-{n}" for n in range(12) if n != 5]
    (removed,) = rows_of(tmp_path / "out", "00-filter/removed/quarantine")
    assert (removed["id"], removed["drop"], removed["text"]) == ("id-5", "stage_timeout", "text 5")
    assert not verify(str(tmp_path / "out")).problems


def test_the_usual_limit_is_no_part_of_a_fingerprint() -> None:
    usual = load("pii_v1", [])
    assert "stage_seconds" not in usual.content()["run"]
    assert load("pii_v1", [f"stage_seconds={STAGE_SECONDS}"]).fingerprint() == usual.fingerprint()
    assert load("pii_v1", ["stage_seconds=7"]).fingerprint() != usual.fingerprint()
    with pytest.raises(ValueError, match="more than 0"):
        RunOptions(stage_seconds=0)
    with pytest.raises(ConfigError, match="stage_seconds"):
        load("pii_v1", ["stage_seconds=-1"])


@pytest.mark.parametrize("worker", [True, False])
def test_only_a_worker_is_ended_for_a_batch_without_end(worker: bool) -> None:
    code = f"""
from refinedweb.shard.deadline import cpu_limit, expendable, hang_limit
import time
if {worker}:
    expendable()
with cpu_limit(hang_limit(0.05)):
    while time.process_time() < 2:
        pass
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode
    assert ended == (-signal.SIGPROF if worker else 0)


def test_no_child_outlives_a_pass_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks at the error holds its frames, and with them all that the pass had."""
    monkeypatch.setattr(quarantine, "MOST", 0)
    (file,) = write_shards([{"id": f"id-{n}", "text": f"text {n}"} for n in range(2)], tmp_path / "in", 1)
    recipe = load("raiser_v1", ["raiser_v1.everyone=true"], imports=TOYS)
    (item,) = inputs.find([str(file)], out=str(tmp_path / "out")).inputs
    step = LocalStep(str(tmp_path / "out"), steps_of([name for name, _ in recipe.stages])[0], recipe)
    with pytest.raises(ShardError, match="more than 0 documents of one shard fail") as failed:
        step(0, item, careful=True)
    assert failed.value.__traceback__ is not None
    assert multiprocessing.active_children() == []

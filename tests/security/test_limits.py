"""Whatever a stage does with documents in a run, it does under a limit of CPU time: found by watching, not by lists."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.recipe.load import load, load_stages
from refinedweb.recipe.plan import steps_of
from refinedweb.shard import deadline
from refinedweb.shard.local_step import LocalStep
from refinedweb.sources import inputs
from stages.base import build, registry
from stages.dedup import Clustered, Global
from tests.refinedweb.engine.inline import ok, run, write_shards
from tests.refinedweb.views.small_run import page, prose
from tests.stages.test_laws import corpus

load_stages()
STAGES = {name: build(name) for name, cls in registry().items() if cls.__module__.startswith("stages.")}
GLOBAL = [name for name, stage in STAGES.items() if isinstance(stage, Global)]
LOCAL = [name for name in STAGES if name not in GLOBAL]
TEXTS = ("text", "html", "url")
# They move columns, and do nothing with what is in them.
CONTRACT = ("stages.base", "stages.dedup", "stages.schema")


def has_texts(value: Any) -> bool:
    if isinstance(value, pa.Table):
        return value.num_rows > 0 and not {*TEXTS}.isdisjoint(value.column_names)
    return isinstance(value, pa.Array | pa.ChunkedArray) and len(value) > 0 and value.type in (pa.string(), pa.binary())


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[str]]]:
    """By whether there was a limit: what a run calls in `stages` with texts. This process is a worker meanwhile."""
    found: dict[str, set[str]] = {"limited": set(), "without": set()}

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or not str(frame.f_globals.get("__name__")).startswith("stages."):
            return
        caller = frame.f_back
        if caller is None or not str(caller.f_globals.get("__name__")).startswith("refinedweb."):
            return
        code, module = frame.f_code, frame.f_globals["__name__"]
        given = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
        if module not in CONTRACT and any(map(has_texts, given)):
            limit, _ = signal.getitimer(signal.ITIMER_PROF)
            found["limited" if limit else "without"].add(f"{module}.{code.co_qualname}")

    monkeypatch.setattr(deadline, "_expendable", True)
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("name", LOCAL)
def test_a_stage_of_a_pass(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(corpus().drop_columns(["drop"]), tmp_path / "in.parquet")
    recipe = load(name, [])
    (item,) = inputs.find([str(tmp_path / "in.parquet")], out=str(tmp_path / "out")).inputs
    step = LocalStep(str(tmp_path / "out"), steps_of([name])[0], recipe)
    STAGES[name](corpus())  # kernels are compiled
    with watched(monkeypatch) as found:
        step(0, item, careful=False)
    assert (bool(found["limited"]), found["without"]) == (True, set())


@pytest.mark.parametrize("name", GLOBAL)
def test_a_stage_that_compares(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It signs, looks again at what it found, cuts it out and, for an index, signs once more."""
    pages = [page(f"p{n}", prose(n % 3) + f"\n\n{prose(7)}") for n in range(5)]
    files = write_shards(pages, tmp_path / "in", 2)
    settings = [f"{name}.write_index=true"] if isinstance(STAGES[name], Clustered) else []
    settings += [f"{name}.verify=0.5"] if name.startswith("minhash") else []
    ok(run(name, files, tmp_path / "first", *settings))  # kernels are compiled
    with watched(monkeypatch) as found:
        ok(run(name, files, tmp_path / "out", *settings))
    assert (bool(found["limited"]), found["without"]) == (True, set())

"""Ways in which the run of somebody else names a file outside of itself, the canary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.base import set_column


def change(path: Path, how: Callable[[Any], object]) -> None:
    loaded = json.loads(path.read_bytes())
    how(loaded)
    path.write_text(json.dumps(loaded))


def claim_a_source(path: Path, uri: str) -> None:
    """Let documents say that their HTML is in an input file."""
    table = pq.ParquetFile(path).read()
    for name, value in (("source", uri), ("offset", 0), ("length", 50)):
        table = set_column(table, name, pa.array([value] * table.num_rows))
    pq.write_table(table, path)


NAMES: dict[str, Callable[[Path, str], None]] = {}


def names(function: Callable[[Path, str], None]) -> Callable[[Path, str], None]:
    """A way to name the canary in a run."""
    NAMES[function.__name__] = function
    return function


@names
def as_it_is(out: Path, canary: str) -> None:
    """Its own inputs and its index are outside of it."""


@names
def inputs(out: Path, canary: str) -> None:
    for path in out.glob("corpus/*.parquet"):
        claim_a_source(path, canary)
    change(out / "run.json", lambda file: file.update(inputs=[[canary, *rest] for _, *rest in file["inputs"]]))


@names
def model(out: Path, canary: str) -> None:
    change(out / "run.json", lambda file: stage_of(file, "quality_v1").update(stop_words=canary))


@names
def pinned(out: Path, canary: str) -> None:
    pin = f"{canary}#sha256={'a' * 64}"
    change(out / "run.json", lambda file: stage_of(file, "minhash_v1").update(tokens=pin))


@names
def opened_when_built(out: Path, canary: str) -> None:
    change(out / "run.json", lambda file: stage_of(file, "badwords_v1").update(lists=canary))


@names
def index(out: Path, canary: str) -> None:
    """As in a run from before the index was recorded."""
    change(out / "run.json", lambda file: stage_of(file, "minhash_v1").update(index=[canary]))
    change(out / "run.json", lambda file: file.update(index={}))
    next(out.glob("*/plan.json")).unlink()


@names
def recorded_index(out: Path, canary: str) -> None:
    def replace(file: dict[str, Any]) -> None:
        stage_of(file, "minhash_v1").update(index=[canary])
        for item in file["index"]["minhash_v1"]["files"]:
            item[0][0] = canary

    change(out / "run.json", replace)
    next(out.glob("*/plan.json")).unlink()


@names
def planned_index(out: Path, canary: str) -> None:
    change(out / "run.json", lambda file: stage_of(file, "minhash_v1").update(index=[str(out)]))
    change(next(out.glob("*/plan.json")), lambda plan: plan.update(index=[[canary, "0", 1]] * len(plan["index"])))


@names
def module(out: Path, canary: str) -> None:
    change(out / "run.json", lambda file: file.update(imports=["canary"]))
    change(out / "run.json", lambda file: file["recipe"].update(imports=["canary"]))


@names
def link(out: Path, canary: str) -> None:
    (out / "words").symlink_to(canary)
    change(out / "run.json", lambda file: stage_of(file, "quality_v1").update(stop_words=str(out / "words")))


@names
def dots(out: Path, canary: str) -> None:
    name = f"{out}/../{Path(canary).name}"
    change(out / "run.json", lambda file: stage_of(file, "quality_v1").update(stop_words=name))


def stage_of(file: Any, name: str) -> Any:
    return next(stage for stage in file["recipe"]["stages"] if stage["name"] == name)

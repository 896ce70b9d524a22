"""Runs in this process: the same steps and the same loop over a pool without other processes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from refinedweb.engine.allowance import Allowance
from refinedweb.engine.inline import InlinePool
from refinedweb.engine.pool import Beat, TaskOutcome, Work
from refinedweb.engine.run import RunResult, carry_out
from refinedweb.engine.settings import RunSettings
from refinedweb.engine.start import begin
from refinedweb.ledger.claims import LEASE_SECONDS
from refinedweb.recipe.load import load as load_recipe
from refinedweb.sources.inputs import InputSpecs

Hook = Callable[[Work], None]


class HookedPool(InlinePool):
    """Calls `before` with the work of each phase, `after` with each outcome."""

    def __init__(self, before: Hook | None = None, after: Callable[[TaskOutcome], None] | None = None) -> None:
        super().__init__()
        self._before = before
        self._after = after

    def use(self, work: Work, beat: Beat) -> None:
        super().use(work, beat)
        if self._before is not None:
            self._before(work)

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        ended = super().wait(seconds)
        if self._after is not None:
            self._after(ended[0][1])
        return ended


def run(
    spec: str, files: Iterable[Path], out: Path | str, *settings: str, pool: InlinePool | None = None,
    index: Iterable[Path | str] = (), accept: int = 0, lease: float = LEASE_SECONDS,
) -> RunResult:  # fmt: skip
    """`refinedweb run` without Ray."""
    loaded = load_recipe(spec, ["keep_removed=full", *settings], index=[str(path) for path in index])
    run_settings = RunSettings(accept=Allowance(accept), lease=lease)
    begun = begin(loaded, InputSpecs(tuple(map(str, files))), str(out), losses=accept > 0)
    return carry_out(lambda: pool or InlinePool(), loaded, begun.run, str(out), run_settings, lambda progress: None)


def write_shards(documents: list[dict[str, Any]], folder: Path, shards: int) -> list[Path]:
    """Write the documents, in their order, as `shards` JSONL files of unequal length."""
    folder.mkdir(parents=True)
    cuts = sorted(random.Random(shards).choices(range(len(documents) + 1), k=shards - 1))
    paths = []
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(documents)], strict=True)):
        paths.append(folder / f"part-{number:03d}.jsonl")
        paths[-1].write_text("".join(json.dumps(doc) + "\n" for doc in documents[start:end]), encoding="utf-8")
    return paths


def rows_of(out: Path | str, folder: str) -> list[dict[str, Any]]:
    """All rows of the Parquet files of a folder of a local run, in the order of their names."""
    paths = sorted(Path(out, folder).rglob("*.parquet"))
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def corpus(out: Path | str) -> list[tuple[str, str]]:
    """(id, text) of every kept document, in order."""
    return [(row["id"], row["text"]) for row in rows_of(out, "corpus")]


def removed(out: Path | str) -> dict[str, tuple[str, str | None, int | None]]:
    """Reason, id of the document kept instead, and size of the cluster, by the id of every removed document."""
    rows = [row for folder in sorted(Path(out).glob("*/removed")) for row in rows_of(folder, ".")]
    return {row["id"]: (row["drop"], row.get("kept_id"), row.get("cluster_size")) for row in rows}


def answer(out: Path | str) -> tuple[list[tuple[str, str]], dict[str, tuple[str, str | None, int | None]]]:
    """What the user gets: the corpus, and what was removed."""
    return corpus(out), removed(out)


def ok(result: RunResult) -> RunResult:
    """The result, which must have no failures."""
    assert not result.failed, result.failed
    return result

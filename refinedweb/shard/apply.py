"""Apply stages to one batch: the engine's half of the contract. It alone splits rows, and it checks the one law."""

from __future__ import annotations

import time
from collections.abc import MutableMapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.base import Stage, set_column
from stages.errors import ShardError

CONTENT = ("html", "text")


class Removal(NamedTuple):
    """Rows that one stage removed: content as it entered the stage, scores and `drop` as the stage set them."""

    stage: str
    rows: pa.Table


class Split(NamedTuple):
    """A batch after the stages: the rows that are kept, and the rows that each stage removed."""

    kept: pa.Table
    removed: list[Removal]


def apply_stages(stages: Sequence[Stage], docs: pa.Table, seconds: MutableMapping[str, float]) -> Split:
    """Apply each stage to the rows that the stages before it kept, and add its time to `seconds`.

    Raises ShardError if a stage breaks the law (it changed the number or the order of rows).
    """
    removed = []
    for stage in stages:
        start = time.perf_counter()
        judged = stage(docs)
        seconds[stage.name] = seconds.get(stage.name, 0.0) + time.perf_counter() - start
        check_law(stage, docs, judged)
        docs, rows = split(docs, judged)
        removed.append(Removal(stage.name, rows))
    return Split(docs, removed)


def split(entered: pa.Table, judged: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Split a judged table into kept and removed rows; the removed ones get back their content as it entered."""
    if "drop" not in judged.column_names:
        judged = set_column(judged, "drop", pa.nulls(judged.num_rows, pa.string()))
    dropped = pc.is_valid(judged.column("drop"))
    out = judged.filter(dropped)
    before = entered.filter(dropped)
    for name in CONTENT:
        if name in before.column_names:
            out = set_column(out, name, before.column(name))
    return judged.filter(pc.invert(dropped)), out


def check_law(stage: Stage, before: pa.Table, after: pa.Table) -> None:
    """Raises ShardError if `after` has other rows than `before`, or has them in another order."""
    if after.num_rows != before.num_rows:
        raise ShardError(
            f"stage {stage.name} got {before.num_rows} rows and returned {after.num_rows}; a stage must keep every row"
        )
    if not after.column("id").equals(before.column("id")):
        raise ShardError(f"stage {stage.name} changed the order or the ids of rows; it must keep both")

"""The engine's half of the contract: it splits, counts, notices a broken law, and finds a document that kills."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from refinedweb.recipe.load import load_stages
from refinedweb.shard import quarantine as careful
from refinedweb.shard.apply import Split, apply_stages
from refinedweb.shard.quarantine import Careful, Poison
from stages.base import build
from stages.errors import ShardError
from stages.schema import documents

TOYS = ("tests.refinedweb.toy_stages",)
load_stages(TOYS)


def some(rows: int) -> pa.Table:
    return documents(id=[f"id-{n}" for n in range(rows)], text=[f"text {n}" for n in range(rows)])


def ids(table: pa.Table) -> list[str]:
    return [str(i) for i in table.column("id").to_pylist()]


def test_each_stage_sees_what_the_ones_before_it_kept() -> None:
    seconds: dict[str, float] = {}
    split = apply_stages([build("odd_v1"), build("scorer_v1")], some(6), seconds)
    assert ids(split.kept) == ["id-0", "id-2", "id-4"]
    assert [(r.stage, ids(r.rows)) for r in split.removed] == [("odd_v1", ["id-1", "id-3", "id-5"]), ("scorer_v1", [])]
    assert split.removed[0].rows.column("drop").to_pylist() == ["odd"] * 3
    assert set(seconds) == {"odd_v1", "scorer_v1"}


@pytest.mark.parametrize(("swap", "message"), [(False, "got 4 rows and returned 3"), (True, "changed the order")])
def test_a_broken_law_is_noticed(swap: bool, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        apply_stages([build("thief_v1", {"swap": swap})], some(4), {})


def run_carefully(stages: tuple[tuple[str, dict[str, Any]], ...], docs: pa.Table) -> tuple[list[Split], list[Poison]]:
    runner = Careful(stages, TOYS)
    try:
        return runner.apply(docs), runner.poison
    finally:
        runner.close()


@pytest.mark.parametrize(
    ("stage", "reason"),
    [pytest.param("killer_v1", "worker_crash", marks=pytest.mark.slow), ("raiser_v1", "stage_error")],
)
def test_only_the_poison_is_quarantined(stage: str, reason: str) -> None:
    splits, poison = run_carefully(((stage, {"victims": ("id-2",)}), ("scorer_v1", {})), some(4))
    kept = pa.concat_tables([split.kept for split in splits])
    assert ids(kept) == ["id-0", "id-1", "id-3"]
    assert [p.id for p in poison] == ["id-2"]
    removed = [(r.stage, *r.rows.column("drop").to_pylist()) for s in splits for r in s.removed if r.rows.num_rows]
    assert removed == [("quarantine", reason)]


@pytest.mark.slow
def test_only_the_document_that_takes_too_long_is_quarantined() -> None:
    """Two of the four documents are slow, but only one is beyond the limit."""
    stages: Any = (
        ("hanger_v1", {"victims": ("id-2",)}),
        ("hanger_v1", {"victims": ("id-1",), "seconds": 0.2}),
    )
    runner = Careful(stages, TOYS, seconds=0.5)
    try:
        splits = runner.apply(some(4))
    finally:
        runner.close()
    assert ids(pa.concat_tables([split.kept for split in splits])) == ["id-0", "id-1", "id-3"]
    assert runner.poison == [Poison("id-2", "it took more than 0.5 CPU seconds", "stage_timeout")]
    removed = [(r.stage, *r.rows.column("drop").to_pylist()) for s in splits for r in s.removed if r.rows.num_rows]
    assert removed == [("quarantine", "stage_timeout")]


def test_documents_that_take_long_together_stay() -> None:
    stages: Any = tuple(("hanger_v1", {"victims": (f"id-{n}",), "seconds": 0.3}) for n in range(4))
    runner = Careful(stages, TOYS, seconds=0.7)
    try:
        splits = runner.apply(some(4))
    finally:
        runner.close()
    assert ids(pa.concat_tables([split.kept for split in splits])) == [f"id-{n}" for n in range(4)]
    assert runner.poison == []


def test_a_stage_that_fails_on_everything_fails_the_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(careful, "MOST", 5)
    with pytest.raises(ShardError, match=r"more than 5 documents of one shard fail.*this stage has a bug"):
        run_carefully((("raiser_v1", {"everyone": True}),), some(20))

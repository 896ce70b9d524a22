"""Runs in this process, for the tests of the global steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from refinedweb.dedup import planning
from refinedweb.dedup.routes import Limits
from refinedweb.engine import policy
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS, RECIPE, SETTINGS
from tests.refinedweb.engine.inline import ok, run, write_shards


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "BACKOFF_SECONDS", 0.0)
    monkeypatch.setattr(policy, "TICK_SECONDS", 0.001)


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of about one shard and several partitions, as a large corpus would have."""
    monkeypatch.setattr(planning, "LEAST_BLOCK", 1 << 10)
    monkeypatch.setattr(planning, "LEAST_PARTITION", 1 << 12)


@pytest.fixture
def many_levels(small_tasks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of few pieces and merges of few objects, as a very large corpus would have."""
    monkeypatch.setattr(planning, "LIMITS", Limits(direct=0, fan=3, merged=1 << 12))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus as one file, in one task a phase."""
    folder = tmp_path_factory.mktemp("whole")
    ok(run(RECIPE, write_shards(DOCUMENTS, folder / "in", 1), folder / "out", *SETTINGS))
    return folder / "out"

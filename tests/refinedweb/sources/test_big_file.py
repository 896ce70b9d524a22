"""A large file as many shards: a run of it that is killed and resumed writes what one that was left alone writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.big_file import KINDS, BigFile, compared, written

SIZE, PART = 4_000_000, 200_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_big_file_is_the_same_on_two_workers_and_after_a_kill(kind: str, tmp_path: Path) -> None:
    """The small form of `benchmarks.big_file`, with processes instead of Ray."""
    path = written(kind, tmp_path, SIZE, PART)
    found = compared(BigFile(path, PART, "sample_v1", inline=True), tmp_path)
    assert found["parts"] > 10
    assert 0 < found["committed before the kill"] < found["parts"]
    assert (found["kept"], found["same bytes"]) == (True, True)

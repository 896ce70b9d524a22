"""Standard input as an input: kept below the output, read once."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from refinedweb.ledger.stdin import with_standard_input
from refinedweb.sources.inputs import find
from refinedweb.storage import Store
from stages.errors import ConfigError
from tests.conftest import ROOT
from tests.refinedweb.cli.command import command
from tests.refinedweb.engine import inline

LINES = b'{"id": "a", "text": "hello world"}\n{"id": "b", "text": "hello again"}\n'


def given(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data))


def test_standard_input_is_an_input_below_the_output(store: Store) -> None:
    out = store.uri("out")
    specs = with_standard_input(["in.jsonl", "-"], out, given(LINES))
    assert specs == ["in.jsonl", f"{out}/stdin"]
    assert [item.size for item in find(specs[1:], out=out).inputs] == [len(LINES)]
    assert with_standard_input(["in.jsonl"], out, given(b"")) == ["in.jsonl"]


def test_nothing_on_standard_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="standard input is empty"):
        with_standard_input(["-"], str(tmp_path / "out"), given(b""))
    assert not (tmp_path / "out" / "stdin").exists()


def test_a_run_of_standard_input_resumes_without_it(tmp_path: Path) -> None:
    words = command("run", "sample_v1", "-", tmp_path / "out", "--workers", "1")
    for data in (LINES, b""):
        done = subprocess.run(words, input=data, capture_output=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr.decode()
    assert [row["id"] for row in inline.rows_of(tmp_path / "out", "corpus")] == ["a", "b"]

"""The audit trail says who ran what code on which input, without secrets, and older code reads such runs."""

from __future__ import annotations

import getpass
import json
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from refinedweb.cli import cli
from refinedweb.ledger.origin import safe_words
from refinedweb.ledger.run_file import open_run
from tests.refinedweb.engine.inline import ok, run, write_shards
from tests.refinedweb.views.small_run import page, prose


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    words = ["/usr/bin/refinedweb", "run", "exact_v1", "--api-token", "hush", "s3://in/?X-Amz-Signature=hush", "out"]
    monkeypatch.setattr(sys, "argv", words)
    shards = write_shards([page(f"p{n}", prose(n % 2)) for n in range(4)], tmp_path / "in", 2)
    ok(run("exact_v1", shards, tmp_path / "out"))
    return tmp_path / "out"


def test_the_trail_names_user_code_inputs_and_outputs(out: Path) -> None:
    done = CliRunner().invoke(cli, ["trail", str(out)])
    first, *tasks = [json.loads(line) for line in done.output.splitlines()]
    assert first["event"] == "run"
    assert first["origin"]["user"] == getpass.getuser()
    assert first["origin"]["host"] == socket.gethostname()
    assert first["origin"]["command"][:3] == ["refinedweb", "run", "exact_v1"]
    assert first["origin"]["packages"]["pyarrow"]
    assert {task["fingerprint"] for task in tasks} == {first["fingerprint"]}
    assert {task["user"] for task in tasks} == {getpass.getuser()}
    assert {task["input_key"] for task in tasks if task["step"] == "00-filter"} == {
        item.uri for item in open_run(str(out)).inputs
    }
    written = {output["key"] for task in tasks for output in task["outputs"]}
    assert {path.relative_to(out).as_posix() for path in out.glob("corpus/*")} <= written


def test_no_secret_is_written_down(out: Path) -> None:
    assert not [path for path in out.rglob("*") if path.is_file() and b"hush" in path.read_bytes()]


def test_a_run_from_before_there_was_a_trail_has_one(out: Path) -> None:
    loaded = json.loads((out / "run.json").read_bytes())
    del loaded["origin"]
    (out / "run.json").write_text(json.dumps(loaded))
    for path in out.rglob("manifest/*.json"):
        record = json.loads(path.read_bytes())
        del record["user"]
        path.write_text(json.dumps(record))
    done = CliRunner().invoke(cli, ["trail", str(out)])
    assert done.exit_code == 0
    assert json.loads(done.output.splitlines()[0])["origin"] == {}


@pytest.mark.parametrize(
    ("words", "safe"),
    [
        (["--password", "x", "y"], ["--password", "…", "y"]),
        (["--set", "slack_token=x"], ["--set", "slack_token=…"]),
        (["https://me:x@host/a"], ["https://…@host/a"]),
        (["https://host/a?sig=x"], ["https://host/a?…"]),
        (["--limit", "5", "s3://a/b"], ["--limit", "5", "s3://a/b"]),
        ([], []),
    ],
)
def test_safe_words(words: list[str], safe: list[str]) -> None:
    assert safe_words(words) == safe

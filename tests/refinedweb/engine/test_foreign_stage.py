"""Reading a run that has a stage from a user's module: only with `--import`, because data must never name code."""

from __future__ import annotations

from pathlib import Path

import pytest

from refinedweb.recipe.load import load_stages
from stages.base import _REGISTRY
from tests.refinedweb.cli.command import refinedweb, refinedweb_process
from tests.refinedweb.engine.inline import run, write_shards

TOYS = "tests.refinedweb.toy_stages"
READERS = [
    ("report",),
    ("plan", "--input", "10x1MB", "--type", "local", "--from"),
    ("inspect", "--port", "0", "--no-browser"),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    documents = [{"id": str(n), "text": f"document {n} of a few"} for n in range(40)]
    load_stages([TOYS])
    run("odd_v1,url_v1", write_shards(documents, folder / "in", 2), folder / "out")
    return folder / "out"


@pytest.fixture
def _unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another process, which did not import the module."""
    monkeypatch.delitem(_REGISTRY, "odd_v1")


@pytest.mark.usefixtures("_unknown")
@pytest.mark.parametrize("command", READERS[:1], ids=lambda words: words[0])
def test_without_its_module_they_say_what_to_do(out: Path, command: tuple[str, ...]) -> None:
    done = refinedweb(*command, out, code=2)
    assert "'odd_v1'" in done.stderr
    assert "--import MODULE" in done.stderr


@pytest.mark.parametrize("command", READERS[:2], ids=lambda words: words[0])
def test_with_it_they_answer(out: Path, command: tuple[str, ...]) -> None:
    """Processes that know nothing of the stage."""
    refinedweb_process(*command, out, "--import", TOYS)


@pytest.mark.usefixtures("_unknown")
@pytest.mark.parametrize("command", READERS, ids=lambda words: words[0])
def test_a_module_that_is_not_there_is_named(out: Path, command: tuple[str, ...]) -> None:
    assert "no_such_module" in refinedweb(*command, out, "--import", "no_such_module", code=2).stderr


@pytest.mark.usefixtures("_unknown")
def test_counts_and_documents_need_no_stage(out: Path) -> None:
    for command in (["status"], ["verify"], ["inspect", "--text", "--stage", "odd_v1"], READERS[1]):
        refinedweb(*command, out)

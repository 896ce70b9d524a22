"""Looking at the run of somebody else opens nothing outside of it, whatever it names; --trust does."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import refinedweb as rw
from refinedweb.cli import cli
from refinedweb.inspector.browse import Query, find_documents, load_document
from refinedweb.inspector.document import DocumentReader
from refinedweb.ledger.own_runs import is_own_run, note_own_run
from refinedweb.ledger.run_file import open_run
from refinedweb.recipe.trust import is_below
from refinedweb.views.run import Run
from stages.errors import ConfigError, RefinedWebError
from tests.refinedweb.engine.inline import ok, run, write_shards
from tests.refinedweb.views.small_run import page, prose
from tests.security.strange_runs import NAMES, change, claim_a_source, planned_index, stage_of

RECIPE = "badwords_v1,quality_v1,minhash_v1"
SETTINGS = ("keep_measures=true", "minhash_v1.preset=fineweb")
NOWHERE = "http://127.0.0.1:1"  # nobody listens there


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an index: `out`, `in`, and `old`, the earlier run."""
    folder = tmp_path_factory.mktemp("made-elsewhere")
    pages = [page(f"page-{n}", prose(n)) for n in range(8)]
    ok(run(RECIPE, write_shards(pages[:4], folder / "in-old", 1), folder / "old", *SETTINGS))
    again = [page("again", prose(0)), page("short", "Too short."), *pages[4:], page("twin", prose(4))]
    shards = write_shards(again, folder / "in", 2)
    ok(run(RECIPE, shards, folder / "out", *SETTINGS, index=[folder / "old"]))
    return folder


@pytest.fixture
def strange(made: Path, tmp_path: Path) -> Path:
    """The same run as somebody else's: its index and inputs are outside of it, and no note says that we made it."""
    out = shutil.copytree(made / "out", tmp_path / "strange")
    change(out / "run.json", lambda file: file.update(token="0" * 32))
    for path in out.glob("corpus/*.parquet"):
        claim_a_source(path, json.loads((out / "run.json").read_bytes())["inputs"][0][0])
    return out


_watching: list[set[str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in ("open", "os.listdir", "os.scandir", "import"):
        _watching[-1].add(str(arguments[0]))
    if _watching and event == "socket.connect":
        _watching[-1].add(f"socket {arguments[1]}")


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[set[str]]:
    """Every file, folder, module and address that this process opens meanwhile."""
    _watching.append(set())
    try:
        yield _watching[-1]
    finally:
        _watching.pop()


def outside(touched: set[str], canary: str) -> list[str]:
    """What was touched of the canary, a file's name, or of the network."""
    return sorted(name for name in touched if canary in name or name.startswith("socket"))


def _pages(out: str, trust: bool) -> None:
    """What the inspection page does, for every document."""
    opened = Run(out, trust=trust)
    reader = DocumentReader(opened)
    for hit in find_documents(opened, Query()).found:
        loaded = load_document(opened, hit.at)
        assert loaded is not None
        reader.view(*loaded)
        reader.explain(*loaded)


def _library(out: str, trust: bool) -> None:
    opened = rw.open(out, trust=trust)
    opened._repr_html_()
    opened.sample(3)._repr_html_()
    opened.table()
    opened.pairs("minhash")._repr_html_()


def _rethreshold(out: str, trust: bool) -> None:
    rw.open(out, trust=trust).rethreshold("quality_v1", min_words=1)


def _command(*words: str, trusts: bool = False) -> Callable[[str, bool], None]:
    def call(out: str, trust: bool) -> None:
        given = [word.format(out=out) for word in words] + (["--trust"] if trust and trusts else [])
        done = CliRunner().invoke(cli, given)
        if isinstance(done.exception, Exception):
            raise done.exception

    return call


VIEWS: dict[str, Callable[[str, bool], None]] = {
    "status": _command("status", "{out}"),
    "status json": _command("status", "{out}", "--json"),
    "status prometheus": _command("status", "{out}", "--prometheus"),
    "verify": _command("verify", "{out}"),
    "export": _command("export", "{out}", "{out}-exported"),
    "report": _command("report", "{out}", trusts=True),
    "compare": _command("report", "{out}", "--compare", "{out}", trusts=True),
    "inspect": _command("inspect", "{out}", "--text", trusts=True),
    "inspect minhash": _command("inspect", "{out}", "--text", "--stage", "minhash", trusts=True),
    "explain": _command("explain", "again", "--run", "{out}", trusts=True),
    "plan": _command("plan", "{out}", "--input", "10x1MB", "--workers", "2", trusts=True),
    "pages": _pages,
    "library": _library,
    "rethreshold": _rethreshold,
}


@pytest.mark.parametrize("where", ["local", "s3"])
@pytest.mark.parametrize("way", NAMES)
def test_no_view_opens_what_the_run_of_somebody_else_names(
    strange: Path, way: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    canary = strange.parent / "canary.parquet"
    shutil.copy(next(strange.glob("corpus/*.parquet")), canary)
    NAMES[way](strange, str(canary) if where == "local" else "s3://bucket/canary.parquet")
    monkeypatch.syspath_prepend(strange.parent)
    (strange.parent / "canary.py").write_text("")
    refusals = {}
    for name, view in VIEWS.items():
        with watched() as touched:
            try:
                view(str(strange), False)
            except RefinedWebError as error:
                refusals[name] = str(error)
        for elsewhere in ("canary", "/made-elsewhere", "words"):
            assert outside(touched, elsewhere) == [], name
    wrong = {name: text for name, text in refusals.items() if "--trust" not in text and "plan.json" not in text}
    assert wrong == {}
    assert not {"status", "verify", "export"} & refusals.keys()


@pytest.mark.parametrize(
    ("way", "view", "opened"),
    [
        ("as_it_is", "pages", "/in/part-000.jsonl"),
        ("as_it_is", "explain", "/old/corpus/"),
        ("model", "pages", "canary"),
        ("link", "pages", "strange/words"),
        ("index", "inspect minhash", "canary"),
    ],
)
def test_trust_opens_it(strange: Path, way: str, view: str, opened: str) -> None:
    """Which also shows that the watch sees what is opened."""
    canary = strange.parent / "canary.parquet"
    canary.mkdir()
    (canary / "en.txt").write_text("the\nof\n")
    NAMES[way](strange, str(canary))
    with watched() as touched, suppress(RefinedWebError):  # a canary is no index
        VIEWS[view](str(strange), True)
    assert outside(touched, opened)


def test_not_even_trust_lets_a_plan_name_more_than_the_run(strange: Path) -> None:
    canary = strange.parent / "canary.parquet"
    shutil.copy(next(strange.glob("corpus/*.parquet")), canary)
    planned_index(strange, str(canary))
    with pytest.raises(ConfigError, match=r"not in minhash_v1\.index of this run"):
        rw.open(str(strange), trust=True).pairs("minhash")


def test_who_made_a_run_is_not_asked(made: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(made / "out", tmp_path / "moved")
    assert rw.open(str(moved)).trust.given
    assert len(rw.open(str(moved)).pairs("minhash")) > 0
    change(moved / "run.json", lambda file: stage_of(file, "quality_v1").update(stop_words="/etc/passwd"))
    assert not rw.open(str(moved)).trust.given


def test_a_run_is_known_whoever_rewrites_its_file(made: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(made / "out", tmp_path / "moved")
    change(moved / "run.json", lambda file: file.update(a_field_of_a_later_version=1))
    assert is_own_run(open_run(str(moved)))


def test_a_note_that_cannot_be_kept_costs_nothing(strange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (strange.parent / "file").write_text("")
    monkeypatch.setenv("REFINEDWEB_CACHE", str(strange.parent / "file"))
    note_own_run(open_run(str(strange)))
    assert not is_own_run(open_run(str(strange)))


@pytest.mark.parametrize(
    ("uri", "root", "below"),
    [
        ("/a/b/c", "/a/b", True),
        ("/a/bc", "/a/b", False),
        ("/a/b", "/a/b", False),
        ("/a/b/../c", "/a/b", False),
        ("/a/b/c", "/", True),
        ("s3://x/y/z", "s3://x/y", True),
        ("s3://x/yz", "s3://x/y", False),
        ("s3://x/y/../z", "s3://x/y", False),
        ("s3://x/y", "/", False),
        ("/s3:/x", "s3://x", False),
        ("file:///a/b/c", "/a/b", False),
        ("", "/a/b", False),
    ],
)
def test_below(uri: str, root: str, below: bool) -> None:
    assert is_below(uri, root) is below

"""Laws of the start: one driver lists the inputs, the others take the list from `run.json`."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from refinedweb.engine import start
from refinedweb.engine.start import Begun, begin, start_or_resume
from refinedweb.ledger import run_file
from refinedweb.ledger.run_file import open_run
from refinedweb.recipe.load import load as load_recipe
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources import inputs
from refinedweb.sources.inputs import InputSpecs
from refinedweb.storage import Store, open_store
from stages.errors import ConfigError
from tests.refinedweb.engine.inline import corpus, ok, run

HOSTS = 20


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("url_v1")


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    return crawl_of(tmp_path / "in", 4)


def crawl_of(folder: Path, files: int) -> Path:
    folder.mkdir()
    for number in range(files):
        (folder / f"{number:04d}.jsonl").write_text(json.dumps({"id": str(number), "text": "a"}) + "\n")
    return folder


class Counted:
    """A store that counts its calls."""

    def __init__(self, store: Store, calls: Counter[str]) -> None:
        self._store = store
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found) or name == "uri":
            return found

        def counted(*arguments: Any, **more: Any) -> Any:
            self._calls[name] += 1
            return found(*arguments, **more)

        return counted


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The calls to all stores, by name."""
    counter: Counter[str] = Counter()

    def counted(root: str) -> Any:
        return Counted(open_store(root), counter)

    def split(uri: str) -> Any:
        store, key = inputs_split(uri)
        return Counted(store, counter), key

    inputs_split = inputs.split_uri
    monkeypatch.setattr(start, "open_store", counted)
    monkeypatch.setattr(run_file, "open_store", counted)
    monkeypatch.setattr(inputs, "split_uri", split)
    return counter


@pytest.mark.parametrize("files", [3, 300])
def test_joining_costs_one_read_however_many_inputs_there_are(
    tmp_path: Path, recipe: Recipe, calls: Counter[str], files: int
) -> None:
    specs, out = InputSpecs((str(crawl_of(tmp_path / "in", files)),)), str(tmp_path / "out")
    assert not begin(recipe, specs, out).joined
    calls.clear()
    assert begin(recipe, specs, out).joined
    assert calls == {"get": 1}


def test_a_driver_that_joins_does_not_look_at_the_inputs(tmp_path: Path, recipe: Recipe, crawl: Path) -> None:
    specs, out = InputSpecs((str(crawl),)), str(tmp_path / "out")
    first = begin(recipe, specs, out)
    for path in crawl.iterdir():
        path.unlink()
    assert begin(recipe, specs, out) == Begun(first.run, True)


def test_of_many_first_drivers_one_writes_the_list_and_the_others_take_it(tmp_path: Path, recipe: Recipe) -> None:
    """Even if they did not see the same files, because the last was being uploaded."""
    crawl, out = crawl_of(tmp_path / "in", 30), str(tmp_path / "out")

    def host(number: int) -> Begun:
        if number % 3 == 0:
            (crawl / f"late-{number}.jsonl").write_text("{}\n")
        return begin(recipe, InputSpecs((str(crawl),)), out)

    with ThreadPoolExecutor(HOSTS) as pool:
        begun = [*pool.map(host, range(HOSTS))]
    assert [one.joined for one in begun].count(False) == 1
    assert {one.run.token for one in begun} == {open_run(out).token}
    assert {len(one.run.inputs) for one in begun} == {len(open_run(out).inputs)}


def test_new_files_are_no_part_of_a_run_and_are_named_if_asked_for(tmp_path: Path, recipe: Recipe, crawl: Path) -> None:
    specs, out = InputSpecs((str(crawl),)), str(tmp_path / "out")
    begin(recipe, specs, out)
    (crawl / "new.jsonl").write_text("{}\n")
    assert len(begin(recipe, specs, out).run.inputs) == 4
    for losses in (False, True):
        with pytest.raises(ConfigError, match=r"other inputs:\n  new: .*new\.jsonl"):
            begin(recipe, specs, out, check=True, losses=losses)


def test_another_name_for_the_same_files_joins_and_other_files_are_refused(
    tmp_path: Path, recipe: Recipe, crawl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "out")
    begin(recipe, InputSpecs((str(crawl),)), out)
    paths = tuple(str(path) for path in sorted(crawl.iterdir()))
    monkeypatch.chdir(tmp_path)
    for specs in (("in",), ("./in/",), ("in/*.jsonl",), paths):
        assert begin(recipe, InputSpecs(specs), out).joined
    with pytest.raises(ConfigError, match=r"gone: .*0000\.jsonl(.|\n)*--accept-failed"):
        begin(recipe, InputSpecs(paths[1:]), out)
    with pytest.raises(ConfigError, match="the same inputs in another order"):
        begin(recipe, InputSpecs(paths[::-1]), out)
    with pytest.raises(ConfigError, match=r"another recipe"):
        begin(load_recipe("url_v1", ["limit=3"]), InputSpecs((str(crawl),)), out)


@pytest.mark.parametrize("change", [os.unlink, lambda path: Path(path).write_text("{}\n")])
def test_an_input_that_is_gone_or_changed_is_accepted_with_the_losses(
    tmp_path: Path, recipe: Recipe, crawl: Path, change: Any
) -> None:
    out = str(tmp_path / "out")
    begin(recipe, InputSpecs((f"{crawl}/*",)), out)
    change(crawl / "0002.jsonl")
    with pytest.raises(ConfigError, match="add --accept-failed N"):
        begin(recipe, InputSpecs((f"{crawl}/*.jsonl",)), out)
    assert len(begin(recipe, InputSpecs((f"{crawl}/*.jsonl",)), out, losses=True).run.inputs) == 4


def test_a_run_of_an_earlier_version_compares_its_inputs(tmp_path: Path, recipe: Recipe, crawl: Path) -> None:
    specs, out = InputSpecs((str(crawl),)), str(tmp_path / "out")
    start_or_resume(recipe, specs.find(out).inputs, out)
    written = json.loads((tmp_path / "out" / "run.json").read_text())
    del written["specs"]
    (tmp_path / "out" / "run.json").write_text(json.dumps(written))
    assert begin(recipe, specs, out).joined
    (crawl / "new.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match=r"new: .*new\.jsonl"):
        begin(recipe, specs, out)


def test_an_index_is_checked_once_and_not_by_who_joins(tmp_path: Path, crawl: Path, no_waiting: None) -> None:
    old, out, more = tmp_path / "old", tmp_path / "out", InputSpecs((str(crawl),))
    ok(run("exact_v1", [crawl], old, "exact_v1.write_index=true"))
    indexed = load_recipe("exact_v1", ["keep_removed=full"], index=[str(old)])
    recorded = begin(indexed, more, str(out)).run.index
    assert [item.rows for item in recorded["exact_v1"].files] == [1] * 4
    assert open_run(str(out)).index == recorded
    for folder in ("manifest", "rollup"):
        shutil.rmtree(old / "02-corpus" / folder, ignore_errors=True)
    with pytest.raises(ConfigError, match="is not finished"):
        begin(indexed, more, str(tmp_path / "other"))
    ok(run("exact_v1", [crawl], out, index=[old]))
    assert corpus(out) == []

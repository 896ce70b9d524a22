"""Law: a relative path means the current folder, also after `os.chdir` (`%cd` in a notebook)."""

from __future__ import annotations

import ast
import os
import re
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import refinedweb
from classifiers import lid, predict
from classifiers.blocks import model
from classifiers.path_cache import PathCache, absolute
from refinedweb.storage import open_store, split_uri
from stages.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("classifiers", "stages", "refinedweb", "jobs")
NAME = "opened"
_PATH = re.compile(r"Path|Asset|^(path|folder|root|out)\b")
# The files of imported modules, whose paths are absolute.
OF_MODULES = {"classifiers.kernels.jit._source"}


def _list_in(name: str, line: str = "word") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / NAME / name).parent.mkdir(parents=True)
        (folder / NAME / name).write_text(f"{line}\n", encoding="utf-8")

    return write


def _copy_of(path: Path) -> Callable[[Path], None]:
    return lambda folder: shutil.copy(path, folder / NAME) and None


def _tokenizer(folder: Path) -> None:
    tokenizers: Any = pytest.importorskip("tokenizers")
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")).save(str(folder / NAME))


# For every cache: what must be at the path, and the arguments after the path.
OPENED: dict[str, tuple[Callable[[Path], None], tuple[Any, ...]]] = {
    "classifiers.blocks.model._load": (_copy_of(model.SHIPPED), ()),
    "classifiers.fasttext_files.linear_model.read": (_copy_of(predict.SHIPPED), ()),
    "classifiers.fasttext_files.model_file.read": (_copy_of(lid.bundled_model()), ()),
    "stages.assets.open_asset": (_list_in("any.txt"), ()),
    "stages.badwords.load_lists": (_list_in("en"), ("folded_v1",)),
    "stages.quality._lists": (_list_in("en.txt"), (False,)),
    "stages.stopwords._stop_words": (_list_in("en.txt"), ()),
    "stages.tokens.open_tokenizer": (_tokenizer, ()),
    "stages.urls.blocklist.load_blocklist": (_list_in("adult/domains", "example.org"), (("adult",),)),
    "stages.urls.words.load_tiers": (_list_in("url_hard.txt"), (("hard",),)),
}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders, of which the first is current; the current folder is restored after the test."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    return here, there


def _decorated(kind: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions with a decorator of this name, by their full name."""
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any(
                ast.unparse(decorator).partition("(")[0].rpartition(".")[2] == kind for decorator in node.decorator_list
            ):
                yield f"{module}.{node.name}", node


def test_every_cache_by_path_is_tested_here() -> None:
    assert {name for name, _ in _decorated("cached_by_path")} == {*OPENED, "refinedweb.storage.open_store"}


@pytest.mark.parametrize("kind", ["lru_cache", "cache"])
def test_no_other_cache_is_of_a_path(kind: str) -> None:
    for name, function in _decorated(kind):
        arguments = {f"{argument.arg}: {ast.unparse(argument.annotation or ast.Constant('')).strip()}"
                     for argument in function.args.args}  # fmt: skip
        of_paths = [
            one for one in arguments if "Path" in one or "Asset" in one or one.startswith(("path", "folder", "root"))
        ]
        assert not of_paths or name in OF_MODULES, f"{name} caches by {of_paths[0]}; decorate it with cached_by_path"


@pytest.mark.parametrize("name", OPENED)
def test_a_relative_path_is_one_of_the_current_folder(name: str, folders: tuple[Path, Path]) -> None:
    here, there = folders
    module, _, function = name.rpartition(".")
    cache = getattr(import_module(module), function)
    assert isinstance(cache, PathCache)
    make, arguments = OPENED[name]
    make(here)
    path: Any = Path(NAME) if name.startswith("classifiers.") else NAME
    opened = cache(path, *arguments)
    assert cache(path, *arguments) is opened
    os.chdir(there)
    with pytest.raises((ConfigError, FileNotFoundError)):
        cache(path, *arguments)
    os.chdir(here)
    assert cache(path, *arguments) is opened
    cache.cache_clear()


def test_a_store_of_a_relative_path_is_of_the_current_folder(folders: tuple[Path, Path]) -> None:
    here, there = folders
    first = open_store("out")
    first.put("k", b"here")
    os.chdir(there)
    assert list(open_store("out").list()) == []
    assert open_store("out").root == str(there / "out")
    assert first.get("k")[0] == b"here"
    assert open_store(str(here / "out")) is first


def test_the_relative_name_of_an_object_is_of_the_current_folder(folders: tuple[Path, Path]) -> None:
    here, there = folders
    for folder in (here, there):
        os.chdir(folder)
        (folder / "k").write_text(folder.name)
        store, key = split_uri("k")
        assert store.uri(key) == str(folder / "k")
        assert store.get(key)[0].decode() == folder.name


def test_a_run_opened_by_a_relative_path_stays_that_run(folders: tuple[Path, Path]) -> None:
    """Its report reads objects through the store, long after it was opened."""
    from refinedweb.report.sample import sample_of

    here, there = folders
    page = '{"id": "1", "url": "http://a.example/", "text": "some words"}\n'
    (here / "pages.jsonl").write_text(page)
    run = refinedweb.run("exact_v1", ["pages.jsonl"], "out")
    os.chdir(there)
    with pytest.raises(ConfigError, match="no run at"):
        refinedweb.open("out")
    assert run.table().arrow.num_rows == 1
    assert sample_of(run).rows == 1


def test_uris_and_none_have_no_folder() -> None:
    assert absolute("s3://bucket/x/../y") == "s3://bucket/x/../y"
    assert absolute(None) is None

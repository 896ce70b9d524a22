"""No key leads out of a store: not one of a record, of a run, of a listing or of a name that a step bears."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refinedweb.dedup.index import find_index
from refinedweb.ledger.layout import STEP_NAME
from refinedweb.ledger.run_file import open_run
from refinedweb.recipe.plan import steps_of
from refinedweb.sources import inputs
from refinedweb.storage import Store, open_store
from refinedweb.storage.keys import checked_key
from refinedweb.views.export import export
from refinedweb.views.verify import verify
from stages.base import STAGE_NAME, registry
from stages.errors import ConfigError
from stages.exact import Exact
from tests.refinedweb.engine.inline import ok, run, write_shards

NO_KEYS = ["", "/", "/nowhere/x", "..", "../x", "a/../../x", "a/..", "a//x", "a/", "./x", "a/./x", "a\0", "\0/x"]
KEYS = ["a", "a/b", ".sums/a", "..a", "a..", "...", "a/.b", "-", "a b", "ä\u202e", "a\\..\\b"]


def operations(store: Store) -> list[Callable[[str], object]]:
    return [
        store.info,
        store.get,
        store.open,
        store.create,
        store.delete,
        lambda key: store.put(key, b"x"),
        lambda key: store.put_new(key, b"x"),
        lambda key: store.put_match(key, b"x", "0"),
        lambda key: list(store.list(key and f"{key}/")) if key.strip("/") else store.info(key),
    ]


@pytest.mark.parametrize("key", NO_KEYS, ids=range(len(NO_KEYS)))
def test_a_store_refuses_what_is_not_a_plain_name(store: Store, key: str) -> None:
    for operation in operations(store):
        with pytest.raises(ConfigError, match="names, none of them empty"):
            operation(key)


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_plain_names_are_taken(store: Store, key: str) -> None:
    assert checked_key(key) == key
    store.put(key, b"x")
    assert store.get(key)[0] == b"x"
    store.delete(key)


def test_a_bucket_and_its_folders_are_inputs_and_a_key_without_a_name_is_not(s3_server: str, tmp_path: Path) -> None:
    from refinedweb.storage.s3 import client

    bucket = f"keys-{tmp_path.name.lower().replace('_', '-')}"[:60].rstrip("-")
    client().create_bucket(Bucket=bucket)
    for key in ("a/x.jsonl", "a/"):  # the second is how consoles make folders
        client().put_object(Bucket=bucket, Key=key, Body=b"")
    found = inputs.find([f"s3://{bucket}"], out=str(tmp_path / "out")).inputs
    assert [item.uri for item in found] == [f"s3://{bucket}/a/x.jsonl"]
    client().put_object(Bucket=bucket, Key="a/../../x.jsonl", Body=b"")
    with pytest.raises(ConfigError, match="not the key of an object"):
        inputs.find([f"s3://{bucket}"], out=str(tmp_path / "out"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    shards = write_shards([{"id": "a", "url": "http://a.example/", "text": "A text."}], folder / "in", 1)
    ok(run("pii_v1", shards, folder / "out"))
    return folder / "out"


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Path:
    """A run of one shard, of whose files the test may change any."""
    return shutil.copytree(made, tmp_path / "out")


@pytest.mark.parametrize("name", ["../../escaped", "{tmp}/escaped", "x/../../../escaped", "\0"])
def test_a_record_that_names_an_object_elsewhere_leads_nowhere(finished: Path, tmp_path: Path, name: str) -> None:
    key = "corpus/" + name.format(tmp=tmp_path)
    change(next(finished.glob("*/manifest/*.json")), lambda record: record["outputs"][0].update(key=key))
    (tmp_path / "escaped").write_bytes(next(finished.rglob("*.parquet")).read_bytes())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="not the key of an object"):
        export(str(finished), str(tmp_path / "exported" / "here"), "falcon", "jsonl")
    assert any("cannot be an object of this run" in problem for problem in verify(str(finished)).problems)
    assert sorted(tmp_path.rglob("*")) == before


STEPS: dict[str, Any] = {
    "name": [
        "../x",
        "/x",
        "",
        "00-filter/..",
        "00-filter\n",
        "0-filter",
        "00-",
        "filter",
        "00-Filter",
        "00-x",
        5,
        None,
    ],
    "stages": [["../x"], ["/etc_v1/.."], [""], [5], 5],
    "reads": ["../x", "01-filter", 5],
    "applies": [["../x"], ["01-exact_v1"], 5],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in STEPS.items() for value in values])
def test_a_step_of_a_run_is_called_what_a_plan_calls_it(finished: Path, field: str, value: Any) -> None:
    change(finished / "run.json", lambda file: file["steps"][0].update({field: value}))
    with pytest.raises(ConfigError, match=r"run\.json"):
        open_run(str(finished))
    with pytest.raises(ConfigError, match=r"run\.json"):
        find_index(Exact(), (str(finished),))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"5", b"\xff", b'{"steps": []}', b"[" * 100_000])
def test_what_is_no_run_file_is_wrong_use(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.json"):
        open_run(str(tmp_path))


def test_every_plan_has_names_that_a_run_may_have() -> None:
    names = [name for name in registry() if STAGE_NAME.fullmatch(name)]
    for stages in (names, [], *([name] for name in names)):
        assert all(STEP_NAME.fullmatch(step.name) for step in steps_of(stages))


def change(path: Path, how: Callable[[Any], object]) -> None:
    loaded = json.loads(path.read_bytes())
    how(loaded)
    path.write_text(json.dumps(loaded))


def test_a_root_may_be_anything_that_its_user_names(tmp_path: Path) -> None:
    store = open_store(f"{tmp_path}/a/../b")
    store.put("x", b"x")
    assert (tmp_path / "b" / "x").read_bytes() == b"x"

"""A recipe's models and lists: a digest names no path, and what is not the pinned content is neither used nor kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from refinedweb.recipe import load, params
from refinedweb.recipe.assets import localise, pin_assets
from refinedweb.recipe.trust import Trust
from refinedweb.storage import split_uri
from stages.assets import Asset, open_asset, pin, split_pin
from stages.errors import ConfigError
from stages.language import Language

GOOD = hashlib.sha256(b"good").hexdigest()
NO_DIGESTS = [
    "",
    "abc",
    "../../../.local/lib/python3.11/site-packages",
    f"../{GOOD[3:]}",
    f"{GOOD}0",
    f"{GOOD}\n",
    f"{GOOD}/..",
    f"{GOOD[1:]}g",
    f"{GOOD[1:]}\uff11",
    f"{GOOD}#sha256={GOOD}",
    "\0" * 64,
]


@pytest.fixture
def remote(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An object on S3 with the bytes `good`, and an empty cache below `tmp_path`."""
    monkeypatch.setenv("REFINEDWEB_CACHE", str(tmp_path / "cache"))
    uri = f"{s3_server}/{tmp_path.name}/model.ftz"
    write(uri, b"good")
    return uri


def write(uri: str, data: bytes) -> None:
    store, key = split_uri(uri)
    store.put(key, data)


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


def local(asset: str) -> Path:
    """The file that a stage with this model opens."""
    return open_asset(localise(Language, {"model": asset})["model"])


@pytest.mark.parametrize("digest", NO_DIGESTS, ids=range(len(NO_DIGESTS)))
def test_a_digest_is_64_hex_digits_and_nothing_else(digest: str, remote: str, tmp_path: Path) -> None:
    asset = f"{remote}#sha256={digest}"
    content = {"stages": [{"name": "language_v1", "model": asset}]}
    readers: list[Any] = [
        split_pin,
        pin,
        open_asset,
        lambda asset: pin_assets(Language, {"model": asset}),
        lambda asset: localise(Language, {"model": asset}),
        lambda asset: params.coerce(Language, {"model": asset}, "language_v1"),
        lambda asset: load.load("language_v1", [f"language_v1.model={json.dumps(asset)}"]),
        lambda asset: load.of_content(content, "run", ["language_v1"], Trust(str(tmp_path), given=True)),
    ]
    for read in readers:
        with pytest.raises(ConfigError, match="64 hex digits"):
            read(asset)
    assert contents(tmp_path) == []


def test_a_digest_in_capitals_is_the_same_digest(remote: str) -> None:
    assert split_pin(f"{remote}#sha256={GOOD.upper()}") == (remote, GOOD)
    assert local(f"{remote}#sha256={GOOD.upper()}").read_bytes() == b"good"


def test_an_unpinned_asset_is_pinned_to_what_was_fetched(remote: str, tmp_path: Path) -> None:
    assert pin_assets(Language, {"model": remote}) == {"model": f"{remote}#sha256={GOOD}"}
    assert contents(tmp_path) == [b"good"]
    model = tmp_path / "model"
    model.write_bytes(b"good")
    assert pin_assets(Language, {"model": str(model)}) == {"model": f"{model}#sha256={GOOD}"}
    assert pin_assets(Language, {"model": f"{model}#sha256={GOOD}"}) == {"model": f"{model}#sha256={GOOD}"}


@pytest.mark.parametrize("use", [pin_assets, localise])
def test_what_is_not_the_pinned_content_is_not_kept(use: Any, remote: str, tmp_path: Path) -> None:
    write(remote, b"evil")
    asset = Asset(f"{remote}#sha256={GOOD}")
    with pytest.raises(ConfigError, match="but the recipe pins"):
        use(Language, {"model": asset})
    assert contents(tmp_path) == []
    write(remote, b"good")  # and the right one is not refused for it
    use(Language, {"model": asset})
    assert local(asset).read_bytes() == b"good"


def test_wrong_bytes_in_the_cache_are_fetched_again(remote: str, tmp_path: Path) -> None:
    poisoned = tmp_path / "cache" / "assets" / GOOD / "model.ftz"
    poisoned.parent.mkdir(parents=True)
    poisoned.write_bytes(b"evil")
    assert local(f"{remote}#sha256={GOOD}").read_bytes() == b"good"
    assert contents(tmp_path) == [b"good"]


def test_a_folder_of_wrong_lists_is_fetched_again(remote: str, tmp_path: Path) -> None:
    folder = remote.rpartition("/")[0] + "/lists"
    write(f"{folder}/a/domains", b"a")
    write(f"{folder}/b", b"b")
    pinned = pin_assets(Language, {"model": folder})
    copy = next(tmp_path.rglob("lists"))
    (copy / "a" / "more").write_bytes(b"evil")
    assert sorted(contents(local(pinned["model"]))) == [b"a", b"b"]


def test_the_right_copy_is_not_fetched_again(remote: str) -> None:
    first = local(f"{remote}#sha256={GOOD}")
    write(remote, b"evil")
    assert local(f"{remote}#sha256={GOOD}") == first


def test_the_cache_is_private(remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache" / "assets"
    folder.mkdir(parents=True, mode=0o777)
    folder.chmod(0o777)
    copy = local(f"{remote}#sha256={GOOD}")
    assert folder in copy.parents
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr("os.geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="belongs to user"):
        localise(Language, {"model": f"{remote}#sha256={GOOD}"})

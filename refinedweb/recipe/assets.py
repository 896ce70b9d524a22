"""A recipe's assets: pinned to their content before the run, and copied to each machine if they are remote."""

from __future__ import annotations

import os
import typing
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refinedweb.storage import Missing, Store, split_uri
from stages.assets import Asset, pin, split_pin
from stages.errors import ConfigError

COPY_BYTES = 8 << 20  # read from the store at a time: a model of gigabytes never fills the memory


def pin_assets(cls: type[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `params` with every asset pinned to its present content. Raises ConfigError if one is missing."""
    pinned = dict(params)
    for name in _asset_fields(cls):
        if pinned.get(name) is not None:
            path, digest = split_pin(pinned[name])
            if path.startswith("s3://"):
                _, digest = split_pin(pin(pinned[name].replace(path, str(_fetch(path, digest)))))
                pinned[name] = Asset(f"{path}#sha256={digest}")
            else:
                pinned[name] = pin(pinned[name].replace(path, os.path.abspath(path)))
    return pinned


def localise(cls: type[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `params` with every `s3://` asset replaced by the path of this machine's copy."""
    local = dict(params)
    for name in _asset_fields(cls):
        if local.get(name) is not None and local[name].startswith("s3://"):
            path, digest = split_pin(local[name])
            local[name] = Asset(f"{_fetch(path, digest)}#sha256={digest}")
    return local


def _asset_fields(cls: type[Any]) -> list[str]:
    hints = typing.get_type_hints(cls)
    return [name for name, hint in hints.items() if hint is Asset or Asset in typing.get_args(hint)]


def _fetch(uri: str, digest: str | None) -> Path:
    """Return the local copy of a remote file or folder, which is fetched once per digest and machine."""
    folder = Path(os.environ.get("REFINEDWEB_CACHE", Path.home() / ".cache" / "refinedweb")) / "assets"
    target = folder / (digest if digest is not None else uuid.uuid4().hex) / uri.rstrip("/").rpartition("/")[2]
    if digest is not None and target.exists():
        return target
    partial = target.parent.with_name(f"{target.parent.name}.{uuid.uuid4().hex}")
    store, key = split_uri(uri.rstrip("/"))
    objects = _objects(store, key)
    for name in objects:
        if ".." in name.split("/") or "\0" in name:
            raise ConfigError(f"{store.uri(name)!r} cannot be a file name here: it would lead out of its folder")
        copy = partial / target.name / name.removeprefix(key).lstrip("/") if name != key else partial / target.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        with store.open(name) as source, copy.open("wb") as out:
            while chunk := source.read(COPY_BYTES):
                out.write(chunk)
    if not target.parent.exists():
        partial.rename(target.parent)
        return target
    return target if target.exists() else partial / target.name


def _objects(store: Store, key: str) -> list[str]:
    try:
        return [store.info(key).key]
    except Missing:
        below = [info.key for info in store.list(key + "/")]
    if not below:
        raise ConfigError(f"no model or list at {store.uri(key)}; give the name of an existing object or prefix")
    return below

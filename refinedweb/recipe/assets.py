"""A recipe's assets: pinned to their content before the run, and copied to each machine if they are remote."""

from __future__ import annotations

import os
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from refinedweb.recipe.asset_cache import cached, keep, partial_folder
from refinedweb.storage import Missing, Store, split_uri
from refinedweb.storage.os_errors import explained
from stages.assets import Asset, digest_of, pin, split_pin, with_pin
from stages.base import BY_LANGUAGE
from stages.errors import ConfigError

COPY_BYTES = 8 << 20  # read from the store at a time: a model of gigabytes never fills the memory


def pin_assets(cls: type[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `params` with every asset pinned to its present content. Raises ConfigError if one is missing."""
    pinned = dict(params)
    for name in asset_fields(cls):
        if pinned.get(name) is not None:
            path, digest = split_pin(pinned[name])
            if path.startswith("s3://"):
                pinned[name] = with_pin(path, _fetch(path, digest).parent.name)
            else:
                local = os.path.abspath(path)
                pinned[name] = pin(local if digest is None else with_pin(local, digest))
    return _nested(pinned, partial(pin_assets, cls))


def localise(cls: type[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `params` with every `s3://` asset replaced by the path of this machine's copy."""
    local = dict(params)
    for name in asset_fields(cls):
        if local.get(name) is not None and local[name].startswith("s3://"):
            path, digest = split_pin(local[name])
            copy = _fetch(path, digest)
            local[name] = with_pin(str(copy), copy.parent.name)
    return _nested(local, partial(localise, cls))


def all_values(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every parameter with its value, those of single languages included."""
    for name, value in params.items():
        yield name, value
        if name == BY_LANGUAGE and isinstance(value, Mapping):
            for key, own in value.items():
                if isinstance(own, Mapping):
                    yield from ((f"{name}.{key}.{each}", one) for each, one in own.items())


def _nested(params: dict[str, Any], change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """`params` with the parameters of single languages changed, too."""
    tables = params.get(BY_LANGUAGE)
    if isinstance(tables, Mapping):
        params[BY_LANGUAGE] = {key: change(own) if isinstance(own, Mapping) else own for key, own in tables.items()}
    return params


def asset_fields(cls: type[Any]) -> list[str]:
    """The parameters of a stage that are models or lists."""
    hints = typing.get_type_hints(cls)
    return [name for name, hint in hints.items() if hint is Asset or Asset in typing.get_args(hint)]


def _fetch(uri: str, digest: str | None) -> Path:
    """Return the local copy of a remote file or folder, below its digest; fetched once per digest and machine.

    Raises ConfigError if what is there is not what was pinned.
    """
    store, key = split_uri(uri.rstrip("/"))
    name = uri.rstrip("/").rpartition("/")[2]
    if digest is not None and (copy := cached(digest, name)) is not None:
        return copy
    with partial_folder() as partial:
        fetched = partial / name
        _download(store, key, fetched)
        found = digest_of(fetched)
        if digest not in (None, found):
            raise ConfigError(f"{uri} has sha256 {found}, but the recipe pins {digest}; use the object that was pinned")
        return keep(fetched, found)


def _download(store: Store, key: str, target: Path) -> None:
    for name in _objects(store, key):
        if ".." in name.split("/") or "\0" in name:
            raise ConfigError(f"{store.uri(name)!r} cannot be a file name here: it would lead out of its folder")
        copy = target if name == key else target / name.removeprefix(key).lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        with store.open(name) as source, explained(str(copy)), copy.open("wb") as out:
            while chunk := source.read(COPY_BYTES):
                out.write(chunk)


def _objects(store: Store, key: str) -> list[str]:
    try:
        return [store.info(key).key]
    except Missing:
        below = [info.key for info in store.list(key + "/") if not info.key.endswith("/")]
    if not below:
        raise ConfigError(f"no model or list at {store.uri(key)}; give the name of an existing object or prefix")
    return below

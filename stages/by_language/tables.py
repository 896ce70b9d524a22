"""Tables of parameters by language: those that ship with the package, and those of a recipe.

A table in TOML says for a stage (its name without the version) and a key what differs from the stage's parameters:

    [quality.Thai]            # a language (th, tha_Thai), a script (Thai) or a family (Kra-Dai)
    unspaced_letters = true

A table of many languages is a file of columns: a key, and a value per `stage.parameter`. Its row `*` holds for all.

A recipe names a shipped table (`by_language = "prose_v1"`), or states its own entries, or both: the entries of a recipe
come before those of the table that it is `like`. Shipped tables carry a version in their name and never change.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.by_language.labels import key_of
from stages.errors import ConfigError, nearest

LIKE = "like"  # the entry of a recipe's table that names a shipped one
Entries = dict[str, dict[str, Any]]  # parameters by key

FOLDER = Path(__file__).parent / "tables"


def shipped_tables() -> list[str]:
    """The names of the tables that come with the package."""
    return sorted(path.stem for pattern in ("*.toml", "*.tsv") for path in FOLDER.glob(pattern))


def stages_of(table: str) -> list[str]:
    """The stages, without their versions, that a shipped table has limits for."""
    return list(_shipped(table))


def family_of(stage: str) -> str:
    """The name of a stage without its version: that under which tables have it."""
    return stage.rpartition("_v")[0]


def shipped_entries(table: str, stage: str) -> Entries:
    """What a shipped table says about a stage. Raises ConfigError if there is no such table, or it says nothing."""
    if table not in shipped_tables():
        raise ConfigError(f"no table of limits by language is called {table!r}: {nearest(table, shipped_tables())}")
    return _of_stage(_shipped(table), stage, table)


def read_entries(path: Path, stage: str) -> Entries:
    """What the TOML file of a user says about a stage. Raises ConfigError if it cannot be read, or says nothing."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ConfigError(f"cannot read the limits by language in {path}: {error}") from error
    return _of_stage(tables, stage, str(path))


def entries_of(spec: Any, stage: str) -> Entries:
    """The parameters by key that `by_language` of a stage stands for. Raises ConfigError.

    Keys are canonical, and those of the recipe itself come first. An entry of the recipe extends the one of the shipped
    table with the same key.
    """
    own = {LIKE: spec} if isinstance(spec, str) else spec
    if not isinstance(own, Mapping):
        raise ConfigError(f"{stage}.by_language is the name of a table, or a table of parameters by language: {spec!r}")
    entries: Entries = {}
    if LIKE in own:
        like = own[LIKE]
        if not isinstance(like, str):
            raise ConfigError(f"{stage}.by_language.like is the name of a table of limits, not {like!r}")
        entries = {key_of(name): dict(values) for name, values in shipped_entries(like, stage).items()}
    seen: dict[str, str] = {}
    for name, values in own.items():
        if name == LIKE:
            continue
        if not isinstance(values, Mapping):
            raise ConfigError(f"{stage}.by_language.{name} must be a table of parameters, not {values!r}")
        key = key_of(name)
        if key in seen:
            raise ConfigError(f"{stage}.by_language has {seen[key]!r} and {name!r}, which are the same language")
        seen[key] = name
        entries[key] = {**entries.get(key, {}), **values}
    return entries


@lru_cache(maxsize=8)
def _shipped(table: str) -> dict[str, Any]:
    columns = FOLDER / f"{table}.tsv"
    if columns.exists():
        return _of_columns(columns.read_text(encoding="utf-8"))
    return tomllib.loads((FOLDER / f"{table}.toml").read_text(encoding="utf-8"))


def _of_columns(text: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Entries by stage and key, from a table of columns."""
    header, *rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    usual: list[tuple[str, str]] = []
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for key, *values in rows:
        if key == "*":
            usual = [(name, value) for name, _, value in (each.partition("=") for each in values[0].split())]
            continue
        for name, value in [*usual, *zip(header[1:], values, strict=True)]:
            stage, _, parameter = name.partition(".")
            found.setdefault(stage, {}).setdefault(key, {})[parameter] = _plain(value)
    return found


def _plain(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def _of_stage(tables: Mapping[str, Any], stage: str, what: str) -> Entries:
    family = family_of(stage)
    found = tables.get(family)
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise ConfigError(f"the table {what} has no limits for {family}: {nearest(family, list(tables))}")
    return found

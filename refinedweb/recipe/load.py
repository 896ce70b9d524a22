"""Resolve what a user names (a shipped recipe, a TOML file, stage names) to a recipe, with overrides and checks."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from refinedweb.recipe import params
from refinedweb.recipe.assets import all_values, asset_fields, pin_assets
from refinedweb.recipe.recipe import Recipe, RunOptions
from refinedweb.recipe.trust import Trust
from refinedweb.sources import SourceOptions
from refinedweb.storage import Missing, open_store, split_uri
from stages.assets import split_pin
from stages.base import BY_LANGUAGE, build, registry
from stages.by_language.tables import LIKE, read_entries
from stages.errors import ConfigError, nearest

BUILT_IN_STAGES = (
    "badwords",
    "c4",
    "c4_lines",
    "characters",
    "classifier",
    "columns",
    "exact",
    "extract",
    "fineweb",
    "language",
    "language_gate",
    "lines.stage",
    "minhash",
    "paragraph",
    "peer_words",
    "pii.stage",
    "profanity",
    "quality",
    "repetition",
    "sample",
    "substring.stage",
    "url",
    "url_dedup",
    "weight",
    "where.stage",
)
"""The modules of `stages/` that register stages."""

SHIPPED = Path(__file__).parent / "shipped"


def load_stages(imports: Iterable[str] = ()) -> None:
    """Register the stages of this package, of installed ones (entry points `refinedweb.stages`) and of `imports`."""
    for module in BUILT_IN_STAGES:
        import_module(f"stages.{module}")
    for point in entry_points(group="refinedweb.stages"):
        point.load()
    for module in imports:
        try:
            import_module(module)
        except ImportError as error:
            raise ConfigError(f"--import {module}: {error}; is it installed, or in the current folder?") from error


def shipped() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(spec: str, overrides: Iterable[str] = (), imports: Iterable[str] = (), index: Sequence[str] = ()) -> Recipe:
    """Resolve `spec`: the name of a shipped recipe, the path of a .toml, or stage names joined by commas.

    `overrides` are `stage.param=value`, `source.param=value` or `param=value` (of the run). `index` names earlier runs,
    for every stage that takes an index and for which no override names another. Raises ConfigError.
    """
    imports = tuple(imports)
    load_stages(imports)
    raw = _tables_of(spec)
    _check_tables(raw)
    if index:
        _set_index(raw, index)
    for override in overrides:
        _override(raw, override)
    return _resolve(raw, imports)


def of_content(content: Mapping[str, Any], name: str, wanted: Sequence[str], trust: Trust) -> Recipe:
    """Rebuild an earlier run's recipe from its `content`, with the `wanted` stages and models as they were pinned then.

    Raises ConfigError for a stage that no module has registered (data never decides which code to load), and for a
    model, list or index that may not be opened: building a stage may open it.
    """
    load_stages()
    known, stages = registry(), []
    for table in content["stages"]:
        called = table["name"]
        if called not in wanted:
            continue
        if called not in known:
            raise ConfigError(
                f"the run has a stage {called!r} that is not known here: name the module that registers it "
                f"(--import MODULE; import it in Python), or use the version of refinedweb that made the run"
            )
        values = {key: value for key, value in table.items() if key != "name"}
        coerced = params.coerce(known[called], values, called)
        _check_trusted(known[called], coerced, called, trust)
        stages.append((called, coerced))
    return Recipe(name, tuple(stages))


def _check_trusted(cls: type[Any], values: Mapping[str, Any], stage: str, trust: Trust) -> None:
    """Raises ConfigError for a parameter that names something to open which may not be opened."""
    assets = asset_fields(cls)
    for name, value in all_values(values):
        if name.rpartition(".")[2] in assets and value is not None:
            trust.check(split_pin(value)[0], f"{stage}.{name}")
    for path in values.get("index") or ():
        trust.check(path, f"{stage}.index")


def _set_index(raw: dict[str, Any], index: Sequence[str]) -> None:
    """Give `index` to every stage that has such a parameter."""
    known = registry()
    stages = [stage for stage in raw.get("stage", []) if "index" in _field_names(known.get(stage.get("name")))]
    if not stages:
        raise ConfigError("--index: the recipe has no stage that takes an index: it compares no documents")
    for stage in stages:
        stage["index"] = [*index]


def _field_names(cls: type[Any] | None) -> list[str]:
    return [] if cls is None else [f.name for f in dataclasses.fields(cls)]


def _tables_of(spec: str) -> dict[str, Any]:
    """The tables of the recipe as TOML has them, not checked yet."""
    if spec in shipped():
        return _read_toml(SHIPPED / f"{spec}.toml")
    if spec.endswith(".toml"):
        return _fetch_toml(spec) if spec.startswith("s3://") else _read_toml(Path(spec))
    names = [name.strip() for name in spec.split(",")]
    if any(name in registry() for name in names):
        return {"name": "custom", "stage": [{"name": name} for name in names]}
    known = [*shipped(), *registry()]
    raise ConfigError(
        f"no recipe or stage is called {spec!r}: {nearest(spec, known)}; or give the path of a .toml file"
    )


def _fetch_toml(uri: str) -> dict[str, Any]:
    store, key = split_uri(uri)
    try:
        return tomllib.loads(store.get(key)[0].decode())
    except Missing:
        raise ConfigError(f"no recipe file {uri}; shipped recipes: {', '.join(shipped())}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the recipe {uri}: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no recipe file {path}; shipped recipes: {', '.join(shipped())}") from None
    except (ValueError, RecursionError, OSError) as error:  # TOMLDecodeError, and what tomllib lets through
        raise ConfigError(f"cannot read the recipe {path}: {error}") from error


def _override(raw: dict[str, Any], override: str) -> None:
    """Apply one `--set` to the tables. The value is checked later, with those from the file."""
    target, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override}: write stage.param=value, source.param=value or param=value")
    owner, dot, key = target.strip().rpartition(".")
    if not dot:
        _check_run_option(raw, key, override)
        raw.setdefault("run", {})[key] = params.parse(value)
    elif owner in {"run", "source"}:
        raw.setdefault(owner, {})[key] = params.parse(value)
    else:
        name, inside, language = owner.partition(f".{BY_LANGUAGE}")
        table = _stage_table(raw, name, override)
        (_entry(table, language.lstrip(".")) if inside else table)[key] = params.parse(value)


def _entry(table: dict[str, Any], language: str) -> dict[str, Any]:
    """The parameters of a stage that are for one language; made if there are none yet."""
    known = table.get(BY_LANGUAGE, {})
    tables: dict[str, Any] = {LIKE: known} if isinstance(known, str) else dict(known)
    table[BY_LANGUAGE] = tables
    if not language:
        return tables
    tables[language] = dict(tables.get(language, {}))
    entry: dict[str, Any] = tables[language]
    return entry


def _check_run_option(raw: Mapping[str, Any], key: str, override: str) -> None:
    """Raises ConfigError for the name of a stage's parameter without its stage."""
    if key in _field_names(RunOptions):
        return
    owners = [name for table in raw.get("stage", []) if key in _field_names(registry().get(name := table.get("name")))]
    if key in _field_names(SourceOptions):
        owners.append("source")
    if owners:
        meant = " or ".join(f"{owner}.{key}" for owner in owners)
        raise ConfigError(f"--set {override}: the run has no parameter {key!r}; did you mean {meant}?")


def _stage_table(raw: dict[str, Any], owner: str, override: str) -> dict[str, Any]:
    names = [table.get("name", "") for table in raw.get("stage", [])]
    if owner not in names:
        raise ConfigError(f"--set {override}: the recipe has no stage {owner!r}: {nearest(owner, ['source', *names])}")
    table: dict[str, Any] = raw["stage"][names.index(owner)]
    return table


def _resolve(raw: Mapping[str, Any], imports: tuple[str, ...]) -> Recipe:
    """Check the tables and fill in every parameter."""
    known = ("name", "description", "run", "source", "stage")
    for key in raw:
        if key not in known:
            raise ConfigError(f"unknown key {key!r} in the recipe: {nearest(key, known)}")
    _check_tables(raw)
    stages = tuple(_resolve_stage(table) for table in raw.get("stage", []))
    _check_names([name for name, _ in stages])
    return Recipe(
        name=str(raw.get("name", "custom")),
        description=str(raw.get("description", "")),
        run=params.instance(RunOptions, raw.get("run", {}), "run"),
        source=params.instance(SourceOptions, raw.get("source", {}), "source"),
        stages=stages,
        imports=imports,
    )


def _check_tables(raw: Mapping[str, Any]) -> None:
    """Raises ConfigError unless [run], [source] and [[stage]] are tables and the stages' names are strings."""
    for key in ("run", "source"):
        if not isinstance(raw.get(key, {}), Mapping):
            raise ConfigError(f"{key!r} of the recipe must be a table; write [{key}] and its parameters below it")
    stages = raw.get("stage", [])
    if not isinstance(stages, list) or not all(isinstance(table, Mapping) for table in stages):
        raise ConfigError('"stage" of the recipe must be a list of tables; write [[stage]] before each')
    wrong = [table["name"] for table in stages if not isinstance(table.get("name", ""), str)]
    if wrong:
        raise ConfigError(f"a stage name must be a string, not {wrong[0]!r}; see `refinedweb stages`")


def _resolve_stage(table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a stage and all its parameters, defaults included; assets are pinned and paths made absolute."""
    values = dict(table)
    name = values.pop("name", None)
    if name is None:
        raise ConfigError('a [[stage]] of the recipe has no name; add name = "…", one of `refinedweb stages`')
    if name not in registry():
        raise ConfigError(f"unknown stage {name!r} in the recipe: {nearest(name, list(registry()))}")
    cls = registry()[name]
    values = _with_entries(values, name)
    values = pin_assets(cls, params.coerce(cls, values, name))
    if values.get("index"):
        values["index"] = tuple(open_store(path).root for path in values["index"])
    usual = build(name, {key: value for key, value in values.items() if key != BY_LANGUAGE})
    resolved = {f.name: getattr(usual, f.name) for f in dataclasses.fields(cls)}
    if values.get(BY_LANGUAGE):
        build(name, values)  # says now what is wrong with the parameters of a language
        resolved[BY_LANGUAGE] = values[BY_LANGUAGE]
    return name, resolved


def _with_entries(values: dict[str, Any], stage: str) -> dict[str, Any]:
    """The parameters, with what the file says that `by_language` names; "none" takes a table away."""
    spec = values.get(BY_LANGUAGE)
    if spec == "none":
        return {key: value for key, value in values.items() if key != BY_LANGUAGE}
    if isinstance(spec, str) and spec.endswith(".toml"):
        return {**values, BY_LANGUAGE: read_entries(Path(spec), stage)}
    return values


def _check_names(names: list[str]) -> None:
    """Raises ConfigError if there is no stage, or one occurs twice."""
    if not names:
        raise ConfigError("the recipe has no stages; add [[stage]] tables, see `refinedweb stages`")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"the recipe names {', '.join(twice)} twice; the ledger counts each stage by its name")

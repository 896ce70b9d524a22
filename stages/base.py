"""The contract: a stage is a frozen dataclass of its parameters that maps a table of documents to one.

The one law: a stage never changes the number or the order of rows. It may rewrite or add columns, and it may set the
string column `drop` (null = keep) to a snake_case fact about the document (`too_few_words`), never to the stage's name.
Only the engine splits, stores and counts.

A stage that measures numbers and compares them with limits states the two separately (`Measured`): `measure` is one
pass over the text, `limits` is a table that reads like the paper's, and `judge` combines them. The same measures feed
histograms and `explain`. A stage that chooses parts of a document also shows them to `explain` (`Parted`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, cast, dataclass_transform, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.by_language.tables import entries_of
from stages.by_language.varied import VariedMeasures, VariedStage
from stages.errors import ConfigError, nearest


@runtime_checkable
class Stage(Protocol):
    """Any instance of a class registered by `@stage`: callable on tables, with its registered `name`."""

    name: ClassVar[str]

    def __call__(self, docs: pa.Table) -> pa.Table: ...


@dataclasses.dataclass(frozen=True)
class Limit:
    """Keep a document if `min <= measure <= max`; otherwise drop it for `reason`. None = no limit on that side."""

    measure: str
    reason: str
    min: float | None = None
    max: float | None = None


@runtime_checkable
class Measured(Stage, Protocol):
    """A stage whose verdict is a table of limits over measures."""

    def measure(self, docs: pa.Table) -> pa.Table:
        """One numeric column per measure, with a row for each row of `docs`."""
        ...

    def limits(self) -> Sequence[Limit]:
        """The limits, in the order in which they are checked; the first that fails gives the reason."""
        ...


@runtime_checkable
class Marking(Stage, Protocol):
    """A stage that can show which places in a text count against it."""

    def places(self, text: str) -> list[tuple[int, int]]:
        """The start and end of each place in characters, in order, without overlaps."""
        ...


@dataclasses.dataclass(frozen=True)
class JudgedPart:
    """A piece of a document as a stage judged it: whether it is kept, and the score that decided (0 to 1)."""

    text: str
    kept: bool
    score: float


@runtime_checkable
class Parted(Stage, Protocol):
    """A stage that decides about parts of a document and can show how. `explain` calls `parts`; a run never does."""

    def parts(self, docs: pa.Table) -> Sequence[Sequence[JudgedPart]]:
        """For each row as it enters the stage, its parts in order; none if the stage judges no parts of it."""
        ...


BY_LANGUAGE = "by_language"  # what every local stage takes besides its parameters: those that differ by language

T = TypeVar("T")
_REGISTRY: dict[str, type[Any]] = {}
STAGE_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}_v[0-9]{1,3}")


@dataclass_transform(frozen_default=True)
def stage(name: str) -> Callable[[type[T]], type[T]]:
    """Make the class a frozen dataclass and register it under `name`, which ends in its version (`quality_v1`)."""

    if STAGE_NAME.fullmatch(name) is None:
        raise ConfigError(
            f"a stage cannot be called {name[:80]!r}: its name becomes a folder; use lower case and end it in _v1"
        )

    def register(cls: type[T]) -> type[T]:
        frozen = dataclasses.dataclass(frozen=True)(cls)
        known = _REGISTRY.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ConfigError(f"two stages are called {name!r}: {known.__module__} and {cls.__module__}; rename one")
        frozen.name = name  # type: ignore[attr-defined]
        _REGISTRY[name] = frozen
        return frozen

    return register


def registry() -> Mapping[str, type[Any]]:
    """Every stage registered so far, by name."""
    return dict(sorted(_REGISTRY.items()))


def build(name: str, params: Mapping[str, Any] | None = None) -> Stage:
    """An instance of the stage registered as `name`.

    `by_language` among the parameters names or is a table of parameters by language (`stages.by_language.tables`).
    Raises ConfigError for an unknown name, an unknown parameter (naming the nearest known one) or a value that
    the stage refuses.
    """
    if name not in _REGISTRY:
        raise ConfigError(f"unknown stage {name!r}: {nearest(name, list(registry()))}")
    usual = {key: value for key, value in (params or {}).items() if key != BY_LANGUAGE}
    stage = _built(name, usual)
    spec = (params or {}).get(BY_LANGUAGE)
    return stage if spec is None else _varied(name, stage, spec)


def _varied(name: str, usual: Stage, spec: Any) -> Stage:
    """The stage that has the parameters of each language."""
    cls = _REGISTRY[name]
    if isinstance(getattr(cls, "reads", None), tuple):
        raise ConfigError(f"{name} compares documents of the whole corpus: it has no parameters by language")
    entries, varies = entries_of(spec, name), getattr(cls, "varies_by_language", None)
    for key, values in entries.items():
        if varies is not None and (fixed := [each for each in values if each not in varies]):
            raise ConfigError(f"{name}.{BY_LANGUAGE}.{key}.{fixed[0]}: only {', '.join(varies)} can differ by language")
    own = {key: _checked(name, values, f"{name}.{BY_LANGUAGE}.{key}") for key, values in entries.items()}
    stage = (VariedMeasures if isinstance(usual, Measured) else VariedStage)(name, usual, own)
    try:
        stage.check()
    except ValueError as error:
        raise ConfigError(f"{name}.{BY_LANGUAGE}, {error}") from error
    return cast(Stage, stage)


def of_language(stage: Stage, language: str | None) -> Stage:
    """The stage with the parameters that judge documents in a language."""
    return stage.stage_for(language) if isinstance(stage, VariedStage) else stage


def _built(name: str, params: Mapping[str, Any]) -> Stage:
    given = _checked(name, params, f"stage {name}")
    try:
        return cast(Stage, _REGISTRY[name](**given))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"stage {name}: {error}") from error


def _checked(name: str, params: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The parameters as the stage takes them. Raises ConfigError for an unknown one."""
    fields = dataclasses.fields(_REGISTRY[name])
    known = [f.name for f in fields]
    for key in params:
        if key not in known:
            raise ConfigError(f"{where} has no parameter {key!r}: {nearest(key, known)}")
    lists = {f.name for f in fields if str(f.type).startswith("tuple[str")}
    return {key: _listed(value) if key in lists else value for key, value in params.items()}


def _listed(value: Any) -> Any:
    """A list of words, which may be given as one word."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def measure_column(stage_name: str, measure: str) -> str:
    """The column that a measure is written to. Its dot distinguishes it from document columns (see `stages.schema`)."""
    return f"{stage_name}.{measure}"


def set_column(docs: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """`docs` with the column replaced if it exists, else appended."""
    at = docs.schema.get_field_index(name)
    return docs.append_column(name, values) if at < 0 else docs.set_column(at, name, values)


def drop_where(docs: pa.Table, reasons: pa.Array | pa.ChunkedArray) -> pa.Table:
    """`docs` with `drop` set from `reasons` (string, null = keep); an existing reason stays."""
    if "drop" in docs.column_names:
        reasons = pc.coalesce(docs.column("drop"), reasons)
    return set_column(docs, "drop", reasons)


def verdicts(measures: pa.Table, limits: Sequence[Limit]) -> pa.Array:
    """The reason of the first limit that each row fails, or null. A null measure fails every limit.

    Raises ValueError for a measure that is NaN, because any decision based on it would be an accident.
    """
    first = np.full(measures.num_rows, -1, dtype=np.int64)
    for index, limit in enumerate(limits):
        check_numbers(limit.measure, measures.column(limit.measure))
        values = measures.column(limit.measure).to_numpy()
        inside = np.ones(len(values), dtype=bool)
        if limit.min is not None:
            inside &= values >= limit.min
        if limit.max is not None:
            inside &= values <= limit.max
        first[(first < 0) & ~inside] = index
    reasons = pa.array([limit.reason for limit in limits], pa.string())
    return reasons.take(pa.array(first, mask=first < 0))


def check_numbers(name: str, values: pa.Array | pa.ChunkedArray) -> None:
    """Raises ValueError if a value is NaN. Null is allowed: it says that there is no value."""
    if pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py():
        row = pc.index(pc.fill_null(pc.is_nan(values), False), True).as_py()
        raise ValueError(f"the measure {name} is NaN in row {row} of its batch: a division by zero or a broken model")


def verdicts_of(stage: Measured, measures: pa.Table) -> pa.ChunkedArray:
    """The verdicts of a stage's limits: those of each row's language, if they differ by language."""
    if not isinstance(stage, VariedStage):
        return pa.chunked_array([verdicts(measures, stage.limits())])
    said = stage.scattered(measures, lambda one, rows: pa.table({"drop": verdicts(rows, one.limits())}))
    return said.column("drop")


def judge(stage: Measured, docs: pa.Table) -> pa.Table:
    """What `__call__` of a measured stage does: add its measures as columns, and set `drop` from its limits."""
    measures = stage.measure(docs)
    judged = drop_where(docs, verdicts(measures, stage.limits()))
    for name in measures.column_names:
        judged = set_column(judged, measure_column(stage.name, name), measures.column(name))
    return judged

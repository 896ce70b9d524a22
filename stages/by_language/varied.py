"""A stage whose parameters depend on the language of the document: rows are grouped, judged, and put back in order.

The law: a row comes out as if the stage had been run on it alone with the parameters of its language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Int64s
from stages.by_language.labels import chain, known_languages

LANGUAGE = "language"


class Called(Protocol):
    """What is needed of a stage: a call on a table."""

    def __call__(self, docs: pa.Table) -> pa.Table: ...


S = TypeVar("S", bound=Called)


@dataclass(frozen=True)
class VariedStage(Generic[S]):
    """The stage `default`, and in `own`, by key, the parameters that differ (see `labels.chain`).

    The parameters of a family apply first, those of the script replace them, and those of the language both. The
    language is that of the column `language`. A stage that writes this column (`decides_language`) is first run with
    the parameters of `default`; what it writes then chooses.
    """

    name: str
    default: S
    own: dict[str, dict[str, Any]]

    @cached_property
    def _made(self) -> dict[tuple[str, ...], S]:
        return {(): self.default}

    def keys_for(self, language: str | None) -> tuple[str, ...]:
        """The keys whose parameters apply to a language, from the most general to its own."""
        return tuple(key for key in reversed(chain(language)) if key in self.own) if language else ()

    def stage_for(self, language: str | None) -> S:
        """The stage that judges documents in a language."""
        return self._of_keys(self.keys_for(language))

    def _of_keys(self, keys: tuple[str, ...]) -> S:
        if keys not in self._made:
            values = {name: value for key in keys for name, value in self.own[key].items()}
            self._made[keys] = replace(self.default, **values)  # type: ignore[type-var]
        return self._made[keys]

    def check(self) -> None:
        """Make the stage of every combination of keys. Raises ValueError or TypeError, naming the keys."""
        known = known_languages().by_code.values()
        spoken = {f"{row.language}_{row.script}" for rows in known for row in rows}
        for keys in {*((key,) for key in self.own), *map(self.keys_for, spoken)}:
            try:
                self._of_keys(keys)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{' and '.join(keys)}: {error}") from error

    @property
    def needs(self) -> Sequence[str]:
        """The columns without which it cannot work."""
        own: Sequence[str] = getattr(self.default, "needs", ())
        return own if self._decides else (*own, LANGUAGE)

    @property
    def _decides(self) -> bool:
        return bool(getattr(self.default, "decides_language", False))

    def __call__(self, docs: pa.Table) -> pa.Table:
        if not self._decides:
            return self.scattered(docs, lambda stage, rows: stage(rows))
        first = self.default(docs)
        found = pa.table({LANGUAGE: first.column(LANGUAGE)})
        parts = [
            (rows, first.take(rows) if stage is self.default else stage(docs.take(rows)))
            for stage, rows in self.groups(found)
        ]
        return _in_order(parts, first)

    def scattered(self, docs: pa.Table, judge: Callable[[S, pa.Table], pa.Table]) -> pa.Table:
        """What `judge` makes of each row with the stage of its language, in the order of `docs`."""
        groups = list(self.groups(docs))
        if len(groups) < 2:
            return judge(groups[0][0] if groups else self.default, docs)
        return _in_order([(rows, judge(stage, docs.take(rows))) for stage, rows in groups], None)

    def groups(self, docs: pa.Table) -> Iterator[tuple[S, pa.Array]]:
        """Every stage that judges a row, with the numbers of its rows."""
        if LANGUAGE not in docs.column_names:
            if docs.num_rows:
                yield self.default, pa.array(np.arange(docs.num_rows))
            return
        coded = docs.column(LANGUAGE).combine_chunks().cast(pa.string()).dictionary_encode()
        keys = [*map(self.keys_for, coded.dictionary.to_pylist()), ()]
        order = {each: number for number, each in enumerate(dict.fromkeys(keys))}
        numbers = np.array([order[each] for each in keys], np.int64)
        of_row: Int64s = numbers[pc.fill_null(coded.indices, len(keys) - 1).to_numpy()]
        for each, number in order.items():
            rows = np.flatnonzero(of_row == number)
            if len(rows):
                yield self._of_keys(each), pa.array(rows)


class VariedMeasures(VariedStage[Any]):
    """The same of a stage that measures. Its limits are those of `default`; ask `stage_for` for those of a language."""

    def measure(self, docs: pa.Table) -> pa.Table:
        """The measures of each row as the stage of its language takes them."""
        return self.scattered(docs, lambda stage, rows: stage.measure(rows))

    def limits(self) -> Sequence[Any]:
        """The limits of languages that have none of their own."""
        limits: Sequence[Any] = self.default.limits()
        return limits


def _in_order(parts: Sequence[tuple[pa.Array, pa.Table]], empty: pa.Table | None) -> pa.Table:
    """The rows of all parts, each at its number."""
    if not parts:
        assert empty is not None
        return empty
    places = np.concatenate([rows.to_numpy() for rows, _ in parts])
    return pa.concat_tables([table for _, table in parts]).take(pa.array(np.argsort(places)))

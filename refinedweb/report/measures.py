"""The values of measures with their limits: from the columns that the run kept, or else measured again on texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bools, Float64s
from refinedweb.ledger.layout import CORPUS
from refinedweb.report.documents import Key, Texts
from refinedweb.report.facts import Facts, Values
from stages.base import Limit, Measured, Stage, measure_column, set_column

NOT_SHOWN = ("keys", "checks", "cluster_size")


@dataclass(frozen=True)
class Measure:
    """One measure of one stage over the documents that reached it. `stored`: whether these are the values that the run
    decided by; otherwise they were measured again on texts that were kept.
    """

    stage: str
    name: str
    found: Values
    limits: tuple[Limit, ...]
    stored: bool

    def beyond(self, limit: Limit) -> float:
        """The share of documents that fail the limit."""
        weights = self.found.weights
        return float(weights[_outside(self.found.values, limit)].sum() / weights.sum())

    def outside(self) -> Bools:
        """The documents that fail any of the limits."""
        out = np.zeros(len(self.found.values), bool)
        for limit in self.limits:
            out |= _outside(self.found.values, limit)
        return out


def _outside(values: Float64s, limit: Limit) -> Bools:
    out = np.zeros(len(values), bool)
    if limit.min is not None:
        out |= values < limit.min
    if limit.max is not None:
        out |= values > limit.max
    return out


def measures_of(stages: Sequence[Stage], facts: Facts, texts: Texts) -> list[Measure]:
    """Every measure of every stage of the run, in the run's order. A stage about which nothing is known has none."""
    names = [stage.name for stage in stages]
    found: list[Measure] = []
    for number, stage in enumerate(stages):
        columns = {name: values for name, values in facts.measures.items() if name.startswith(f"{stage.name}.")}
        stored = bool(columns)
        if not stored and isinstance(stage, Measured):
            columns = _again(stage, texts, [*names[number:], CORPUS])
        limits = list(stage.limits()) if isinstance(stage, Measured) else []
        order = {limit.measure: place for place, limit in reversed(list(enumerate(limits)))}
        for column in sorted(columns, key=lambda name: (order.get(name.partition(".")[2], len(limits)), name)):
            values = columns[column]
            name = column.partition(".")[2]
            if name not in NOT_SHOWN and len(values.values):
                mine = tuple(limit for limit in limits if limit.measure == name)
                found.append(Measure(stage.name, name, values, mine, stored))
    return found


def _again(stage: Measured, texts: Texts, ends: Sequence[str]) -> dict[str, Values]:
    """Measure again. Nothing for a stage that rewrites texts: what it would measure now is not what it saw then."""
    parts: dict[str, list[Values]] = {}
    for key, docs in _measurable(texts, ends):
        judged = stage(set_column(docs, "drop", pa.nulls(docs.num_rows, pa.string())))
        if not judged.column("text").equals(docs.column("text")):
            return {}
        weight = texts.counts[key] / docs.num_rows
        for name in judged.column_names:
            if name.startswith(f"{stage.name}."):
                values = judged.column(name).to_numpy().astype(np.float64)
                parts.setdefault(name, []).append(Values(values, np.full(len(values), weight)))
    return {name: _joined(found) for name, found in parts.items() if name != measure_column(stage.name, "keys")}


def _measurable(texts: Texts, ends: Sequence[str]) -> Iterator[tuple[Key, pa.Table]]:
    for key in sorted(texts.rows, key=str):
        docs = texts.rows[key]
        if key[0] in ends and "text" in docs.column_names:
            docs = docs.filter(docs.column("text").is_valid())
            if docs.num_rows:
                yield key, docs


def _joined(found: Sequence[Values]) -> Values:
    return Values(np.concatenate([f.values for f in found]), np.concatenate([f.weights for f in found]))

"""Facts from the columns of a sample: domains, languages, stored measures, sizes of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from classifiers.kernels.arrays import Float64s
from refinedweb.ledger.layout import CORPUS
from refinedweb.ledger.manifest import Output
from refinedweb.report.sample import ReportSample, row_groups
from refinedweb.views.run import Run
from stages.schema import is_measure

LIGHT = ("url", "language")
HOST = r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?:[Ww]{3}\.)?(?P<host>[^/?#:@]+)"
MOST_OBJECT_ROWS = 250_000  # rows that are read of one object; the others are estimated from them
MOST_HOST = 80  # characters of a host: longer ones would break the table


@dataclass(frozen=True)
class Values:
    """The values of a measure; each stands for as many documents of the sample as its weight says."""

    values: Float64s
    weights: Float64s


@dataclass
class Facts:
    """Numbers of documents [kept, removed] by domain and by language, and measures by column (`quality_v1.words`)."""

    domains: dict[str, list[float]] = field(default_factory=dict)
    languages: dict[str, list[float]] = field(default_factory=dict)
    measures: dict[str, Values] = field(default_factory=dict)


def facts_of(sample: ReportSample) -> Facts:
    """Read the light columns of all objects of the sample."""
    facts = Facts()
    parts: dict[str, list[tuple[Float64s, float]]] = {}
    for end in sorted(sample.outputs):
        for output in sample.outputs[end]:
            _take(sample, output, int(end != CORPUS), facts, parts)
    facts.measures = {column: _joined(found) for column, found in sorted(parts.items())}
    return facts


def _take(
    sample: ReportSample, output: Output, side: int, facts: Facts,
    parts: dict[str, list[tuple[Float64s, float]]],
) -> None:  # fmt: skip
    tables = []
    read = 0
    for table in row_groups(sample.store, output, _light(sample, output)):
        tables.append(table)
        read += table.num_rows
        if read >= MOST_OBJECT_ROWS:
            break
    table = pa.concat_tables(tables)
    weight = output.rows / max(1, read)
    if "url" in table.column_names:
        _count(facts.domains, hosts(table.column("url")), side, weight)
    if "language" in table.column_names:
        _count(facts.languages, table.column("language"), side, weight)
    for name in table.column_names:
        if is_measure(name):
            values = pc.drop_null(table.column(name)).cast(pa.float64()).to_numpy()
            if len(values):
                parts.setdefault(name, []).append((values, weight))


def _light(sample: ReportSample, output: Output) -> list[str]:
    with sample.store.open(output.key, random=True) as file:
        schema = pq.ParquetFile(file).schema_arrow
    numbers = [
        f.name for f in schema if is_measure(f.name) and (pa.types.is_integer(f.type) or pa.types.is_floating(f.type))
    ]
    return [*LIGHT, *numbers]


def hosts(urls: pa.ChunkedArray) -> pa.ChunkedArray:
    """The host of each URL in lower case, without `www.`; null if it has none."""
    found = pc.struct_field(pc.extract_regex(urls, HOST), "host")
    return pc.utf8_slice_codeunits(pc.utf8_lower(found), 0, MOST_HOST)


def _count(into: dict[str, list[float]], names: pa.ChunkedArray, side: int, weight: float) -> None:
    for item in pc.value_counts(pc.drop_null(names.cast(pa.string()))).to_pylist():
        into.setdefault(item["values"], [0.0, 0.0])[side] += item["counts"] * weight


def _joined(found: list[tuple[Float64s, float]]) -> Values:
    values = np.concatenate([values for values, _ in found])
    weights = np.concatenate([np.full(len(values), weight) for values, weight in found])
    return Values(values, weights)


def top(counts: Mapping[str, list[float]], side: int, most: int) -> list[tuple[str, int, int]]:
    """The names with the most documents kept (`side` 0) or removed (1), with the numbers of both."""
    ranked = sorted((name for name in counts if counts[name][side] > 0), key=lambda n: (-counts[n][side], n))
    return [(name, round(counts[name][0]), round(counts[name][1])) for name in ranked[:most]]


def cluster_sizes(run: Run, sample: ReportSample) -> dict[str, list[int]]:
    """For each deduplicating stage, the sizes of the clusters whose kept document is in a shard of the sample."""
    sizes: dict[str, list[int]] = {}
    for step in run.file.steps:
        decisions = run.decisions(step.stages[0]) if step.kind == "global" else None
        if decisions is None:
            continue
        for shard in sample.shards:
            table = decisions.table(shard)
            if table is not None and table.num_rows:
                stays = pc.and_(pc.is_null(table.column("reason")), pc.greater(table.column("cluster_size"), 1))
                found = table.filter(pc.fill_null(stays, False)).column("cluster_size")
                sizes.setdefault(step.stages[0], []).extend(found.to_pylist())
    return {stage: found for stage, found in sizes.items() if found}

"""Labelled texts: read, weighed, and split by source or at random.

A table of labelled texts has the string columns `text`, `label`, `source` and `lang` (the last two empty where the
file has none). Randomness is a hash of the text and a seed, so it does not depend on the order of the rows.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from classifiers.kernels.arrays import Bools, Float64s
from classifiers.normalise.normalise import normalised

COLUMNS = ("text", "label", "source", "lang")
_UNIT = 2.0**-64


class BadLabels(ValueError):
    """A file has no labelled texts, or a choice leaves none of them."""


def read(paths: Iterable[Path], names: Mapping[str, str] | None = None) -> pa.Table:
    """The labelled texts of Parquet (.parquet) and JSON Lines files; `names` maps COLUMNS to the files' own names.

    Rows without a text or a label are left out. Raises BadLabels, naming the file and what it should have.
    """
    tables = [_named(path, _read(path), {**{c: c for c in COLUMNS}, **(names or {})}) for path in paths]
    table = pa.concat_tables(tables) if tables else _table([])
    table = table.filter(pc.and_(pc.is_valid(table["text"]), pc.is_valid(table["label"])))
    if table.num_rows == 0:
        raise BadLabels("no labelled texts; give files with the columns text and label")
    return table


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        with path.open(encoding="utf-8") as file:
            return pa.Table.from_pylist([json.loads(line) for line in file if line.strip()])
    except (pa.ArrowInvalid, UnicodeDecodeError, json.JSONDecodeError, AttributeError) as error:
        raise BadLabels(f"{path}: {error}; give Parquet (.parquet) or JSON Lines") from error


def _named(path: Path, table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    for column in ("text", "label"):
        if names[column] not in table.column_names:
            raise BadLabels(f"{path} has no column {names[column]!r}, but {', '.join(table.column_names)}")
    arrays = [
        pc.cast(table[names[c]], pa.string())
        if names[c] in table.column_names
        else pa.array([""] * len(table), pa.string())
        for c in COLUMNS
    ]
    return pa.table(arrays, names=list(COLUMNS))


def _table(rows: Sequence[tuple[str, str, str, str]]) -> pa.Table:
    return pa.table([pa.array([row[k] for row in rows], pa.string()) for k in range(4)], names=list(COLUMNS))


def unescaped(table: pa.Table) -> pa.Table:
    """The table with character references in its texts resolved (`&#128514;`, `&amp;`), as extraction does."""
    texts = [html.unescape(text) for text in table["text"].to_pylist()]
    return table.set_column(table.schema.get_field_index("text"), "text", pa.array(texts, pa.string()))


def fractions(texts: Iterable[str], seed: int) -> Float64s:
    """A pseudorandom number in [0, 1) for each text."""
    hashes = (xxhash.xxh3_64_intdigest(text.encode(errors="replace"), seed) for text in texts)
    return np.fromiter(hashes, np.uint64).astype(np.float64) * _UNIT


def weigh(table: pa.Table, weights: Mapping[str, float], seed: int) -> pa.Table:
    """The rows, each repeated by the product of the weights that name it, shuffled.

    A weight is for a `source`, for `source:label`, for `:label` or for `lang=CODE`. 2.5 means two copies of every row
    and a third copy of half of them; 0 leaves the rows out. Raises BadLabels for a weight that names no row.
    """
    factors = np.ones(table.num_rows)
    columns = {name: np.array(table[name].to_pylist(), object) for name in ("source", "label", "lang")}
    for name, weight in weights.items():
        rows = _rows_named(name, columns)
        if not rows.any():
            known = ", ".join(sorted(set(columns["source"])))
            raise BadLabels(f"the weight {name}={weight} names no row; sources: {known}")
        factors[rows] *= weight
    whole = np.floor(factors)
    copies = (whole + (fractions(table["text"].to_pylist(), seed) < factors - whole)).astype(np.int64)
    return shuffled(table.take(pa.array(np.repeat(np.arange(table.num_rows), copies))), seed)


def _rows_named(name: str, columns: Mapping[str, Any]) -> Bools:
    if name.startswith("lang="):
        return np.asarray(columns["lang"] == name.removeprefix("lang="))
    source, colon, label = name.partition(":")
    rows = np.ones(len(columns["source"]), bool) if not source else columns["source"] == source
    return np.asarray(rows & (columns["label"] == label) if colon else rows)


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))


def held_out(table: pa.Table, sources: Iterable[str]) -> tuple[pa.Table, pa.Table]:
    """The rows of other sources (to train on), and those of `sources` (to test on). Raises BadLabels."""
    names = list(sources)
    missing = [name for name in names if not pc.any(pc.equal(table["source"], name)).as_py()]
    if missing:
        known = sorted(set(table["source"].to_pylist()))
        raise BadLabels(f"no rows of the source {missing[0]!r} to hold out; sources: {', '.join(known)}")
    test = pc.is_in(table["source"], value_set=pa.array(names, pa.string()))
    return table.filter(pc.invert(test)), table.filter(test)


def random_part(table: pa.Table, share: float, seed: int) -> tuple[pa.Table, pa.Table]:
    """About 1 - `share` and `share` of the rows. Texts with the same words go to the same side."""
    test = pa.array(fractions(normalised(table["text"].to_pylist()), seed) < share)
    return table.filter(pc.invert(test)), table.filter(test)

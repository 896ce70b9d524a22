"""The bytes of an output depend on its rows alone; removed rows are counted, and kept as the options say."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinedweb.ledger.manifest import Output
from refinedweb.recipe.recipe import RunOptions
from refinedweb.shard import outputs
from refinedweb.shard.outputs import RemovedWriter, RowsWriter
from refinedweb.storage import open_store
from stages.schema import documents
from tests.examples import examples


def some_documents(rows: int) -> pa.Table:
    lengths = np.random.default_rng(0).integers(0, 3000, rows)
    return documents(id=[f"id-{n}" for n in range(rows)], text=["x" * n for n in lengths.tolist()])


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 300), max_size=6))
def test_bytes_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: list[int]) -> None:
    monkeypatch.setattr(outputs, "GROUP_ROWS", 64)
    monkeypatch.setattr(outputs, "GROUP_BYTES", 50_000)
    docs, store = some_documents(300), open_store(str(tmp_path))
    edges = [0, *sorted(cuts), docs.num_rows]

    def write(key: str, parts: list[pa.Table]) -> Output:
        writer = RowsWriter(store, key, docs.schema)
        for part in parts:
            writer.write(part)
        return writer.finish()

    whole = write("whole", [docs])
    parts = write("parts", [docs.slice(a, b - a) for a, b in pairwise(edges)])
    assert (parts.rows, parts.size, parts.checksum) == (whole.rows, whole.size, whole.checksum)
    read = pq.read_table(tmp_path / "parts")
    assert read == docs
    groups = pq.read_metadata(tmp_path / "parts")
    assert all(groups.row_group(n).num_rows <= 64 for n in range(groups.num_row_groups))
    assert groups.num_row_groups > 5


def test_an_output_without_rows_has_its_columns(tmp_path: Path) -> None:
    writer = RowsWriter(open_store(str(tmp_path)), "empty.parquet", documents().schema)
    assert writer.finish().rows == 0
    assert pq.read_table(tmp_path / "empty.parquet").schema == documents().schema


@pytest.mark.parametrize(("keep", "texts"), [("ids", 0), ("sample", 2 + 1), ("full", 6)])
def test_removed_rows_are_counted_and_kept_as_asked(
    tmp_path: Path, keep: Literal["ids", "sample", "full"], texts: int
) -> None:
    docs = documents(
        id=list("abcdef"), text=["t"] * 6, url=["u"] * 6, drop=["x", "x", "y", "x", "x", "x"], language_score=[0.5] * 6
    )
    writer = RemovedWriter(open_store(str(tmp_path)), "00-x", 0, RunOptions(keep, sample_rows=2))
    writer.write("some_v1", docs.slice(0, 3))
    writer.write("some_v1", docs.slice(3))
    writer.write("none_v1", docs.slice(0, 0))
    (output,) = writer.finish()
    assert writer.counts == {"some_v1": {"x": 5, "y": 1}}
    read = pq.read_table(tmp_path / output.key)
    assert read.select(["id", "url", "drop", "language_score"]) == docs.select(["id", "url", "drop", "language_score"])
    assert len(read.column("text").drop_null()) == texts

"""A bad byte in a Parquet text costs itself: no row group, and no corpus that other programs refuse."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.sources import open_reader

BYTES = pa.array([b"good", b"\xff bad", None, b"fine"], pa.binary())
BAD: Any = pa.StringArray.from_buffers(4, *BYTES.buffers()[1:], BYTES.buffers()[0])
WORDS = ["good", "\ufffd bad", None, "fine"]
LARGE: Any = pa.LargeStringArray.from_buffers(4, *BYTES.cast(pa.large_binary()).buffers()[1:], BYTES.buffers()[0])
OFFSETS = pa.array([0, 1, 2, 3, 4], pa.int32())
KEYS = list("abcd")
NUMBERS = pa.array([0, 1, None, 2], pa.int32())
NESTED = {
    "struct": (pa.StructArray.from_arrays([BAD], ["a"]), [{"a": word} for word in WORDS]),
    "list": (pa.ListArray.from_arrays(OFFSETS, BAD), [[word] for word in WORDS]),
    "map": (pa.MapArray.from_arrays(OFFSETS, pa.array(KEYS), BAD), [[pair] for pair in zip(KEYS, WORDS, strict=True)]),
    "dictionary": (pa.DictionaryArray.from_arrays(NUMBERS, BAD.drop_null()), WORDS),
    "large": (LARGE, WORDS),
}  # fmt: skip


def read(columns: dict[str, Any]) -> pa.Table:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    reader = open_reader(io.BytesIO(sink.getvalue()), "x.parquet")
    found = pa.concat_tables(reader.batches())
    assert reader.report.damage == []
    found.validate(full=True)
    return found


@pytest.mark.parametrize("name", ["text", "url", "language", "segment"])
def test_texts_of_documents_are_repaired(name: str) -> None:
    assert read({"text": ["a"] * 4, name: BAD}).column(name).to_pylist() == WORDS


@pytest.mark.parametrize("name", ["id", "timestamp", "drop", "metadata", "note"])
def test_no_column_loses_rows(name: str) -> None:
    assert read({"text": ["a"] * 4, name: BAD}).num_rows == 4


@pytest.mark.parametrize("name", NESTED)
def test_texts_within_others_are_repaired(name: str) -> None:
    column, wanted = NESTED[name]
    assert read({"text": ["a"] * 4, "x": column}).column("x").to_pylist() == wanted

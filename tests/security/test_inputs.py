"""No input takes memory or time out of proportion to its bytes, and none ends a shard by how it is written."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tracemalloc
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import zstandard

from refinedweb.sources import SourceOptions, open_reader, places
from refinedweb.sources.base import NoDocuments
from refinedweb.sources.columns import MOST_COLUMNS
from refinedweb.sources.compression import codec_of, expand
from refinedweb.sources.json_text import MOST_DEPTH
from refinedweb.sources.stream import ByteStream
from refinedweb.sources.unify import conform
from stages.schema import documents
from stages.where.stage import Where


def read(data: bytes, name: str, **options: Any) -> list[pa.Table]:
    return list(open_reader(io.BytesIO(data), name, SourceOptions(**options)).batches())


def rows(data: bytes, name: str, **options: Any) -> list[dict[str, Any]]:
    return [row for table in read(data, name, **options) for row in table.to_pylist()]


# Compression ----------------------------------------------------------------------------------------------------

BOMB = 44 << 20  # bytes
AT_ONCE = 24 << 20
BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 6, mtime=0),
    "zstd": lambda data: zstandard.compress(data),
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=1),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_no_member_is_decoded_in_one_piece(kind: str) -> None:
    """A few hundred bytes of bzip2 are a gigabyte."""
    data = BOMBS[kind](b"\0" * BOMB) + BOMBS[kind](b"the end")
    stream = ByteStream(io.BytesIO(data), codec_of(data[:16], io.BytesIO(data), "file"))
    found, largest = 0, 0
    while stream.need(1):
        largest = max(largest, len(stream.buffer))
        found += len(stream.buffer)
        last = bytes(stream.buffer[-7:])
        stream.drop(len(stream.buffer))
    assert (stream.fault, found, last) == (None, BOMB + 7, b"the end")
    assert largest <= AT_ONCE


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("size", [0, 70_000, 20 << 20])
def test_what_is_held_back_arrives(kind: str, size: int) -> None:
    content = bytes(size)
    data = BOMBS[kind](content) + BOMBS[kind](b"more")
    codec = codec_of(data[:16], io.BytesIO(data), "file")
    assert codec is not None
    assert expand(codec, data, size + 10) == (content + b"more", "whole")
    assert expand(codec, data[:-3], size + 10)[1] == "cut"


def test_empty_members_are_not_remembered_one_by_one() -> None:
    data = gzip.compress(b"a\n") + gzip.compress(b"") * 3000 + gzip.compress(b"b\n")
    stream = ByteStream(io.BytesIO(data), codec_of(data[:16], io.BytesIO(data), "file"))
    assert stream.need(4) == 4
    assert len(stream._marks) < 10
    assert stream.offset_of(2) == len(data) - len(gzip.compress(b"b\n"))


# JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("begin", "inner", "end"), [("[", "1", "]"), ('{"a":', "NaN", "}"), ('[{"a":', "NaN", "}]")])
def test_values_in_values_never_end_a_shard(begin: str, inner: str, end: str) -> None:
    """Up to a depth that does not depend on who reads; Python's own limit does."""
    depths = [*range(1, 1100, 9), *range(MOST_DEPTH // 2 - 2, MOST_DEPTH // 2 + 2), *range(960, 1000)]
    lines = [f'{{"text":"hello","a":{begin * depth}{inner}{end * depth}}}' for depth in depths]
    found = [row["drop"] for row in rows("\n".join([*lines, ""]).encode(), "a.jsonl")]
    each = len(begin.replace('"a":', ""))
    assert found == [None if each * depth < MOST_DEPTH else "invalid_json" for depth in depths]


def test_a_text_of_brackets_is_a_text() -> None:
    (row,) = rows(json.dumps({"text": "[{" * 5000}).encode(), "a.jsonl")
    assert (row["drop"], row["text"]) == (None, "[{" * 5000)


def test_json_within_a_column_is_opened_only_so_far() -> None:
    deep = "[" * 900 + "]" * 900
    table = pa.table({"id": ["a"], "text": ["b"], "metadata": [f'{{"a":{deep}}}'], "more": [1]})
    found = conform(table, pa.schema([("metadata", pa.string())]), "file")
    assert json.loads(found.column("metadata")[0].as_py())["more"] == 1


@pytest.mark.parametrize("name", ["language_score", "offset", "timestamp", "id", "drop"])
def test_numbers_of_any_size_are_values_or_none(name: str) -> None:
    numbers = ["1" + "0" * 400, "-1" + "0" * 4000, "1e999", "-1e999", "0." + "1" * 5000]
    lines = [f'{{"text":"hello","source":"x","{name}":{number}}}' for number in numbers]
    assert len(rows("\n".join(lines).encode(), "a.jsonl")) == len(numbers)


def test_a_condition_on_a_number_of_any_size_does_not_hold() -> None:
    docs = documents(id=["a", "b"], text=["", ""])
    docs = docs.append_column("metadata", pa.array(['{"n":1%s}' % ("0" * 400), '{"n":2}']))
    assert Where(keep="metadata.n > 1")(docs).column("drop").to_pylist() == ["where_1", None]


def test_each_key_of_an_object_is_looked_at_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, plain = [0], places.plain

    def counted(name: str) -> str:
        looked_at[0] += 1
        return plain(name)

    monkeypatch.setattr(places, "plain", counted)
    known = places._known_places.cache_info().currsize
    keys = 5000
    wide = {f"key-{n}": n for n in range(keys)}
    lines = [json.dumps({"TEXT": "hello", "x": n, "metadata": {**wide, "URL": "u"}, **wide}) for n in range(2)]
    found = rows("\n".join(lines).encode(), "a.jsonl")
    assert [(row["text"], row["url"]) for row in found] == [("hello", "u")] * 2
    assert looked_at[0] < 20 * keys
    assert places._known_places.cache_info().currsize == known, "not remembered"


def test_a_batch_ends_by_all_of_its_values() -> None:
    lines = [json.dumps({"text": "hello", "more": "x" * 5000}) for _ in range(40)]
    tables = read("\n".join(lines).encode(), "a.jsonl", batch_bytes=12_000)
    assert sum(table.num_rows for table in tables) == 40
    assert max(table.num_rows for table in tables) == 3


# CSV ------------------------------------------------------------------------------------------------------------


def test_a_table_of_too_many_columns_is_refused() -> None:
    most = b"text" + b",a" * (MOST_COLUMNS - 1) + b"\n"
    assert read(most, "a.csv")[0].num_rows == 0
    for more in (most.replace(b"\n", b",b\n"), b"text" + b"," * 10**6 + b"\n"):
        with pytest.raises(NoDocuments, match="columns"):
            read(more, "a.csv")


def test_columns_of_one_name_get_short_names() -> None:
    table = read(b"text" + b",x" * 3000 + b",input_7_x\n", "a.csv")[0]
    assert len(set(table.column_names)) == table.num_columns
    assert max(map(len, table.column_names)) < 40
    assert {"x", "input_x", "input_input_x"} < set(table.column_names)


def test_rows_that_do_not_fit_the_header_take_no_memory() -> None:
    data = b"text,b\n" + (b"," * 100_000 + b"\n") * 40 + b"hello,1\n"
    tracemalloc.start()
    try:
        found = rows(data, "a.csv")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [row["drop"] for row in found] == ["invalid_csv"] * 40 + [None]
    assert peak < 3 * len(data)


def test_empty_values_count() -> None:
    tables = read(b"text" + b",a" * 999 + b"\n" + (b"x" + b"," * 999 + b"\n") * 50, "a.csv", batch_bytes=500_000)
    assert [table.num_rows for table in tables] == [10] * 5

"""Parquet whose few bytes are to become many: what is decoded at a time stays below the limit, or is refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.sources import SourceOptions, open_reader, served
from refinedweb.sources.bounded import BoundedRows, TooLarge
from refinedweb.sources.parquet_pages import find_pages, longest_shared, read_footer
from refinedweb.sources.thrift import Malformed

LIMIT, BATCH = 2 << 20, 1 << 18
MOST = 4 * LIMIT  # a page as it is decompressed, decoded and copied
LONG, ROWS = "x" * (1 << 14), 2048


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"compression": "zstd", "dictionary_pagesize_limit": 1 << 30, **options})
    return sink.getvalue()


def items() -> bytes:
    return written(pa.table({"text": ["a"], "more": pa.array([[7] * (6 << 20)], pa.list_(pa.int64()))}))


def nulls() -> bytes:
    return written(pa.table({"text": ["a"], "more": pa.array([[None] * (2 << 20)], pa.list_(pa.int32()))}))


def page() -> bytes:
    return written(pa.table({"text": ["x" * (10 << 20)]}), use_dictionary=False)


def fixed() -> bytes:
    return written(pa.table({"text": ["a"] * ROWS, "more": pa.array([LONG.encode()] * ROWS, pa.binary(len(LONG)))}))


def prefixes() -> bytes:
    return written(
        pa.table({"text": [LONG] * ROWS}), use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}
    )


def listed() -> bytes:
    return written(pa.table({"text": ["a"] * ROWS, "more": [[LONG]] * ROWS}))


def inside() -> bytes:
    return written(pa.table({"text": ["a"] * ROWS, "more": [{"a": LONG, "b": [{"c": LONG}]}] * ROWS}))


def mapped() -> bytes:
    pairs = pa.array([[("k", LONG)]] * ROWS, pa.map_(pa.string(), pa.string()))
    return written(pa.table({"text": ["a"] * ROWS, "more": pairs}))


def skewed() -> bytes:
    """Short rows, and in the end long ones, each in a page of its own."""
    texts = ["a"] * 2_000 + ["x" * (1 << 18)] * 64
    return written(pa.table({"text": texts}), use_dictionary=False, data_page_size=1, write_batch_size=1)


def wide() -> bytes:
    """Many columns, each of which fits by itself."""
    return written(pa.table({"text": ["a"] * ROWS, **{f"more{n}": [LONG[:1024]] * ROWS for n in range(24)}}))


READ = {"wide": wide, "prefixes": prefixes, "listed": listed, "inside": inside, "mapped": mapped, "skewed": skewed}
REFUSED = {"items": items, "nulls": nulls, "fixed": fixed, "page": page}


POOLS: list[pa.MemoryPool] = []  # what was allocated in one may live longer than the test


@contextmanager
def pool() -> Iterator[pa.MemoryPool]:
    """A pool that knows how much of it was in use."""
    before = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(before)
    POOLS.append(counting)
    pa.set_memory_pool(counting)
    try:
        yield counting
    finally:
        pa.set_memory_pool(before)


def plainly(data: bytes) -> int:
    """The memory that Arrow takes for the same file by itself."""
    with pool() as used:
        for _ in pq.ParquetFile(io.BytesIO(data)).iter_batches(512, use_threads=False):
            pass
        return int(used.max_memory())


@pytest.mark.parametrize("kind", READ)
def test_what_grows_is_read_a_few_rows_at_a_time(kind: str) -> None:
    make: Callable[[], bytes] = READ[kind]
    data = make()
    rows = 0
    assert len(data) < 500_000 or kind == "skewed"
    assert kind == "prefixes" or plainly(data) > MOST
    with pool() as used:
        for part in BoundedRows(io.BytesIO(data), BATCH, LIMIT).tables(0, 512):
            rows += part.num_rows
            assert part.num_rows == 1 or part.nbytes <= LIMIT
        assert used.max_memory() < MOST
    assert rows == pq.ParquetFile(io.BytesIO(data)).metadata.num_rows


@pytest.mark.parametrize("kind", REFUSED)
def test_a_row_that_grows_beyond_the_limit_is_refused(kind: str) -> None:
    data = REFUSED[kind]()
    assert len(data) < 50_000
    assert plainly(data) > MOST
    with pool() as used:
        with pytest.raises((TooLarge, Malformed), match=r"column (text|more).*2,097,152.*write s"):
            list(BoundedRows(io.BytesIO(data), BATCH, LIMIT).tables(0, 512))
        assert used.max_memory() < MOST


def test_a_group_that_is_refused_is_named_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinedweb.sources.bounded.MOST", LIMIT)
    monkeypatch.setattr(BoundedRows.__init__, "__defaults__", (LIMIT,))
    table = pa.table({"text": ["a", "b", "c"], "more": pa.array([[1], [7] * (3 << 19), [1]], pa.list_(pa.int64()))})
    reader = open_reader(io.BytesIO(written(table, row_group_size=1)), "x.parquet", SourceOptions())
    assert [row for part in reader.batches() for row in part.column("text").to_pylist()] == ["a", "c"]
    (damage,) = reader.report.damage
    assert "rows 1 to 1 of row group 1 are lost: row 0 (column more" in damage.error


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
@pytest.mark.parametrize("enough", [0, 100, 5000, 1 << 20])
def test_a_dictionary_is_read_as_far_as_it_must_be(codec: str, enough: int) -> None:
    texts = ["x" * (n * 37 % 90) for n in range(90)] + ["y" * 3000, "z"]
    data = written(pa.table({"text": texts * 3}), compression=codec)
    (chunk,) = read_footer(io.BytesIO(data))[1][0].chunks
    stored = memoryview(data)[chunk.start : chunk.start + chunk.size]
    find_pages(chunk, stored)
    assert 3000 <= longest_shared(chunk, stored, enough) <= max(3000, enough)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", None])
@pytest.mark.parametrize("codec", ["none", "snappy", "zstd"])
def test_honest_files_are_read_whole(
    version: str, encoding: str | None, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"text {n % 40} " * (n % 90) for n in range(900)]
    table = pa.table(
        {
            "text": texts,
            "lists": [[text[:9]] * (n % 4) for n, text in enumerate(texts)],
            "deep": [{"a": text, "b": [{"c": n}]} for n, text in enumerate(texts)],
            "map": pa.array([[("k", text)] for text in texts], pa.map_(pa.string(), pa.string())),
            "null": pa.nulls(900),
            "number": range(900),
        }
    )
    how: dict[str, Any] = {"use_dictionary": encoding is None, "data_page_version": version, "compression": codec}
    if encoding:
        how["column_encoding"] = {"text": encoding, "deep.a": encoding}
    data = written(table, row_group_size=400, data_page_size=2000, write_batch_size=32, **how)
    for in_memory, *limits in ((1 << 30, 1 << 30, 1 << 30), (0, 3000, 600_000)):
        monkeypatch.setattr(served, "IN_MEMORY", in_memory)
        rows = BoundedRows(io.BytesIO(data), *limits)
        found = pa.concat_tables([part for group in range(3) for part in rows.tables(group, 100)])
        assert found.equals(table.cast(rows.schema))

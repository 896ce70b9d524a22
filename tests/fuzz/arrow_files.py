"""Sound Parquet files with columns of any type under the names that readers look for, and the laws of reading them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from refinedweb.sources import SourceOptions, SourceReport, open_reader
from refinedweb.sources.base import NoDocuments
from refinedweb.sources.tabular import ParquetRows
from refinedweb.sources.unify import conform, unify

SMALL = SourceOptions(max_bytes=5_000, batch_rows=3, batch_bytes=9_000)
NAMES = (
    "text", "content", "html", "id", "url", "source_url", "WARC-Target-URI", "timestamp", "date", "language", "lang",
    "language_score", "image_urls", "drop", "source", "offset", "length", "dump", "segment", "metadata", "meta",
    "meta.url", "warc_headers", "x", "a.b",
)  # fmt: skip
FIELDS = ("url", "date", "language", "identification", "label", "warc-target-uri", "warc_headers", "segment", "x")
INTEGERS = [pa.int8(), pa.uint8(), pa.int16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]
WORDS = st.sampled_from(["", "no", "1", "2024-12-01", "http://e.org/", '{"url": "u", "date": 1}', "{", "[1]"])
TEXT = WORDS | st.text(st.characters(codec="utf-8"), max_size=5)
MOMENT = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**31)
Typed = tuple[Any, st.SearchStrategy[Any]]


def _range(kind: Any) -> st.SearchStrategy[int]:
    signed = pa.types.is_signed_integer(kind)
    bits = kind.bit_width - signed
    return st.integers(-(2**bits) if signed else 0, 2**bits - 1)


LEAVES: list[Typed] = [
    (pa.null(), st.none()),
    (pa.bool_(), st.booleans()),
    *((kind, _range(kind)) for kind in INTEGERS),
    (pa.float16(), st.floats(width=16)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    *((kind, TEXT) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    (pa.dictionary(pa.int8(), pa.string()), TEXT),
    *((kind, TEXT.map(str.encode) | st.binary(max_size=3)) for kind in (pa.binary(), pa.large_binary())),
    (pa.binary(2), st.binary(min_size=2, max_size=2)),
    (pa.decimal128(9, 2), st.integers(-(10**8), 10**8).map(lambda n: Decimal(n) / 100)),
    *((pa.timestamp(unit, zone), MOMENT) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Asia/Tokyo")),
    (pa.date32(), st.integers(-(2**31), 2**31 - 1) | st.integers(0, 20_000)),
    (pa.time32("s"), st.integers(0, 86_399)),
    (pa.time64("ns"), st.integers(0, 86_399 * 10**9)),
    (pa.duration("s"), st.timedeltas(timedelta(-9), timedelta(9))),
]  # fmt: skip


@st.composite
def columns(draw: st.DrawFn, depth: int = 2) -> Typed:
    """A type, and what its values are."""
    kind = draw(st.sampled_from(["leaf", "leaf", "list", "struct", "map"] if depth else ["leaf"]))
    if kind == "leaf":
        return draw(st.sampled_from(LEAVES))
    if kind == "struct":
        inner = {name: draw(columns(depth - 1)) for name in draw(st.sets(st.sampled_from(FIELDS), min_size=1))}
        fields = [(name, given) for name, (given, _) in inner.items()]
        return pa.struct(fields), st.fixed_dictionaries({name: some | st.none() for name, (_, some) in inner.items()})
    inner_type, values = draw(columns(depth - 1))
    if kind == "map":
        pairs = st.lists(st.tuples(st.sampled_from(FIELDS), values | st.none()), max_size=2)
        return pa.map_(pa.string(), inner_type), pairs
    return draw(st.sampled_from([pa.list_, pa.large_list]))(inner_type), st.lists(values | st.none(), max_size=2)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table with a text and other columns."""
    rows = draw(st.integers(0, 5))
    found: dict[str, pa.Array] = {}
    for name in ("text", *draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True))):
        kind, values = draw(columns()) if name in found or name != "text" else (pa.string(), TEXT)
        found[name] = pa.array(draw(st.lists(values | st.none(), min_size=rows, max_size=rows)), kind)
    return pa.table(found)


def written(table: pa.Table) -> bytes | None:
    """The table as a Parquet file; None if there is none with such columns."""
    sink = io.BytesIO()
    try:
        pq.write_table(table, sink, row_group_size=4)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None
    return sink.getvalue()


def check(given: Sequence[pa.Table]) -> None:
    """Every row comes back, with the columns that the footer promised, and all files go into one schema."""
    read: list[pa.Table] = []
    for table in given:
        data = written(table)
        if data is None:
            continue
        try:
            promised = ParquetRows(io.BytesIO(data), "x.parquet", SMALL, SourceReport()).documents_schema()
        except NoDocuments:
            continue
        reader = open_reader(io.BytesIO(data), "x.parquet", SMALL)
        found = pa.concat_tables(reader.batches())
        assert reader.report.damage == []
        assert (found.num_rows, reader.report.rows, reader.report.records) == (table.num_rows,) * 3
        assert found.schema == promised
        found.validate(full=True)
        read.append(found)
    schema = unify([table.schema for table in read], whole=False).schema
    for table in read:
        brought = conform(table, schema, "x.parquet")
        assert brought.num_rows == table.num_rows
        assert brought.select(schema.names).schema == schema
        pq.write_table(brought, pa.BufferOutputStream())

"""Properties of the one schema: any tables go into it, no value is lost, and batches do not matter."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.sources.unify import METADATA, as_json, conform, merged, settled, unify
from stages.schema import documents

INTEGERS = [pa.int8(), pa.uint8(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.null(), st.none()),
    (pa.bool_(), st.booleans()),
    *((kind, st.integers(0, 2 ** (kind.bit_width - 1) - 1)) for kind in INTEGERS),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    *((kind, st.text(st.characters(codec="utf-8"), max_size=5)) for kind in TEXTS),
    (pa.binary(), st.binary(max_size=3)),
    *((pa.timestamp(unit, "UTC"), st.integers(0, 10**9)) for unit in ("s", "us", "ns")),
    (pa.date32(), st.dates()),
]
Column = tuple[pa.DataType, list[Any]]


@st.composite
def columns(draw: st.DrawFn, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type, and what its values are."""
    kind = draw(st.sampled_from(["leaf", "leaf", "list", "struct", "map"] if depth else ["leaf"]))
    if kind == "leaf":
        return draw(st.sampled_from(LEAVES))
    inner, values = draw(columns(depth - 1))
    if kind == "list":
        return draw(st.sampled_from([pa.list_, pa.large_list]))(inner), st.lists(values | st.none(), max_size=2)
    if kind == "map":
        return pa.map_(pa.string(), inner), st.lists(st.tuples(st.sampled_from("ab"), values | st.none()), max_size=1)
    name = draw(st.sampled_from("ab"))
    return pa.struct([(name, inner)]), st.fixed_dictionaries({name: values | st.none()})


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 4))
    docs = documents(id=[str(n) for n in range(rows)], text=["t"] * rows)
    for name in draw(st.sets(st.sampled_from(["x", "y", METADATA]), max_size=3)):
        kind, values = draw(columns())
        given_values = draw(st.lists(values | st.none(), min_size=rows, max_size=rows))
        docs = docs.append_column(name, pa.array(given_values, kind))
    return docs


@settings(max_examples=25, deadline=None)
@given(st.lists(tables(), min_size=1, max_size=3), st.booleans())
def test_any_tables_go_into_one_schema_and_no_value_is_lost(given_tables: list[pa.Table], whole: bool) -> None:
    schema = unify([table.schema for table in given_tables], whole=whole).schema
    for table in given_tables:
        found = conform(table, schema, "key")
        assert found.schema.names[-len(schema) :] == schema.names if len(schema) else True
        assert found.select(schema.names).schema == schema
        pq.write_table(found, pa.BufferOutputStream())
        rows = found.to_pylist()
        for name in {*table.column_names} - {*documents().column_names}:
            for before, row in zip(table.column(name).to_pylist(), rows, strict=True):
                assert before is None or is_kept(name, before, row), (name, before, row)


def is_kept(name: str, value: Any, row: dict[str, Any]) -> bool:
    kept = row.get(name)
    if kept is not None and name != METADATA:
        return True
    if row.get(METADATA) is None:
        return False
    if not isinstance(row[METADATA], str):
        return name == METADATA
    as_text = isinstance(value, str) and row[METADATA] == value
    return as_text or name == METADATA or name in json.loads(row[METADATA])


@settings(max_examples=30, deadline=None)
@given(tables(), tables(), st.integers(0, 4))
def test_batches_do_not_matter(table: pa.Table, other: pa.Table, cut: int) -> None:
    schema = unify([table.schema, other.schema], whole=False).schema
    parts = [conform(part, schema, "key") for part in (table.slice(0, cut), table.slice(cut))]
    assert pa.concat_tables(parts).to_pylist().__repr__() == conform(table, schema, "key").to_pylist().__repr__()


@settings(max_examples=30, deadline=None)
@given(st.lists(columns().map(lambda found: settled(found[0])), min_size=2, max_size=3))
def test_a_common_type_takes_each_of_its_types_and_is_stable(kinds: list[pa.DataType]) -> None:
    common = merged(kinds)
    assert common is None or all(merged([common, kind]) == common for kind in kinds)


@settings(max_examples=50, deadline=None)
@given(st.floats() | st.binary() | st.lists(st.floats()) | st.dictionaries(st.text(), st.floats()) | st.dates())
def test_metadata_is_valid_json(value: Any) -> None:
    json.loads(as_json({"x": value}), parse_constant=lambda name: 1 / 0)


def test_maps_of_values_without_a_type_can_be_written() -> None:
    """Found by the readers' fuzzing: Arrow casts them to maps that it cannot write. No table has such a type."""
    maps = pa.array([[("a", None), ("b", None)]], pa.map_(pa.string(), pa.null()))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": maps}), sink)
    docs = documents(text=["t"]).append_column("x", pq.read_table(pa.BufferReader(sink.getvalue())).column("x"))
    as_written = pa.schema([("x", maps.type)])
    for schema in (unify([docs.schema], whole=True).schema, as_written):
        found = conform(docs, schema, "key")
        found.validate(full=True)
        assert found.column("x").to_pylist() == [[("a", None), ("b", None)]]
    assert unify([docs.schema], whole=True).schema.field("x").type.item_type == pa.string()

"""Find and convert the values of a document column within the columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.sources.base import SourceReport
from refinedweb.sources.headers import parse_date
from refinedweb.sources.places import FieldNames, look_up, opened, steps
from refinedweb.sources.values import as_column, unix_millis
from stages.schema import DOCUMENT


class ColumnPlace(NamedTuple):
    """Where values lie: in the input column `at`, and in it at the rest of the path. `type`: None if only rows say."""

    at: int
    rest: FieldNames
    type: pa.DataType | None


def located(schema: pa.Schema, path: FieldNames) -> Iterator[ColumnPlace]:
    """The places that a path may mean."""
    for at, rest in steps(path, tuple(schema.names)):
        for given in within(schema.field(at).type, rest):
            yield ColumnPlace(at, rest, given)


def within(given: pa.DataType, path: FieldNames) -> Iterator[pa.DataType | None]:
    """The type of what lies at a path within a column; None where any row may have any."""
    if pa.types.is_dictionary(given):
        given = given.value_type
    if not path:
        yield given
    elif pa.types.is_struct(given):
        for at, rest in steps(path, _fields(given)):
            yield from within(given.field(at).type, rest)
    elif pa.types.is_map(given) or is_string(given):
        yield None


def _fields(given: pa.DataType) -> tuple[str, ...]:
    return tuple(given.field(number).name for number in range(given.num_fields))


def usable(column: str, given: pa.DataType) -> bool:
    """Whether values of this type can be read as the document column."""
    if pa.types.is_dictionary(given):
        given = given.value_type
    wanted = DOCUMENT.field(column).type
    text = is_string(given)
    binary = is_bytes(given)
    number = _is_number(given)
    if pa.types.is_null(given):
        return True
    if pa.types.is_timestamp(wanted):
        return text or number or pa.types.is_timestamp(given) or pa.types.is_date(given)
    if pa.types.is_integer(wanted) or pa.types.is_floating(wanted):
        return number
    if pa.types.is_list(wanted):
        return _is_pairs(given)
    if column == "drop" and (number or pa.types.is_boolean(given)):
        return True
    return text or binary or (column == "id" and pa.types.is_integer(given))


def is_string(given: pa.DataType) -> bool:
    """Whether the values are texts, however Arrow lays them out."""
    return bool(pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_string_view(given))


def _is_pairs(given: pa.DataType) -> bool:
    nested = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(test(given) for test in nested) or not any(test(given.value_type) for test in nested):
        return False
    leaf = given.value_type.value_type
    return bool(pa.types.is_string(leaf) or pa.types.is_large_string(leaf) or pa.types.is_null(leaf))


def taken(column: str, places: Sequence[ColumnPlace], given: Containers, report: SourceReport) -> pa.ChunkedArray:
    """The values of a document column: those of the first place, and where they are null, those of the next."""
    table = given.table
    found = pa.chunked_array([pa.nulls(table.num_rows, DOCUMENT.field(column).type)])
    for place in places:
        missing = found.null_count
        if missing == 0:
            break
        values = _cast(column, table.column(place.at)) if not place.rest else _within_column(column, place, given)
        found = values if missing == len(found) else pc.coalesce(found, values)
        if found.null_count < missing:
            report.take(column, (table.column_names[place.at], *place.rest))
    return found


def _within_column(column: str, place: ColumnPlace, given: Containers) -> pa.ChunkedArray:
    """What lies at the place, which is within a column, as values of the document column."""
    values, path = given.table.column(place.at), place.rest
    while path and pa.types.is_struct(values.type):
        at, path = next(
            (at, rest)
            for at, rest in steps(path, _fields(values.type))
            if place.type in list(within(values.type.field(at).type, rest))
        )
        values = pc.struct_field(values, [at])
    if not path:
        return _cast(column, values)
    rows = given.opened(place.at) if path == place.rest else map(_mapping, values.to_pylist())
    found = [as_column(column, look_up(row, path)) for row in rows]
    return pa.chunked_array([pa.array(found, DOCUMENT.field(column).type)])


class Containers:
    """A batch of the input. Its maps and texts of JSON are opened once."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._opened: dict[int, list[Any]] = {}

    def opened(self, at: int) -> list[Any]:
        """The values of the column at this position, as Python objects where they are JSON or maps."""
        if at not in self._opened:
            values = self.table.column(at).to_pylist()
            self._opened[at] = [opened(_mapping(value)) for value in values]
        return self._opened[at]


def _mapping(value: Any) -> Any:
    """A map, which Arrow gives as pairs, as a dict."""
    return dict(value) if isinstance(value, list) else value


def is_bytes(given: pa.DataType | None) -> bool:
    if given is None:
        return False
    return bool(pa.types.is_binary(given) or pa.types.is_large_binary(given) or pa.types.is_binary_view(given))


def _cast(column: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert input values to the document column's type."""
    wanted = DOCUMENT.field(column).type
    if pa.types.is_dictionary(values.type):
        values = pc.cast(values, values.type.value_type)
    if pa.types.is_timestamp(wanted):
        return _timestamps(values)
    if wanted == pa.string() and is_bytes(values.type):
        texts = [None if value is None else value.decode("utf-8", "replace") for value in values.to_pylist()]
        return pa.chunked_array([pa.array(texts, wanted)])
    if column == "drop":
        values = pc.cast(values, pa.string())
    return pc.cast(values, wanted, safe=False)


def _timestamps(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert timestamps (UTC if they have no zone), dates, strings of any precision or Unix times to ms in UTC."""
    wanted = DOCUMENT.field("timestamp").type
    if pa.types.is_timestamp(values.type) and values.type.tz is None:
        return pc.cast(pc.assume_timezone(values, "UTC"), wanted, safe=False)
    if pa.types.is_timestamp(values.type) or pa.types.is_null(values.type):
        return pc.cast(values, wanted, safe=False)
    if pa.types.is_date(values.type):
        return pc.cast(pc.assume_timezone(pc.cast(values, pa.timestamp("ms")), "UTC"), wanted)
    parse: Callable[[object], int | None] = unix_millis if _is_number(values.type) else lambda v: parse_date(str(v))
    parsed = [None if value is None else parse(value) for value in values.to_pylist()]
    return pa.chunked_array([pa.array(parsed, pa.int64()).cast(wanted)])


def _is_number(given: pa.DataType) -> bool:
    return bool(pa.types.is_integer(given) or pa.types.is_floating(given))

"""One schema for all inputs of a run: how the types of a column go together, and how a table is brought into it.

The columns of a document always have the types of `stages.schema`. Of the others, a column is in the schema if any
input has it. Its type is the smallest that holds the values of all: integers of any width become one, integers and
floats become floats, structs have the fields of all, null goes with everything. Where there is no such type (a number
here, a text there), and where a value does not fit (an integer of 60 bits among floats), nothing is lost: it is in the
text column `metadata`, as JSON.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.sources.lifting import is_string
from refinedweb.sources.places import opened
from stages.errors import ShardError
from stages.schema import DOCUMENT

METADATA = "metadata"
ArrowType = Any  # a pa.DataType: what it has depends on its kind, which the type checker does not follow


class Unified(NamedTuple):
    """The columns that a run has besides those of a document, and those that are in `metadata` as JSON, with the types
    that do not go together.
    """

    schema: pa.Schema
    as_json: dict[str, list[str]]


def unify(schemas: Iterable[pa.Schema], *, whole: bool) -> Unified:
    """One schema for the tables of these. `whole`: they are those of all inputs; else there may be others, so that
    `metadata` has to be able to take any column.
    """
    types: dict[str, list[ArrowType]] = {}
    for schema in schemas:
        for field in others(schema):
            known, given = types.setdefault(field.name, []), settled(field.type)
            if given not in known:
                known.append(given)
    unified = {name: merged(given) for name, given in types.items()}
    as_json = {name: [str(given) for given in types[name]] for name, found in unified.items() if found is None}
    risky = any(
        found is not None and not _always_fits(given, found) for name, found in unified.items() for given in types[name]
    )
    if as_json or risky or not whole:
        unified[METADATA] = pa.string()
    fields = [pa.field(name, _never_null(found)) for name, found in unified.items() if found is not None]
    return Unified(pa.schema(fields), as_json)


def others(schema: pa.Schema) -> list[pa.Field]:
    """The fields besides those of a document."""
    return [field for field in schema if field.name not in DOCUMENT.names]


def settled(given: ArrowType) -> ArrowType:
    """The type that stands for all with the same values: without dictionaries, views and extensions, times in UTC."""
    kinds = pa.types
    if isinstance(given, pa.BaseExtensionType):
        return settled(given.storage_type)
    if kinds.is_dictionary(given):
        return settled(given.value_type)
    if kinds.is_struct(given):
        return pa.struct([pa.field(field.name, settled(field.type)) for field in given])
    if kinds.is_map(given):
        return pa.map_(settled(given.key_type), settled(given.item_type))
    if kinds.is_large_list(given):
        return pa.large_list(settled(given.value_type))
    if kinds.is_list(given) or kinds.is_fixed_size_list(given) or kinds.is_list_view(given):
        return pa.list_(settled(given.value_type))
    if kinds.is_timestamp(given) and given.tz is not None:
        return pa.timestamp(given.unit, "UTC")
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary(), pa.float16(): pa.float32()}
    return plain.get(given, given)


def merged(types: Sequence[ArrowType]) -> ArrowType | None:
    """The smallest type that holds the values of all these, which are settled; None if there is none."""
    texts = any(is_string(given) for given in types)
    if texts and not all(is_string(given) or pa.types.is_null(given) for given in types):
        return None  # Arrow would take texts for bytes
    try:
        schemas = [pa.schema([("", given)]) for given in types]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def _always_fits(given: ArrowType, wanted: ArrowType) -> bool:
    """Whether every value of a type is one of the type that it was merged into."""
    kinds = pa.types
    if given == wanted or kinds.is_null(given):
        return True
    if kinds.is_struct(given):
        return all(_always_fits(field.type, wanted.field(field.name).type) for field in given)
    if kinds.is_map(given):
        return _always_fits(given.key_type, wanted.key_type) and _always_fits(given.item_type, wanted.item_type)
    if kinds.is_list(given) or kinds.is_large_list(given):
        return _always_fits(given.value_type, wanted.value_type)
    if kinds.is_integer(given) and not kinds.is_decimal(wanted):
        return bool(2 * given.bit_width <= wanted.bit_width)
    return not (kinds.is_timestamp(given) or kinds.is_duration(given))


def _never_null(given: ArrowType) -> ArrowType:
    """The type, with text for what nobody knows, because some readers know no type without values."""
    kinds = pa.types
    if kinds.is_null(given):
        return pa.string()
    if kinds.is_struct(given):
        return pa.struct([pa.field(field.name, _never_null(field.type)) for field in given])
    if kinds.is_list(given):
        return pa.list_(_never_null(given.value_type))
    if kinds.is_large_list(given):
        return pa.large_list(_never_null(given.value_type))
    if kinds.is_map(given):
        return pa.map_(given.key_type, _never_null(given.item_type))
    return given


def conform(docs: pa.Table, schema: pa.Schema, key: str) -> pa.Table:
    """The documents with the columns of the run, which `schema` has. Raises ShardError if there is no place for what
    an input has beyond them.
    """
    if others(docs.schema) == list(schema):
        return docs
    rest: list[dict[str, Any]] = [{} for _ in range(docs.num_rows)]
    columns: dict[str, Any] = {}
    for field in others(docs.schema):
        column, at = _settled_column(docs.column(field.name)), schema.get_field_index(field.name)
        if at < 0:
            _set_aside(rest, field.name, column)
            continue
        columns[field.name], strays = _converted(column, schema.field(at).type)
        if strays is not None:
            _set_aside(rest, field.name, strays)
    if any(rest):
        columns[METADATA] = _with_rest(columns.get(METADATA), schema, rest, key)
    own = [name for name in docs.column_names if name in DOCUMENT.names]
    more = {field.name: columns.get(field.name, pa.nulls(docs.num_rows, field.type)) for field in schema}
    return pa.table({**{name: docs.column(name) for name in own}, **more})


def _settled_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    wanted = settled(column.type)
    try:
        return column if column.type == wanted else _cast(column, wanted)
    except pa.ArrowIndexError:  # Arrow cannot cast a null in a dictionary within a map (pyarrow 26)
        return pa.chunked_array([pa.array(column.to_pylist(), wanted)])


def _converted(column: pa.ChunkedArray, wanted: ArrowType) -> tuple[Any, Any]:
    """The column in the type, and the values that it does not hold (None: it holds all)."""
    if column.type == wanted or pa.types.is_null(column.type):
        return _cast(column, wanted), None
    if merged([wanted, column.type]) != wanted:
        return pa.chunked_array([pa.nulls(len(column), wanted)]), column
    try:
        return _cast(column, wanted), None
    except pa.ArrowInvalid:
        fits = pa.array([_fits(value, wanted) for value in column], pa.bool_())
        empty = pa.scalar(None, column.type)
        return pc.cast(pc.if_else(fits, column, empty), wanted), pc.if_else(fits, empty, column)


def _cast(column: pa.ChunkedArray, wanted: ArrowType) -> pa.ChunkedArray:
    found = pc.cast(column, wanted)
    try:
        if pa.types.is_nested(wanted):
            found.validate()
    except pa.ArrowInvalid:  # Arrow gives what has no type within maps the number of the rows (pyarrow 26)
        return pa.chunked_array([pa.array(column.to_pylist(), wanted)])
    return found


def _fits(value: Any, wanted: ArrowType) -> bool:
    try:
        value.cast(wanted)
    except pa.ArrowInvalid:
        return False
    return True


def _set_aside(rest: list[dict[str, Any]], name: str, column: pa.ChunkedArray) -> None:
    is_map = pa.types.is_map(column.type)
    for row, value in zip(rest, column.to_pylist(), strict=True):
        if value is not None:
            row[name] = dict(value) if is_map else value


def _with_rest(
    given: pa.ChunkedArray | None, schema: pa.Schema, rest: list[dict[str, Any]], key: str
) -> pa.ChunkedArray:
    """The column `metadata` with what has no column of its own."""
    if METADATA not in schema.names or not is_string(schema.field(METADATA).type):
        names = sorted({name for row in rest for name in row})
        raise ShardError(
            f"{key} has columns that the other inputs do not have, and that were not looked at when the run began: "
            f"{', '.join(names)}; give its name the ending of its format, or run it by itself"
        )
    texts = [None] * len(rest) if given is None else given.to_pylist()
    found = [_joined(own, row) for own, row in zip(texts, rest, strict=True)]
    return pa.chunked_array([pa.array(found, schema.field(METADATA).type)])


def _joined(own: str | None, rest: dict[str, Any]) -> str | None:
    if not rest:
        return own
    if own is not None:
        rest = {METADATA: opened(own), **rest}
    return as_json(rest[METADATA] if rest.keys() == {METADATA} else rest)


def as_json(value: Any) -> str:
    """The value as canonical JSON: sorted keys, no spaces; bytes in base64; numbers that JSON does not have as text."""
    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """The value as JSON can have it, whatever Arrow gave: bytes in base64, times in ISO form, no NaN."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

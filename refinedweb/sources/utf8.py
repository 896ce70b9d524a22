"""Texts that are not UTF-8 in columns that say they are: Arrow believes them, and everything after it breaks.

One bad byte must not cost a row group, nor get into a corpus that other programs then refuse. It becomes U+FFFD, as in
JSON.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from refinedweb.sources.lifting import is_string


def sound(table: pa.Table) -> pa.Table:
    """The table, in which all texts are UTF-8. Raises ArrowInvalid if something else is wrong with it."""
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        columns = [_sound(column) for column in table.columns]
        table = pa.Table.from_arrays(columns, schema=table.schema)
        table.validate(full=True)
    return table


def _sound(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        as_bytes = _bytes_of(column.type)
        if as_bytes == column.type:
            raise
        values = [_text(value, column.type) for value in column.cast(as_bytes).to_pylist()]
        return pa.chunked_array([pa.array(values, column.type)])
    return column


def _bytes_of(given: Any) -> Any:
    """The type with bytes instead of texts."""
    kinds = pa.types
    if kinds.is_large_string(given):
        return pa.large_binary()
    if is_string(given):
        return pa.binary()
    if kinds.is_dictionary(given):
        return _bytes_of(given.value_type)
    if kinds.is_struct(given):
        return pa.struct([pa.field(field.name, _bytes_of(field.type)) for field in given])
    if kinds.is_map(given):
        return pa.map_(_bytes_of(given.key_type), _bytes_of(given.item_type))
    if kinds.is_large_list(given):
        return pa.large_list(_bytes_of(given.value_type))
    return pa.list_(_bytes_of(given.value_type)) if kinds.is_list(given) else given


def _text(value: Any, given: Any) -> Any:
    """The value with texts instead of bytes, where the type says so."""
    kinds = pa.types
    if value is None:
        return None
    if kinds.is_dictionary(given):
        return _text(value, given.value_type)
    if is_string(given):
        return value.decode("utf-8", "replace")
    if kinds.is_struct(given):
        return {field.name: _text(value[field.name], field.type) for field in given}
    if kinds.is_map(given):
        return [(_text(key, given.key_type), _text(item, given.item_type)) for key, item in value]
    if kinds.is_list(given) or kinds.is_large_list(given):
        return [_text(item, given.value_type) for item in value]
    return value

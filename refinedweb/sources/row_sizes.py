"""How large rows are whose strings lie in dictionaries, and the strings from the dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Int64s


def is_text(given: pa.DataType) -> bool:
    """Strings or bytes."""
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(given) for test in tests)


def is_decodable(schema: pa.Schema, path: str) -> bool:
    """Whether the column of this path may be read as a dictionary, from which `undone` gets it back."""
    fields = [field for field in schema if path == field.name or path.startswith(f"{field.name}.")]
    return bool(fields) and all(_only_text(field.type) for field in fields)


def _only_text(given: pa.DataType) -> bool:
    if isinstance(given, pa.BaseExtensionType) or pa.types.is_decimal(given):
        return False
    if inner := _inner(given):
        return all(map(_only_text, inner))
    views = pa.types.is_string_view(given) or pa.types.is_binary_view(given)
    return not views


def _inner(given: pa.DataType) -> list[pa.DataType]:
    return [given.field(at).type for at in range(given.num_fields)] if pa.types.is_nested(given) else []


def has_dictionary(given: pa.DataType) -> bool:
    """Whether it is, or has in it, a dictionary."""
    return pa.types.is_dictionary(given) or any(map(has_dictionary, _inner(given)))


def ends(batch: pa.RecordBatch, most: int) -> Iterator[int]:
    """Where each part of the batch ends whose strings have at most `most` bytes, or that is a single row."""
    total = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        total += _sizes(column)
    sums, start = np.cumsum(total), 0
    while start < len(sums):
        before = sums[start - 1] if start else 0
        start = max(start + 1, int(np.searchsorted(sums, before + most, "right")))
        yield start


def _sizes(column: Any) -> Int64s:
    """The bytes of the strings of each row (int64[n])."""
    given = column.type
    if is_text(given):
        return _numbers(pc.binary_length(column))
    if pa.types.is_dictionary(given) and is_text(given.value_type):
        lengths = pc.fill_null(pc.binary_length(column.dictionary), 0)
        return _numbers(lengths.take(column.indices))
    if pa.types.is_struct(given):
        return sum((_sizes(inner) for inner in column.flatten()), np.zeros(len(column), np.int64))
    if pa.types.is_fixed_size_list(given):
        first, size = column.offset * given.list_size, len(column) * given.list_size
        each = _sizes(column.values.slice(first, size)).reshape(len(column), given.list_size)
        return np.asarray(each.sum(axis=1), np.int64)
    if pa.types.is_map(given):
        return _by_row(column, _sizes(column.keys) + _sizes(column.items))
    if pa.types.is_list(given) or pa.types.is_large_list(given):
        return _by_row(column, _sizes(column.values))
    return np.zeros(len(column), np.int64)


def _by_row(column: Any, sizes: Int64s) -> Int64s:
    offsets = column.offsets.to_numpy()
    sums = np.concatenate(([0], np.cumsum(sizes)))
    rows: Int64s = np.where(column.is_valid().to_numpy(zero_copy_only=False), np.diff(sums[offsets]), 0)
    return rows


def _numbers(lengths: Any) -> Int64s:
    numbers: Int64s = pc.fill_null(lengths, 0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def undone(column: Any, wanted: pa.DataType) -> Any:
    """The column as it was written."""
    if column.type == wanted:
        return column
    if pa.types.is_dictionary(column.type):
        indices = column.indices
        each = len(column.dictionary) == len(column) and indices.null_count == 0
        if each and (indices.to_numpy() == np.arange(len(column))).all():  # no value is shared: nothing to copy
            column = column.dictionary
    elif pa.types.is_nested(column.type):  # a cast is of all values below, also of those outside of the slice
        column = column.take(pa.array(np.arange(len(column))))
    return column if column.type == wanted else pc.cast(column, wanted)

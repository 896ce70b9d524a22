"""Arrow text columns as plain numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Bytes, Offsets

_NARROW = (pa.types.is_string, pa.types.is_binary)
_WIDE = (pa.types.is_large_string, pa.types.is_large_binary)


def utf8_views(column: pa.Array | pa.ChunkedArray) -> tuple[Offsets, Bytes]:
    """The rows of a text or binary column: row i is `data[offsets[i]:offsets[i + 1]]`; a null row is empty.

    Returns (n + 1 offsets as int64, the bytes). Both are read-only whatever the column's type is, so that a kernel is
    compiled only once. The bytes are copied only if the column has several chunks or a null row that hides bytes.
    Raises TypeError for a column of another type.
    """
    array = _one_array(column)
    if array.null_count and _hides_bytes(array):
        array = pc.fill_null(array, pa.scalar(b"", array.type))
    return _read_only(_offsets(array)), _read_only(_data(array))


def _one_array(column: pa.Array | pa.ChunkedArray) -> Any:
    if pa.types.is_null(column.type) or pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string())
    if not any(test(column.type) for test in (*_NARROW, *_WIDE)):
        raise TypeError(f"expected a column of text or bytes, got {column.type}; cast it to string first")
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    wide = pa.large_binary() if "binary" in str(column.type) else pa.large_string()
    return column.cast(wide).combine_chunks()


def _offsets(array: Any) -> Offsets:
    if len(array) == 0:
        return np.zeros(1, dtype=np.int64)
    dtype = np.int32 if any(test(array.type) for test in _NARROW) else np.int64
    whole = np.frombuffer(array.buffers()[1], dtype=dtype, count=array.offset + len(array) + 1)
    return np.require(whole[array.offset :], np.int64, "A")


def _data(array: Any) -> Bytes:
    buffer = array.buffers()[2] if len(array) else None
    return np.empty(0, dtype=np.uint8) if buffer is None else np.frombuffer(buffer, dtype=np.uint8)


def _hides_bytes(array: Any) -> bool:
    return bool(np.diff(_offsets(array))[array.is_null().to_numpy(zero_copy_only=False)].any())


def _read_only(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view

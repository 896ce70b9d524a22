"""The rows of an Arrow IPC stream, read by its messages, each of which is checked before it is decoded.

A compressed buffer begins with the size that it is to have, and Arrow makes room for that much at once. Two kilobytes
can say any number. Nothing of ours is compressed, so what is compressed is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

_HEADER, _COMPRESSION = 2, 3  # numbers of fields: of a message, and of a record batch
_UINT32, _INT32, _UINT16 = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<H")


def streamed(data: memoryview, schema: pa.Schema | None) -> Iterator[pa.Table]:
    """The tables of streams that lie one after another, each with this schema and sound in itself.

    Raises ValueError, OSError or ArrowException for anything else, before it takes more memory than it has bytes.
    """
    source = pa.BufferReader(pa.py_buffer(data))
    while source.tell() < len(data):
        yield _table(pa.ipc.MessageReader.open_stream(source), schema)


def _table(messages: Any, schema: pa.Schema | None) -> pa.Table:
    """The table of one stream."""
    first = next(iter(messages), None)
    if first is None or first.type != "schema":  # Arrow would read any message as a schema, and crash
        raise ValueError(f"it begins with {'nothing' if first is None else f'a message of type {first.type}'}")
    given = pa.ipc.read_schema(first)
    if schema is not None and given != schema:
        raise ValueError(f"it has other columns: {', '.join(given.names)}")
    batches = []
    for message in messages:
        if message.type != "record batch":
            raise ValueError(f"it has a {message.type}")
        if _is_compressed(memoryview(message.metadata)):
            raise ValueError("it is compressed")
        batches.append(pa.ipc.read_record_batch(message, given))
    table = pa.Table.from_batches(batches, given)
    table.validate(full=True)  # its offsets and texts too: kernels and Arrow's own functions check none
    return table


def _is_compressed(metadata: memoryview) -> bool:
    """Whether a message says so. Arrow has checked by now that all of its parts are where it says."""
    try:
        (root,) = _UINT32.unpack_from(metadata)
        batch = _field(metadata, root, _HEADER)
        return bool(_field(metadata, batch + _UINT32.unpack_from(metadata, batch)[0], _COMPRESSION))
    except struct.error:
        raise ValueError("a message of it is cut off") from None


def _field(metadata: memoryview, table: int, number: int) -> int:
    """Where a field of a FlatBuffers table lies; 0 if it is not there."""
    fields = table - _INT32.unpack_from(metadata, table)[0]
    (size,) = _UINT16.unpack_from(metadata, fields)
    at = 4 + 2 * number
    (offset,) = _UINT16.unpack_from(metadata, fields + at) if at < size else (0,)
    return table + offset if offset else 0

"""What the pages of a row group say of themselves, read before anything is decoded.

A page's header says how many bytes and values it has once it is decoded; Arrow makes room for what it says. A tiny page
can say much and be right: equal values are stored as their number.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.sources.thrift import BINARY, INT64, STRUCT, Fields, Malformed, integer, parse, structs

_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3  # types of pages
PLAIN_DICTIONARY, DELTA_BYTES, RLE_DICTIONARY = 2, 7, 8  # encodings in which values may share their bytes
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_STREAMED = (2, 4, 6)  # those of which a part can be decompressed
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 16}
_SIGNED = {"INT32": 4, "INT64": 8}
_LEVELS = 4  # bytes per value of a nested column for where it is
_TAIL = 64 << 10  # last bytes of a file, read first: they hold most footers


Bound = int | bytes


class Page(NamedTuple):
    """Where a page begins in the file, its bytes and values once it is decoded, and how they are encoded."""

    at: int
    size: int
    values: int
    encoding: int
    is_dictionary: bool


@dataclass(frozen=True)
class Chunk:
    """The pages of one column in one row group. `repeated`: a row may have many values; `width`: bytes of a value in
    memory, without those of a string; `bounds`: what no value is below or above, of strings as bytes.
    """

    name: str
    start: int
    size: int
    values: int
    codec: int
    strings: bool
    repeated: bool
    width: int
    bounds: tuple[Bound, Bound] | None = None
    pages: list[Page] = field(default_factory=list)

    def weight(self, page: Page) -> int:
        """Bytes in memory of a page that is decoded as a whole, its strings as a dictionary."""
        return page.size + (page.values * (self.width + _LEVELS) if self.repeated else 0)

    @property
    def shared(self) -> int:
        """How many values are numbers of values in a dictionary."""
        return sum(p.values for p in self.pages if p.encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY))

    @property
    def growing(self) -> int:
        """The size of the largest page in which a value may begin with the one before it; 0 if there is none."""
        return max((p.size for p in self.pages if p.encoding == DELTA_BYTES), default=0)


class RowGroup(NamedTuple):
    """A row group according to the footer: where its columns lie, and what it says of its rows and their size."""

    chunks: list[Chunk]
    rows: int
    total: int


def read_footer(file: Any) -> tuple[pq.FileMetaData, list[RowGroup]]:
    """The metadata of a file as Arrow sees it and as we do. Raises ArrowException, OSError or Malformed."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL))
    tail = file.read(min(size, _TAIL))
    (length,) = struct.unpack("<I", tail[-8:-4]) if len(tail) >= 8 else (0,)
    if len(tail) < length + 8 <= size:
        file.seek(size - length - 8)
        tail = file.read(length + 8)
    metadata = pq.read_metadata(pa.BufferReader(tail))
    columns = [metadata.schema.column(at) for at in range(len(metadata.schema))]
    footer = parse(tail, len(tail) - length - 8).fields
    return metadata, [_group(group, columns) for group in structs(footer, 4)]


def _group(fields: Fields, columns: Sequence[Any]) -> RowGroup:
    chunks = [_chunk(about, column) for about, column in zip(structs(fields, 1), columns, strict=True)]
    return RowGroup(chunks, integer(fields, 3, INT64), integer(fields, 2, INT64))


def _chunk(fields: Fields, column: Any) -> Chunk:
    about = fields.get((3, STRUCT))
    if about is None:
        raise Malformed(f"column {column.path} has no metadata")
    start, dictionary = integer(about, 9, INT64), about.get((11, INT64), 0)
    if 0 < dictionary < start:
        start = dictionary
    size, values = integer(about, 7, INT64), integer(about, 5, INT64)
    if min(start, size, values) < 0:
        raise Malformed(f"column {column.path} lies at byte {start}, has {size} bytes and {values} values")
    strings = column.physical_type == "BYTE_ARRAY"
    width = max(0, column.length) if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS[column.physical_type]
    codec, bounds = integer(about, 4), _bounds(about.get((12, STRUCT), {}), column.physical_type)
    return Chunk(column.path, start, size, values, codec, strings, column.max_repetition_level > 0, width, bounds)


def _bounds(statistics: Fields, physical: str) -> tuple[Bound, Bound] | None:
    """The least and the largest value of a column; None if nothing trustworthy says so.

    Writers once compared bytes as signed numbers (the fields 1 and 2). They may cut long strings, so that the bounds of
    strings are no texts.
    """
    found: list[Bound] = []
    for number, old in ((6, 2), (5, 1)):
        stored = statistics.get((number, BINARY))
        if physical == "BYTE_ARRAY" and stored is not None:
            found.append(stored)
        elif physical in _SIGNED:
            stored = statistics.get((old, BINARY)) if stored is None else stored
            if stored is not None and len(stored) == _SIGNED[physical]:
                found.append(int.from_bytes(stored, "little", signed=True))
    return (found[0], found[1]) if len(found) == 2 else None


def find_pages(chunk: Chunk, data: memoryview) -> int:
    """Fill in the pages of a chunk with these bytes. Returns how many of the bytes could be understood: to Arrow, those
    after them must not be shown.
    """
    chunk.pages.clear()
    at = seen = 0
    while seen < chunk.values and at < len(data):
        try:
            header = parse(data, at)
            page, stored = _page(header.fields, chunk.start + at)
        except Malformed:
            return at
        at = header.end + stored
        if page is not None:
            chunk.pages.append(page)
            seen += 0 if page.is_dictionary else page.values
    return at


def _page(fields: Fields, at: int) -> tuple[Page | None, int]:
    """A page (None: of an unknown kind, which Arrow skips) and how many bytes of the file it has."""
    kind, size, stored = (integer(fields, number) for number in (1, 2, 3))
    if min(size, stored) < 0:
        raise Malformed(f"a page at byte {at} has {stored} bytes, or {size}")
    number, encoded = {_DATA: (5, 2), _DICTIONARY: (7, 2), _DATA_V2: (8, 4)}.get(kind, (0, 0))
    if not number:
        return None, stored
    about = fields.get((number, STRUCT))
    if about is None:
        raise Malformed(f"a page at byte {at} has no header")
    values = integer(about, 1)
    if values < 0:
        raise Malformed(f"a page at byte {at} has {values} values")
    return Page(at, size, values, integer(about, encoded), kind == _DICTIONARY), stored


def longest_shared(chunk: Chunk, data: memoryview, enough: int) -> int:
    """The bytes of the longest string in the chunk's dictionary, or a number that is at least as large.

    What lies after a string bounds all that follow. So of a dictionary that has a little more than `enough` bytes, only
    the first ones are decompressed.
    """
    page = next((page for page in chunk.pages if page.is_dictionary), None)
    if page is None:
        return 0
    header = parse(data, page.at - chunk.start)
    stored = data[header.end : header.end + integer(header.fields, 3)]
    if chunk.codec and chunk.codec not in _CODECS:
        return page.size
    from stages.kernels.lengths import longest  # numba is expensive to import

    first = _decompressed(chunk.codec, stored, page.size, max(0, page.size - enough))
    return int(longest(np.frombuffer(first, np.uint8), page.values, page.size))


def _decompressed(codec: int, stored: memoryview, size: int, first: int) -> Any:
    """The `first` bytes of what has `size` bytes once it is decompressed, or more of them."""
    if codec not in _STREAMED:
        return stored if codec == 0 else pa.decompress(stored, size, _CODECS[codec])
    with pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(stored)), _CODECS[codec]) as stream:
        return stream.read_buffer(min(first, size))

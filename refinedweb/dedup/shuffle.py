"""Shuffle objects: everything that one map task has for later tasks, in one object that is ordered by partition.

    piece … piece | index | trailer
    piece    one or more Arrow IPC streams: rows of one partition, in the order in which they were written; a partition
             of more than `PIECE_BYTES` has several pieces, next to each other
    index    per piece: partition, rows, offset and size in bytes, 128-bit xxh3 of its bytes
    trailer  size of the index, 128-bit xxh3 of the index, magic

So each map task writes a single object, a reader requests one range of bytes from each object, and nothing is used
without comparing its checksum. An object has at most `MOST_PARTITIONS` partitions, so the last bytes, which are read
first, hold its whole index, however large the object is. `exchange` routes rows to more partitions than that.
"""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from classifiers.kernels.arrays import UInt32s, UInt64s
from refinedweb.dedup.streams import streamed
from refinedweb.ledger.manifest import Output
from refinedweb.storage import Missing, Sink, Store
from stages.errors import RetryError

FLUSH_BYTES = 96 << 20  # of rows in memory; more spill into a temporary file
COPY_BYTES = 8 << 20  # copied at a time
MOST_PARTITIONS = 1024  # of one object
PIECE_BYTES = 64 << 20  # after which a partition's next piece begins: a reader holds one
_LARGE = 256  # such pieces in an object, at most: in an object of more than 16 GiB they are larger
_INDEX = np.dtype([("partition", "<u4"), ("rows", "<u8"), ("offset", "<u8"), ("size", "<u8"), ("hash", "S16")])
_TRAILER = struct.Struct("<Q16s8s")
_MAGIC = b"RWSHUF02"
_TAIL = (
    MOST_PARTITIONS + _LARGE
) * _INDEX.itemsize + _TRAILER.size  # last bytes of an object, read first: its whole index
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ divided by the golden ratio: Fibonacci hashing


class Damaged(RetryError):
    """A shuffle object is gone, truncated, or not what was written: the task that wrote it must run again."""


class _Piece(NamedTuple):
    partition: int
    rows: int
    offset: int
    size: int
    hash: bytes


def partition_of(keys: UInt64s, partitions: int) -> UInt32s:
    """The partition of each key (uint64[n]), evenly for any distribution of keys. Equal keys meet."""
    high = (keys * _SPREAD) >> np.uint64(32)
    return ((high * np.uint64(partitions)) >> np.uint64(32)).astype(np.uint32)


class ShuffleWriter:
    """Writes one shuffle object, whose bytes depend on the rows and their order alone.

    Beyond `FLUSH_BYTES` of rows, pieces wait in a temporary file on this machine.
    """

    def __init__(self, store: Store, key: str, schema: pa.Schema, partitions: int) -> None:
        if not 1 <= partitions <= MOST_PARTITIONS:
            raise ValueError(f"{partitions} partitions; an object can have 1 to {MOST_PARTITIONS}")
        self._key = key
        self._schema = schema
        self._sink: Sink = store.create(key)
        self._spill: BinaryIO | None = None
        self._pieces: list[_Piece] = []
        self._waiting: list[pa.Table] = []
        self._where: list[UInt32s] = []
        self._bytes = 0
        self.rows = 0

    def write(self, rows: pa.Table, partition: UInt32s | None = None) -> None:
        """Append rows, each to its partition (None: all to partition 0)."""
        if rows.num_rows == 0:
            return
        self._waiting.append(rows.select(self._schema.names).cast(self._schema))
        self._where.append(np.zeros(rows.num_rows, np.uint32) if partition is None else partition)
        self._bytes += rows.nbytes
        self.rows += rows.num_rows
        if self._bytes >= FLUSH_BYTES:
            if self._spill is None:
                self._spill = tempfile.TemporaryFile(prefix="refinedweb-")  # noqa: SIM115 - closed by finish or discard
            self._flush(self._spill)

    def _flush(self, out: BinaryIO | Sink) -> None:
        offset = self._pieces[-1].offset + self._pieces[-1].size if self._pieces else 0
        for partition, rows in _by_partition(pa.concat_tables(self._waiting), np.concatenate(self._where)):
            data = _stream(rows)
            self._pieces.append(_Piece(partition, rows.num_rows, offset, len(data), _hash(data)))
            out.write(data)
            offset += len(data)
        self._waiting, self._where, self._bytes = [], [], 0

    def finish(self) -> Output:
        """Commit the object."""
        if self._waiting:
            self._flush(self._sink if self._spill is None else self._spill)
        if self._spill is not None:
            self._gather(self._spill)
        index = np.array(self._pieces, dtype=_INDEX).tobytes()
        self._sink.write(index + _TRAILER.pack(len(index), _hash(index), _MAGIC))
        written = self._sink.finish()
        self._close()
        return Output(self._key, self.rows, written.size, written.checksum)

    def _gather(self, spill: BinaryIO) -> None:
        """Copy the pieces of all flushes: those of a partition become one, or a few if they are large."""
        offset, placed = 0, []
        for pieces in _together(self._pieces):
            digest, size = xxhash.xxh3_128(), sum(piece.size for piece in pieces)
            for piece in pieces:
                for data in _copied(spill, piece):
                    self._sink.write(data)
                    digest.update(data)
            rows = sum(piece.rows for piece in pieces)
            placed.append(_Piece(pieces[0].partition, rows, offset, size, digest.digest()))
            offset += size
        self._pieces = placed

    def discard(self) -> None:
        """Abort: leave no object."""
        self._sink.discard()
        self._close()

    def _close(self) -> None:
        if self._spill is not None:
            self._spill.close()

    def __enter__(self) -> ShuffleWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.discard()


def _together(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """The pieces of each partition, in order, in groups that are as large as a piece should be."""
    enough = max(PIECE_BYTES, sum(piece.size for piece in pieces) // _LARGE)
    ordered = sorted(pieces, key=lambda piece: (piece.partition, piece.offset))
    for _, of_partition in groupby(ordered, key=lambda piece: piece.partition):
        group: list[_Piece] = []
        for piece in of_partition:
            group.append(piece)
            if sum(one.size for one in group) >= enough:
                yield group
                group = []
        if group:
            yield group


def _copied(spill: BinaryIO, piece: _Piece) -> Iterator[bytes]:
    """The bytes of a piece of a temporary file, in parts."""
    spill.seek(piece.offset)
    for start in range(0, piece.size, COPY_BYTES):
        yield spill.read(min(COPY_BYTES, piece.size - start))


def _by_partition(rows: pa.Table, where: UInt32s) -> Iterator[tuple[int, pa.Table]]:
    if where.max() == 0:
        yield 0, rows.combine_chunks()
        return
    rows = rows.take(pa.array(np.argsort(where, kind="stable")))
    counts = np.bincount(where)
    ends = np.cumsum(counts)
    for partition in np.flatnonzero(counts):
        yield int(partition), rows.slice(ends[partition] - counts[partition], counts[partition])


def _stream(rows: pa.Table) -> Any:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return sink.getvalue()


def _hash(data: Any) -> bytes:
    return xxhash.xxh3_128_digest(data)


class ShuffleReader:
    """Reads one shuffle object, opened once. Raises Damaged if it is gone, truncated or altered.

    An object that `ShuffleWriter` would not have written is damaged too: a checksum says nothing about its author.
    """

    def __init__(self, store: Store, key: str, schema: pa.Schema | None = None) -> None:
        self._name = store.uri(key)
        self._schema = schema
        try:
            self._file = store.open(key, random=True)
        except Missing as error:
            raise Damaged(f"{error}, though its record exists") from None
        try:
            self._index = self._read_index()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> ShuffleReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def _read_index(self) -> npt.NDArray[Any]:
        size = self._file.seek(0, io.SEEK_END)
        tail = self._range(max(0, size - _TAIL), min(size, _TAIL))
        if len(tail) < _TRAILER.size:
            raise self._damaged("it is cut short")
        index_size, checksum, magic = _TRAILER.unpack(tail[-_TRAILER.size :])
        if magic != _MAGIC or index_size > size - _TRAILER.size:
            raise self._damaged("its end is missing")
        if index_size + _TRAILER.size > len(tail):
            raise self._damaged("its index is too large")
        index = tail[len(tail) - _TRAILER.size - index_size : len(tail) - _TRAILER.size]
        if _hash(index) != checksum:
            raise self._damaged("the checksum of its index is wrong")
        if index_size % _INDEX.itemsize:
            raise self._damaged("its index is cut")
        pieces = np.frombuffer(index, _INDEX)
        ends = [0, *accumulate(map(int, pieces["size"]))]
        in_order = bool((pieces["partition"][1:] >= pieces["partition"][:-1]).all())
        if not in_order or ends != [*map(int, pieces["offset"]), size - _TRAILER.size - index_size]:
            raise self._damaged("its index does not describe it")
        return pieces

    def rows(self) -> int:
        """The number of rows of the object."""
        return int(self._index["rows"].sum())

    def parts(self, partition: int) -> int:
        """The number of requests in which the rows of a partition are read: of its pieces."""
        return int((self._index["partition"] == partition).sum())

    def part(self, partition: int, number: int) -> list[pa.Table]:
        """The tables of one piece of a partition, as they were written."""
        piece = self._index[np.flatnonzero(self._index["partition"] == partition)[number]]
        return self._tables(self._range(int(piece["offset"]), int(piece["size"])), piece)

    def tables(self, partition: int) -> Iterator[pa.Table]:
        """The rows of a partition, as the tables that were written."""
        for number in range(self.parts(partition)):
            yield from self.part(partition, number)

    def _tables(self, part: memoryview, piece: Any) -> list[pa.Table]:
        # numpy strips trailing zero bytes of the type S
        if len(part) != piece["size"] or _hash(part) != bytes(piece["hash"]).ljust(16, b"\0"):
            raise self._damaged(f"the checksum of partition {piece['partition']} is wrong")
        try:
            tables = [*streamed(part, self._schema)]
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(f"partition {piece['partition']} is not a table: {error}") from None
        if (rows := sum(table.num_rows for table in tables)) != piece["rows"]:
            raise self._damaged(f"partition {piece['partition']} has {rows} rows, not {piece['rows']}")
        return tables

    def _range(self, start: int, size: int) -> memoryview:
        self._file.seek(start)
        data = bytearray()
        while len(data) < size and (more := self._file.read(size - len(data))):
            data += more
        return memoryview(data)

    def _damaged(self, what: str) -> Damaged:
        return Damaged(f"{self._name}: {what}; the task that wrote it must run again")


def concatenated(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """The tables as one, with one chunk per column."""
    return pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table()

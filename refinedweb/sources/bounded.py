"""Read the rows of a Parquet file within a limit of bytes, whatever the file says about its sizes.

A file of 3 kB can hold 512 rows of 16 MB each (they share a value), a list of two billion items (they are equal), or a
page that takes 2 GB once it is decompressed. So the headers of all pages are read first (`parquet_pages`), and Arrow is
shown no other bytes. They bound what decoding takes:

- A page is decoded as a whole. If all pages of the row group fit into MOST, nothing more is watched; if not, Arrow gets
  the bytes little by little, and a batch that touches more is read again with fewer rows.
- Strings that share a value are read as dictionaries, in which it lies once, unless they cannot be much larger than
  what is stored. The sizes of the rows are then known before they are decoded, as many at a time as the limit allows.

What does not fit into MOST even row by row is refused. Files as they usually are pay for reading the headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.sources.parquet_pages import Chunk, RowGroup, longest_shared, read_footer
from refinedweb.sources.row_sizes import ends, has_dictionary, is_decodable, undone
from refinedweb.sources.served import Served, TooMuch
from refinedweb.sources.utf8 import sound
from stages.errors import ShardError

MOST = 5 << 28  # bytes that are decoded at a time: 1,024 documents of 1 MB, which Arrow puts into one page, are honest
_OVER = 4  # times the limit of a batch that a batch may have before it is cut into smaller ones
_UNMEASURED = 40  # the same for strings, by bounds that honest files do not come near: to look closer takes time
_FEWER = 8  # a batch that touches too many pages has as many times fewer rows when it is tried again
_LITTLE = 64 << 10  # bytes that Arrow gets at a time where the pages are counted


class TooLarge(ShardError):
    """A file that would take more memory than it is given."""


class BoundedRows:
    """Reads row groups of an open file. `schema` is that of its rows; a batch has about `most_bytes`, and what is
    decoded at a time never more than `limit`. Raises ArrowException, OSError or ValueError if there is no footer.
    """

    def __init__(self, file: Any, most_bytes: int, limit: int = MOST) -> None:
        self._file = file
        self._most = min(most_bytes, limit)
        self._limit = limit
        self.metadata, self.groups = read_footer(file)
        self.schema: pa.Schema = self.metadata.schema.to_arrow_schema()

    def tables(self, group: int, rows: int, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The group's rows in order, at most `rows` and about the limit's bytes at a time (at least one row). All texts
        are UTF-8.
        """
        if self.groups[group].rows == 0:  # it has no pages either
            return
        reading = _Reading(self, group, columns)
        done, rows = 0, reading.bounded(rows)
        while True:
            at = 0
            try:
                for batch in reading.batches(rows):
                    if at + batch.num_rows > done:
                        yield from map(sound, self._parts(batch.slice(max(0, done - at)), columns))
                    at += batch.num_rows
                    done = max(done, at)
                return
            except TooMuch as error:
                if rows == 1:
                    raise TooLarge(f"row {done} {error}") from None
                rows = max(1, rows // _FEWER)

    def _parts(self, batch: pa.RecordBatch, columns: list[str] | None) -> Iterator[pa.Table]:
        measured = any(has_dictionary(field.type) for field in batch.schema)
        if not measured and batch.nbytes <= _OVER * self._most:
            yield pa.Table.from_batches([batch])
            return
        start = 0
        for end in ends(batch, self._most):
            yield pa.table(
                [undone(column.slice(start, end - start), self._type(at, batch.schema, columns))
                 for at, column in enumerate(batch.columns)],
                names=batch.schema.names,
            )  # fmt: skip
            start = end

    def _type(self, at: int, read: pa.Schema, columns: list[str] | None) -> pa.DataType:
        """Names may occur twice where all columns are read, so there it is the place that counts."""
        return self.schema.field(at if columns is None else read.names[at]).type

    def opened(self, served: Served, buffer_size: int, dictionaries: list[str]) -> pq.ParquetFile:
        """The file as Arrow reads it."""
        return pq.ParquetFile(
            served,
            metadata=self.metadata,
            read_dictionary=dictionaries,
            buffer_size=buffer_size,
            pre_buffer=False,
            page_checksum_verification=True,
        )

    @property
    def over(self) -> int:
        """Bytes that a batch may have which is decoded without measuring its rows."""
        return min(_OVER * self._most, self._limit)

    @property
    def unmeasured(self) -> int:
        """Bytes that the strings of a batch may have if the worst is true of what was not looked at."""
        return min(_UNMEASURED * self._most, self._limit)

    @property
    def limits(self) -> tuple[int, int]:
        """Bytes of a batch, and of all that is decoded at a time."""
        return self._most, self._limit

    def served(self, chunks: list[Chunk]) -> Served:
        """The bytes of these chunks."""
        return Served(self._file, chunks, self._limit)


class _Reading:
    """One row group on its way to Arrow."""

    def __init__(self, file: BoundedRows, group: int, columns: list[str] | None) -> None:
        self._open = file
        self._group = group
        self._about: RowGroup = file.groups[group]
        self._columns = columns
        self._chunks = [chunk for chunk in self._about.chunks if columns is None or _is_of(chunk, columns)]
        self._served = file.served(self._chunks)
        self._weight = sum(chunk.weight(page) for chunk in self._chunks for page in chunk.pages)
        self._dictionaries: list[str] = []
        self._left = 0  # bytes that strings may still take that are decoded without measuring them

    def bounded(self, rows: int) -> int:
        """How many rows to read at a time, at most `rows`: decides how the strings are read too."""
        most, _ = self._open.limits
        average = self._weight // max(1, self._about.rows) + 1
        widths = sum(chunk.width for chunk in self._chunks if not chunk.repeated)
        rows = max(1, min(rows, most // average, self._open.over // max(1, widths)))
        self._left = self._open.unmeasured
        for chunk in sorted(self._chunks, key=_dictionary_size):
            if chunk.strings:
                rows = self._strings(chunk, rows)
        return rows

    def _strings(self, chunk: Chunk, rows: int) -> int:
        """Choose how a column is read; the rows that may then be read at a time."""
        if growing := chunk.growing:
            rows = self._take(rows, growing)
        shared = chunk.shared if chunk.repeated else min(rows, chunk.shared)
        longest = _dictionary_size(chunk)
        if shared * longest > self._left:  # if all of its bytes were one string
            longest = longest_shared(chunk, self._served.bytes_of(chunk), self._left // shared)
        if shared * longest <= self._left:
            self._left -= shared * longest
            return rows
        if is_decodable(self._open.schema, chunk.name):
            self._dictionaries.append(chunk.name)
            return rows
        if chunk.repeated:
            self._weight += shared * longest
            self._served.add(chunk, longest)
            return rows
        return self._take(rows, longest)

    def _take(self, rows: int, each: int) -> int:
        """How many of the rows may be read if each of them has this many bytes."""
        rows = max(1, min(rows, self._left // each))
        self._left = max(0, self._left - rows * each)
        return rows

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Batches of that number of rows. Raises TooMuch if one touches more than the limit."""
        watched = self._weight > self._open.limits[1]
        file = self._open.opened(self._served, _LITTLE if watched else 0, self._dictionaries)
        self._served.watch(watched)
        for batch in file.iter_batches(rows, row_groups=[self._group], columns=self._columns, use_threads=False):
            yield batch
            self._served.watch(watched)


def _is_of(chunk: Chunk, columns: list[str]) -> bool:
    return any(chunk.name == name or chunk.name.startswith(f"{name}.") for name in columns)


def _dictionary_size(chunk: Chunk) -> int:
    return max((page.size for page in chunk.pages if page.is_dictionary), default=0)

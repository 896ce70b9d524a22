"""The bytes of a row group's columns, read once, as a file for Arrow. It sees no page that was not looked at.

A row group may be larger than the memory. The bytes of large ones wait in a file on this machine, whose pages the
system drops when it needs the room.
"""

from __future__ import annotations

import mmap
import tempfile
from bisect import bisect_right
from typing import Any, BinaryIO

from refinedweb.sources.parquet_pages import Chunk, find_pages
from refinedweb.sources.thrift import Malformed
from refinedweb.storage.os_errors import translated

_GAP, _TOGETHER = 8 << 10, 32 << 20  # neighbouring columns are read together, as Arrow does
IN_MEMORY = 256 << 20  # bytes of a row group that are held without a file
_COPIED = 8 << 20  # at a time
_AT_ONCE = 1024  # values of fixed width that Arrow makes room for, however few rows it is asked for
_PADDING = 100  # bytes after a column that Arrow may want too: old writers counted too few


class TooMuch(Exception):
    """What Arrow is about to decode is more than the limit."""


class Served:
    """Reads the chunks and their pages' headers. Raises Malformed if they lie where none can be."""

    closed = False

    def __init__(self, file: Any, chunks: list[Chunk], limit: int) -> None:
        self._file = file
        self._limit = limit
        self._at = 0
        self._spent = 0
        self._watched = False
        self._size = file.seek(0, 2)
        self._chunks = sorted(chunks, key=lambda chunk: chunk.start)
        self._starts = [chunk.start for chunk in self._chunks]
        self._more: dict[int, int] = {}
        self._bytes = self._read_all()

    def _read_all(self) -> list[memoryview]:
        found: list[memoryview] = []
        end = 0
        for chunk in self._chunks:
            if chunk.start < end or chunk.start + chunk.size > self._size:
                raise Malformed(f"column {chunk.name} lies at byte {chunk.start}, where it cannot be")
            end = chunk.start + chunk.size
        if sum(chunk.size for chunk in self._chunks) > IN_MEMORY:
            return self._from_file()
        while len(found) < len(self._chunks):
            together = self._neighbours(len(found))
            start = together[0].start
            self._file.seek(start)
            data = memoryview(self._file.read(together[-1].start + together[-1].size - start))
            found.extend(self._checked(c, data[c.start - start : c.start - start + c.size]) for c in together)
        return found

    def _from_file(self) -> list[memoryview]:
        with tempfile.TemporaryFile(prefix="refinedweb-") as spool:
            for chunk in self._chunks:
                self._copy(chunk, spool)
            data = memoryview(mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ))
        found, at = [], 0
        for chunk in self._chunks:
            found.append(self._checked(chunk, data[at : at + chunk.size]))
            at += chunk.size
        return found

    def _copy(self, chunk: Chunk, spool: BinaryIO) -> None:
        """Copy the bytes of a chunk. A full disk is not the file's fault: it raises what says so."""
        self._file.seek(chunk.start)
        for at in range(0, chunk.size, _COPIED):
            data = self._file.read(min(_COPIED, chunk.size - at))
            if len(data) < min(_COPIED, chunk.size - at):
                raise Malformed(f"column {chunk.name} at byte {chunk.start} is cut off")
            try:
                spool.write(data)
                spool.flush()
            except OSError as error:
                raise translated(tempfile.gettempdir(), error) from error

    def _neighbours(self, first: int) -> list[Chunk]:
        last = first
        while last + 1 < len(self._chunks):
            one, more = self._chunks[last], self._chunks[last + 1]
            apart = more.start - one.start - one.size
            if apart > _GAP or more.start + more.size - self._starts[first] > _TOGETHER:
                break
            last += 1
        return self._chunks[first : last + 1]

    def _checked(self, chunk: Chunk, data: memoryview) -> memoryview:
        if len(data) < chunk.size:
            raise Malformed(f"column {chunk.name} at byte {chunk.start} is cut off")
        if chunk.width * _AT_ONCE > self._limit:
            raise Malformed(
                f"column {chunk.name} has values of {chunk.width:,} bytes, of which Arrow makes room for {_AT_ONCE:,}, "
                f"and no more than {self._limit:,} are read; write shorter values"
            )
        understood = find_pages(chunk, data)
        for page in chunk.pages:
            if page.size > self._limit:
                raise Malformed(
                    f"column {chunk.name}: the page at byte {page.at} has {page.size:,} bytes once it is decompressed, "
                    f"and no more than {self._limit:,} are read; write smaller pages"
                )
        # Arrow may understand what we do not, so it gets zeros, which nobody does.
        return data if understood >= len(data) else memoryview(bytes(data[:understood]).ljust(len(data), b"\0"))

    def bytes_of(self, chunk: Chunk) -> memoryview:
        """The bytes of one chunk."""
        return self._bytes[self._starts.index(chunk.start)]

    def add(self, chunk: Chunk, each: int) -> None:
        """Count this number of bytes more for each value of a chunk."""
        self._more[chunk.start] = each

    def watch(self, watched: bool) -> None:
        """Begin to count anew what Arrow decodes from here on, or do not count."""
        self._watched, self._spent = watched, 0

    def read(self, size: int = -1) -> memoryview | bytes:
        """The next bytes, which are those of one chunk. Raises TooMuch."""
        number = bisect_right(self._starts, self._at) - 1
        chunk = self._chunks[max(0, number)]
        first = self._at - chunk.start
        if number < 0 or size < 0 or first + size > chunk.size + _PADDING:
            raise OSError(f"{size} bytes at byte {self._at} belong to no column")
        data: memoryview | bytes = self._bytes[number][first : first + size]
        if self._watched:
            self._count(chunk, self._at, self._at + len(data))
        if len(data) < size:
            self._file.seek(self._at + len(data))
            data = bytes(data) + self._file.read(size - len(data))
        self._at += len(data)
        return data

    def _count(self, chunk: Chunk, first: int, last: int) -> None:
        each = self._more.get(chunk.start, 0)
        self._spent += sum(chunk.weight(p) + each * p.values for p in chunk.pages if first <= p.at < last)
        if self._spent > self._limit:
            raise TooMuch(
                f"(column {chunk.name}) takes more than {self._limit:,} bytes once it is decoded, which are not given "
                "to it; write smaller pages or shorter rows"
            )

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        """Does nothing: nothing is written."""

    def close(self) -> None:
        """Does nothing: the file belongs to the caller."""

"""Read the records of a WARC or ARC file, each with its place, and account for every byte between them.

A record is as long as its header says, unless that is plainly wrong, which members and the starts of records show: if
the declared block would run into the next record, it ends there (`cut`); if the header gives no length, the block ends
at the next record (`header` fault). Bytes that belong to no record are a `Damage`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from refinedweb.sources.base import Damage
from refinedweb.sources.framing import Fault, Framing, WarcRecord
from refinedweb.sources.headers import Fields, content_length
from refinedweb.sources.stream import CHUNK, ByteStream

_HEADER_START = 1 << 12  # bytes in which nearly every header ends
_HEADER_LIMIT = 1 << 17  # bytes: a longer header is garbage that begins like a record
_TAIL = 1 << 14  # bytes that a search must see in one piece: the longest start of a record
_WINDOW = 4 * _TAIL  # bytes that are searched at a time
_NEWLINES = re.compile(rb"[\r\n]*")


class RecordReader:
    """Iterates over the records of a stream. Blocks are kept up to `keep` bytes, the rest is skipped."""

    def __init__(self, stream: ByteStream, framing: Framing, keep: int) -> None:
        self._stream = stream
        self._framing = framing
        self._keep = keep
        self.damage: list[Damage] = []

    def __iter__(self) -> Iterator[WarcRecord]:
        while True:
            self._skip_newlines()
            self._stream.settle()
            if self._stream.need(_TAIL) == 0:
                if self._stream.fault is None or not self._recover():
                    return
            elif self._at_record():
                record = self._read()
                if record is not None:
                    yield record
            else:
                self._garbage("bytes that belong to no record")

    # Between records --------------------------------------------------------------------------------------------

    def _at_record(self) -> bool:
        return self._framing.start.match(self._stream.buffer) is not None

    def _at_end(self) -> bool:
        return self._stream.need(1) == 0

    def _skip_newlines(self) -> None:
        while not self._at_end():
            match = _NEWLINES.match(self._stream.buffer)
            self._stream.drop(0 if match is None else match.end())
            if self._stream.buffer:
                return

    def _recover(self) -> bool:
        """Report the fault and continue after it. False if nothing readable follows."""
        fault = self._stream.fault
        assert fault is not None
        found = self._stream.recover(lambda head: self._framing.start.match(head) is not None)
        then = "nothing readable follows" if found is None else f"reading goes on at byte {found}"
        self.damage.append(Damage(fault.offset, f"{fault.error}; {then}"))
        return found is not None

    def _garbage(self, what: str) -> None:
        offset = self._stream.offset_of(self._stream.position)
        size = len(self._stream.take(1)) + sum(len(piece) for piece in self._until_record(None))
        fault = self._stream.fault
        explained = fault is not None and fault.offset == offset and self._at_end()  # by the fault, which is reported
        if not explained:
            self.damage.append(Damage(offset, f"{size} {what}"))

    def _until_record(self, limit: int | None) -> Iterator[bytes]:
        """Take the bytes up to the next record, or to the stream's end, or `limit` bytes."""
        stream = self._stream
        while stream.need(_WINDOW) and limit != 0:
            found = self._next_start()
            ended = len(stream.buffer) < _WINDOW
            size = found if found is not None else len(stream.buffer) - (0 if ended else _TAIL)
            piece = stream.take(size if limit is None else min(size, limit))
            yield piece
            if found is not None:
                return
            limit = None if limit is None else limit - len(piece)

    def _next_start(self) -> int | None:
        """Distance to the next record's start in the buffer: here, after a newline, or at a member's first byte."""
        if self._at_record():
            return 0
        match = self._framing.later.search(self._stream.buffer)
        found = None if match is None else match.start(1)
        return min((at for at in (found, self._next_member()) if at is not None), default=None)

    def _next_member(self) -> int | None:
        """Distance to the next member in the buffer that begins with a record."""
        starts = self._stream.members_ahead()
        return next((at for at in starts if self._framing.start.match(self._stream.buffer, at)), None)

    # A record ---------------------------------------------------------------------------------------------------

    def _read(self) -> WarcRecord | None:
        """Read the record that begins here; None (and a report) if its header does not end."""
        stream = self._stream
        start = stream.position
        fields = self._header()
        if fields is None:
            return None
        length = content_length(fields)
        block_at = stream.position
        block, size = self._kept(self._until_record(None) if length is None else self._declared(length))
        fault: Fault = None if length is not None else "header"
        if length is not None and (size < length or not self._ends_cleanly()):
            fault = "cut"
            block, size = self._shortened(block, size, block_at)
            if self._is_folded(block, size, length):
                fault, block = None, block.removesuffix(b"\n\n")
                length = size = len(block)
        offset, end = stream.offset_of(start), stream.position
        self._skip_newlines()
        if not stream.compressed:
            stored: int | None = end - start
        else:
            stored = stream.length_between(start, stream.position)
        if fault == "cut" and length is not None and size < length and self._at_end() and stream.fault is None:
            self.damage.append(Damage(offset, f"the file ends within a record, after {size} of {length} bytes"))
        if self._at_end() and stream.fault is not None and not stream.fault.cut and stream.fault.offset == offset:
            fault = "corrupt"
        return WarcRecord(fields, block, size > len(block), offset, stored, fault)

    def _header(self) -> Fields | None:
        """Take the record's fields, without `content-length` if another record cuts them; None if they do not end."""
        stream, size = self._stream, _HEADER_START
        while True:
            have = stream.need(size)
            match = self._framing.header_end.search(stream.buffer, 0, size)
            end = None if match is None else match.end()
            cut = self._header_cut(size if end is None else end)
            if cut is not None:
                return {**self._framing.parse(stream.take(cut)), "content-length": ""}
            if end is not None:
                return self._framing.parse(stream.take(end))
            if have < size:
                return self._header_at_end()
            if size >= _HEADER_LIMIT:
                self._garbage("bytes that begin like a record, but whose header does not end")
                return None
            size *= 8

    def _header_cut(self, limit: int) -> int | None:
        """Where another record begins within the first `limit` bytes, so that it cuts this one's header."""
        buffer = self._stream.buffer
        later = self._framing.later.search(buffer, 0, limit)
        member = next((at for at in self._stream.members_ahead() if at and self._framing.start.match(buffer, at)), None)
        found = (None if later is None else later.start(1), member)
        return min((at for at in found if at is not None and at < limit), default=None)

    def _header_at_end(self) -> Fields | None:
        """Take a header that is cut by the stream's end: it is a record only if nothing had to follow."""
        stream = self._stream
        offset = stream.offset_of(stream.position)
        fields = self._framing.parse(stream.take(len(stream.buffer)))
        if stream.fault is None and content_length(fields) == 0:
            return fields
        if stream.fault is None:
            self.damage.append(Damage(offset, "the file ends within a record's header"))
        return None

    def _declared(self, length: int) -> Iterator[bytes]:
        """Take the block of the declared length; it ends early at a member that begins with a record."""
        stream = self._stream
        while length and stream.need(min(length, CHUNK) + _TAIL):
            stop = self._next_member()
            if stop == 0:
                return
            piece = stream.take(min(length, CHUNK, len(stream.buffer) if stop is None else stop))
            length -= len(piece)
            yield piece

    def _kept(self, pieces: Iterator[bytes]) -> tuple[bytes, int]:
        """The first `keep` bytes of the pieces, and how many bytes there were."""
        kept, size = bytearray(), 0
        for piece in pieces:
            kept += piece[: max(0, self._keep - size)]
            size += len(piece)
        return bytes(kept), size

    def _ends_cleanly(self) -> bool:
        """Whether what follows the block looks like the end of a record."""
        stream = self._stream
        stream.need(_TAIL)
        newlines = _NEWLINES.match(stream.buffer)
        run = 0 if newlines is None else newlines.end()
        if run >= 4 or stream.buffer[:2] == b"\n\n" or run == len(stream.buffer):
            return True
        return any(at <= run for at in stream.members_ahead()) or bool(self._framing.start.match(stream.buffer, run))

    def _shortened(self, block: bytes, size: int, block_at: int) -> tuple[bytes, int]:
        """The block up to the next record, if its declared length made it swallow that one."""
        if self._next_member() == 0:
            return block, size
        back = self._stream.give_back(block) if size == len(block) else self._stream.rewind(block_at)
        return self._kept(self._until_record(size)) if back else (block, size)

    def _is_folded(self, block: bytes, size: int, length: int) -> bool:
        """Whether the block is whole, and only its declared length is too large: somebody made LF of every CRLF after
        the lengths had been counted (ClueWeb does). The last record may also be cut: then the empty line is missing
        that ends a record.
        """
        missing = length - size
        folded = size == len(block) and -2 <= missing <= block.count(b"\n") and b"\r\n" not in block
        return folded and (block.endswith(b"\n\n") or not self._at_end())

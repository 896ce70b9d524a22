"""The decoded bytes of a file, read forward in bounded memory, with the places of its compression members.

fastwarc (2.0) reads archives fast but not exactly: it ends silently within a truncated record, silently skips what it
cannot parse, stops for good at the first broken member, and does not know ARC. So the framing is ours, over zlib and
zstandard: every byte becomes part of a record or of a `Damage`.

A *position* counts decoded bytes; an *offset* counts bytes of the file as stored. In an uncompressed file both agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from refinedweb.sources.compression import Codec, feed, pending

CHUNK = 1 << 18  # bytes per read of the file
# The budget of bytes that may be read again to find records after damage: 1 GiB, plus 4 times the bytes passed so far.
# It keeps the work linear for a hostile file, and is plenty for one in which every length is a little wrong.
_RESCAN = 1 << 30
_RESCAN_SHARE = 4
_PROBE = 1 << 14  # decoded bytes that show whether a member begins with a record


@dataclass(frozen=True)
class Fault:
    """Why the stream stopped before the file's end, in the member that begins at `offset`."""

    offset: int
    cut: bool  # True if the file ends within the member, else its bytes are wrong
    error: str


class ByteStream:
    """A forward reader over `file` with unlimited look-ahead and a little look-back. Only damage makes it `seek`."""

    def __init__(self, file: BinaryIO, codec: Codec | None, head: bytes = b"") -> None:
        """`head` was already read from the file's start; the file is positioned after it."""
        self._file = file
        self._end: int | None = None
        self._codec = codec
        self.buffer = bytearray()  # decoded bytes from `position` on
        self.position = 0
        self.fault: Fault | None = None
        self.bytes_read = len(head)
        self._rescanned = 0
        self._ended = False
        self._marks: list[tuple[int, int]] = []  # (position, offset) of each member's start, and of the end
        self._decoder: Any = None
        self._raw, self._raw_at, self._raw_offset = head, 0, 0

    @classmethod
    def beginning_at(cls, file: BinaryIO, codec: Codec | None, offset: int) -> ByteStream:
        """A stream over what follows `offset` in the file."""
        stream = cls(file, codec)
        stream.begin(offset)
        return stream

    def _start_at(self, offset: int) -> None:
        """Continue at this place of the file, with an empty buffer."""
        self._file.seek(offset)
        self._raw, self._raw_at, self._raw_offset = b"", 0, offset
        self.buffer.clear()
        self._decoder, self._ended, self.fault = None, False, None

    def begin(self, offset: int) -> None:
        """Start over at a member (or, in an uncompressed file, at any byte)."""
        self._start_at(offset)
        self._marks.clear()
        self.position = offset if self._codec is None else 0

    def end_at(self, offset: int) -> None:
        """The file ends here, for this reader."""
        self._end = offset

    @property
    def compressed(self) -> bool:
        """Whether positions and offsets differ."""
        return self._codec is not None

    @property
    def offset(self) -> int:
        """Offset of the next byte that will be taken from the file."""
        return self._raw_offset + self._raw_at

    # Taking bytes -----------------------------------------------------------------------------------------------

    def need(self, size: int) -> int:
        """Fill the buffer to at least `size` bytes, fewer at the end or a fault. Returns how many it has."""
        while len(self.buffer) < size and self._more():
            pass
        return len(self.buffer)

    def take(self, size: int) -> bytes:
        """Take the next `size` bytes of the buffer (fewer if it has fewer)."""
        with memoryview(self.buffer) as view:
            taken = bytes(view[:size])
        self.drop(len(taken))
        return taken

    def drop(self, size: int) -> None:
        """Skip `size` bytes of the buffer."""
        del self.buffer[:size]
        self.position += size

    def give_back(self, data: bytes) -> bool:
        """Put back bytes that were just taken; False if the re-read budget is exhausted."""
        if not self._may_rescan(len(data)):
            return False
        self.buffer[:0] = data
        self.position -= len(data)
        return True

    def rewind(self, position: int) -> bool:
        """Go back to a position in an uncompressed file; False in others, or if the re-read budget is exhausted."""
        if self._codec is not None or not self._may_rescan(self.position - position):
            return False
        self._start_at(position)
        self.position = position
        return True

    def _may_rescan(self, size: int) -> bool:
        """Spend `size` bytes of the re-read budget; False if it is exhausted."""
        if self._rescanned + size > _RESCAN + _RESCAN_SHARE * max(self.position, self.offset):
            return False
        self._rescanned += size
        return True

    # Members ----------------------------------------------------------------------------------------------------

    def offset_of(self, position: int) -> int:
        """Where in the file to start reading for the byte at `position`: the start of its member."""
        if self._codec is None:
            return position
        return max((offset for start, offset in self._marks if start <= position), default=0)

    def length_between(self, start: int, end: int) -> int | None:
        """Bytes of the file that hold exactly the positions from `start` to `end`; None if its members hold more."""
        if self._codec is None:
            return end - start
        first = [offset for position, offset in self._marks if position == start]
        last = [offset for position, offset in self._marks if position == end]
        return last[0] - first[-1] if first and last and last[0] > first[-1] else None

    def members_ahead(self) -> list[int]:
        """Distances from `position` to the starts of members in the buffer."""
        ahead = (start - self.position for start, _ in self._marks)
        return [at for at in ahead if 0 <= at < len(self.buffer)]

    def position_of(self, offset: int) -> int | None:
        """Position of the first member that begins at or after `offset`; None if decoding has not come so far."""
        return next((position for position, at in self._marks if at >= offset), None)

    def settle(self) -> None:
        """Forget the members before the one that holds `position`."""
        passed = 0
        while passed + 1 < len(self._marks) and self._marks[passed + 1][0] <= self.position:
            passed += 1
        del self._marks[:passed]

    # Reading the file -------------------------------------------------------------------------------------------

    def _more(self) -> bool:
        """Decode one more piece into the buffer. False at the end or a fault."""
        if self._ended or self.fault is not None:
            return False
        if self._codec is None:
            piece = self._take_raw(CHUNK)
            self._ended = not piece
            self.buffer += piece
            return not self._ended
        if self._decoder is None and not self._begin_member(self._codec):
            return False
        self._decode(self._codec)
        return True

    def _begin_member(self, codec: Codec) -> bool:
        head = self._peek_raw(6)  # xz has the longest magic number
        self._mark(self.position + len(self.buffer), self.offset)
        if not head:
            self._ended = True
        elif not head.startswith(codec.magics):
            self.fault = Fault(self.offset, False, f"bytes that are no {codec.name} member: {head!r}")
        else:
            self._decoder = codec.new()
        return self._decoder is not None

    def _mark(self, position: int, offset: int) -> None:
        """Note where a member begins. Of many that are empty only the first and the last are asked for."""
        if len(self._marks) > 1 and self._marks[-2][0] == self._marks[-1][0] == position:
            self._marks.pop()
        self._marks.append((position, offset))

    def _decode(self, codec: Codec) -> None:
        more = pending(self._decoder)
        piece = b"" if more else self._take_raw(codec.step)
        member = self._marks[-1][1]
        if not piece and not more:
            self.fault = Fault(member, True, f"the file ends within a {codec.name} member")
            return
        decoded, error = feed(self._decoder, codec, piece)
        self.buffer += decoded
        if error is not None:
            self.fault = Fault(member, False, f"{codec.name}: {error}, near byte {self.offset}")
        elif self._decoder.eof:
            self._raw_at -= len(self._decoder.unused_data)
            self._decoder = None

    def _peek_raw(self, size: int) -> bytes:
        while len(self._raw) - self._raw_at < size:
            at = self._raw_offset + len(self._raw)
            more = self._file.read(CHUNK if self._end is None else max(0, min(CHUNK, self._end - at)))
            if not more:
                break
            self.bytes_read += len(more)
            self._raw_offset += self._raw_at
            self._raw, self._raw_at = self._raw[self._raw_at :] + more, 0
        return self._raw[self._raw_at : self._raw_at + size]

    def _take_raw(self, size: int) -> bytes:
        self._peek_raw(1)
        piece = self._raw[self._raw_at : self._raw_at + size]
        self._raw_at += len(piece)
        return piece

    # After damage -----------------------------------------------------------------------------------------------

    def recover(self, is_record: Callable[[bytes], bool]) -> int | None:
        """After a fault, continue at the next member that begins with a record. Its offset; None if none follows."""
        if self.fault is None or self._codec is None:
            return None
        again = self._may_rescan(self.offset - self.fault.offset)
        start = self.fault.offset + 1 if again else max(self.offset, self.fault.offset + 1)
        found = self._scan(start, self._codec, is_record)
        if found is not None:
            self._start_at(found)
        return found

    def _scan(self, offset: int, codec: Codec, is_record: Callable[[bytes], bool]) -> int | None:
        magic = re.compile(b"|".join(re.escape(magic) for magic in codec.magics))
        self._start_at(offset)
        while window := self._peek_raw(2 * codec.trial):
            for match in magic.finditer(window, 0, codec.trial + 3):
                if is_record(_beginning(codec, window, match.start())):
                    return self.offset + match.start()
            self._raw_at += min(len(window), codec.trial)
        return None


def _beginning(codec: Codec, window: bytes, start: int) -> bytes:
    """The first decoded bytes of a supposed member; empty if it is not one."""
    out, decoder = b"", codec.new()
    step = max(32, codec.trial >> 9)  # short, because a call that fails discards what it decoded
    for at in range(start, min(start + codec.trial, len(window)), step):
        try:
            out += decoder.decompress(window[at : at + step])
        except codec.errors:
            break
        if len(out) >= _PROBE or decoder.eof:
            break
    return out

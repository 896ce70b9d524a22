"""Where a file may be cut so that its parts can be read by themselves: at row groups, members, records and lines.

A cut must be exact: what only looks like the beginning of a member or a record would lose or invent documents. So what
begins there is followed: a member is decoded, the blocks of a zstd frame are walked, records must follow each
other. (A crawl that is stored, unpacked, within a record of another one deceives this; nothing else is known to.)
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from refinedweb.sources.compression import GZIP, ZSTD, Codec
from refinedweb.sources.framing import Framing
from refinedweb.sources.headers import content_length

SEARCHED = 32 << 20  # bytes after a wanted place in which a cut must be found
WINDOW = 1 << 20  # bytes that are read at a time
_OVERLAP = 1 << 15  # bytes in which a sign lies: the longest are the first lines of ARC records
_TRIAL = 1 << 16  # bytes of a member that must be sound
_CHAIN = 3  # records that must follow each other
_BLOCKS = 16  # of a zstd frame that must follow each other: by chance one in 21 does
_MOST_BLOCK = 128 << 10
_MEMBER = {
    GZIP.name: re.compile(rb"\x1f\x8b\x08[\x00-\x1f]", re.S),
    ZSTD.name: re.compile(rb"\x28\xb5\x2f\xfd"),
}
_SEEK_TABLE = struct.Struct("<IBI")  # number of frames, descriptor, magic: the end of a zstd-seekable file
_SEEK_MAGIC = 0x8F92EAB1
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")

Check = Callable[[BinaryIO, bytes, int, int], bool]  # file, window, place in the window, place in the file


def line_cut(file: BinaryIO, wanted: int, end: int) -> int | None:
    """The first beginning of a line at or after `wanted`."""
    found = _search(file, wanted - 1, end, re.compile(rb"\n"), lambda *_: True)
    return None if found is None or found + 1 >= end else found + 1


def record_cut(framing: Framing) -> Callable[[BinaryIO, int, int], int | None]:
    """Finds the first record of an archive without compression at or after a place."""

    def cut(file: BinaryIO, wanted: int, end: int) -> int | None:
        def follows(file: BinaryIO, window: bytes, at: int, place: int) -> bool:
            return framing.start.match(window, at + 1) is not None and _is_chain(file, framing, place + 1)

        found = _search(file, wanted, end, re.compile(rb"\n(?=" + framing.start.pattern + rb")"), follows)
        return None if found is None else found + 1

    return cut


def _is_chain(file: BinaryIO, framing: Framing, at: int) -> bool:
    """Whether records follow each other from this place on, or to the file's end."""
    for _ in range(_CHAIN):
        file.seek(at)
        head = file.read(1 << 14)
        if not head:
            return True
        end = framing.header_end.search(head) if framing.start.match(head) else None
        length = None if end is None else content_length(framing.parse(head[: end.end()]))
        if end is None or length is None:
            return False
        file.seek(at + end.end() + length)
        gap = file.read(8)
        run = len(gap) - len(gap.lstrip(b"\r\n"))
        if run < 1 and gap:
            return False
        at += end.end() + length + run
    return True


def member_cut(codec: Codec, is_beginning: Callable[[bytes], bool]) -> Callable[[BinaryIO, int, int], int | None]:
    """Finds the first member at or after a place whose decoded bytes pass the check."""

    def sound(file: BinaryIO, window: bytes, at: int, place: int) -> bool:
        if len(window) - at < _TRIAL:
            file.seek(place)
            window, at = file.read(_TRIAL), 0
        if codec.name == ZSTD.name and not _is_frame(file, place):
            return False
        decoded = _trial(codec, window[at : at + _TRIAL])
        return decoded is not None and is_beginning(decoded)

    return lambda file, wanted, end: _search(file, wanted, end, _MEMBER[codec.name], sound)


def is_text(decoded: bytes) -> bool:
    """Whether decoded bytes may be a part of JSON lines."""
    return _CONTROL.search(decoded) is None


def _search(file: BinaryIO, wanted: int, end: int, sign: re.Pattern[bytes], check: Check) -> int | None:
    """The first place at or after `wanted` where `sign` stands and the check holds."""
    at, last = wanted, min(end, wanted + SEARCHED)
    while at < last:
        file.seek(at)
        window = file.read(WINDOW)
        if not window:
            return None
        for match in sign.finditer(window):
            place = at + match.start()
            if wanted <= place < last and check(file, window, match.start(), place):
                return place
        if at + len(window) >= end:
            return None
        at += max(1, len(window) - _OVERLAP)
    return None


def _trial(codec: Codec, data: bytes) -> bytes | None:
    """What the beginning of a member decodes to; None if it is not one."""
    decoder: Any = codec.new()
    out = b""
    for at in range(0, len(data), codec.step):
        try:
            out += decoder.decompress(data[at : at + codec.step])
        except codec.errors:
            return None
        if decoder.eof or len(out) > _TRIAL:
            break
    return out


# zstd -------------------------------------------------------------------------------------------------------------


def _is_frame(file: BinaryIO, at: int) -> bool:
    """Whether a frame begins here: its blocks follow each other, to its end or for a while (RFC 8878, section 3.1)."""
    file.seek(at)
    head = file.read(18)
    if len(head) < 6 or head[4] & 0x08:  # a reserved bit
        return False
    flags = head[4]
    single, checksum = bool(flags & 0x20), bool(flags & 0x04)
    size = 5 + (not single) + (0, 1, 2, 4)[flags & 3] + ((1 if single else 0), 2, 4, 8)[flags >> 6]
    at += size
    for _ in range(_BLOCKS):
        file.seek(at)
        block = file.read(3)
        if len(block) < 3:
            return False
        last, kind, length = block[0] & 1, block[0] >> 1 & 3, int.from_bytes(block, "little") >> 3
        if kind == 3 or length > _MOST_BLOCK:
            return False
        at += 3 + (1 if kind == 1 else length)
        if last:
            file.seek(at + 4 * checksum)
            after = file.read(4)
            return not after or after.startswith(ZSTD.magics)
    return True


def frame_starts(file: BinaryIO, size: int) -> list[int] | None:
    """Where the frames of a zstd-seekable file begin, by the table at its end; None if it has none that adds up."""
    if size < 17:
        return None
    file.seek(size - _SEEK_TABLE.size)
    count, descriptor, magic = _SEEK_TABLE.unpack(file.read(_SEEK_TABLE.size))
    width = 12 if descriptor & 0x80 else 8
    length = count * width
    if magic != _SEEK_MAGIC or descriptor & 0x7C or length + 17 > size:
        return None
    file.seek(size - _SEEK_TABLE.size - length)
    table = file.read(length)
    starts, at = [], 0
    for entry in range(0, length, width):
        starts.append(at)
        at += int.from_bytes(table[entry : entry + 4], "little")
    return starts if at == size - _SEEK_TABLE.size - length - 8 else None


def table_cut(starts: Sequence[int]) -> Callable[[BinaryIO, int, int], int | None]:
    """Finds the first of known places at or after another."""

    def cut(file: BinaryIO, wanted: int, end: int) -> int | None:
        at = bisect_left(starts, wanted)
        return starts[at] if at < len(starts) and starts[at] < end else None

    return cut

"""Compressed members: gzip (RFC 1952), zstd (RFC 8878, with the dictionaries of the WARC-zstd draft), bzip2, xz.

An archive is a chain of members, usually one per record. A decompressor gets a small piece at a time (`step`), so that
one call yields tens of megabytes at most, even for a bomb: deflate expands up to 1,032 times, a zstd block far more. Of
bzip2, 785 bytes are a gigabyte; so it and xz have a limit, and are called again for the rest (`pending`).
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import zstandard

from stages.errors import ShardError

_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = tuple(bytes([low, 0x2A, 0x4D, 0x18]) for low in range(0x50, 0x60))
_DICTIONARY = b"\x5d\x2a\x4d\x18"
_MAX_DICTIONARY = 32 << 20  # bytes: a limit of ours, against hostile files
_MAX_XZ = 128 << 20  # bytes of memory: `xz -9` needs 65 MiB; a file that wants more is refused as damaged
_MOST_OUT = 16 << 20  # bytes that one call gives where that can be limited
_MAX_WINDOW = 128 << 20  # bytes: what `zstd --long` needs; a decoder may allocate as much


@dataclass(frozen=True)
class Codec:
    """A compression format: how its members begin, and how to decode them."""

    name: str
    magics: tuple[bytes, ...]
    step: int  # bytes that the decompressor gets at a time
    trial: int  # bytes of a supposed member that show whether it is one: its header and a block
    new: Callable[[], Any]  # a decompressor with decompress(), eof and unused_data, as in zlib and bz2
    errors: tuple[type[Exception], ...]


class _Bounded:
    """A decompressor of `bz2` or `lzma` that gives so much at a time. What it holds back, it gives for no input."""

    def __init__(self, decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._decompressor = decompressor

    def decompress(self, piece: bytes) -> bytes:
        return self._decompressor.decompress(piece, _MOST_OUT)

    @property
    def pending(self) -> bool:
        return not self.eof and not self._decompressor.needs_input

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data


def _bzip2_decompressor() -> _Bounded:
    return _Bounded(bz2.BZ2Decompressor())


def _xz_decompressor() -> _Bounded:
    return _Bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_XZ))


def pending(decompressor: Any) -> bool:
    """Whether it holds back what it has decoded, and has to be called without input for it."""
    return bool(getattr(decompressor, "pending", False))


def _zstd_decompressor(dictionary: bytes | None) -> Any:
    data = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
    return zstandard.ZstdDecompressor(dict_data=data, max_window_size=_MAX_WINDOW).decompressobj()


def zstd(dictionary: bytes | None = None) -> Codec:
    """zstd frames that were compressed with this dictionary; skippable frames decode to nothing."""
    new = partial(_zstd_decompressor, dictionary)
    return Codec("zstd", (_ZSTD, *_SKIPPABLE), 1 << 9, 1 << 18, new, (zstandard.ZstdError,))


# zlib's 31 stands for a window of 2¹⁵ bytes and gzip's header, 15 for zlib's header, -15 for none.
GZIP = Codec("gzip", (b"\x1f\x8b\x08",), 1 << 14, 1 << 11, partial(zlib.decompressobj, 31), (zlib.error,))
DEFLATE = Codec("deflate", (), 1 << 14, 0, partial(zlib.decompressobj, 15), (zlib.error,))
RAW_DEFLATE = Codec("raw deflate", (), 1 << 14, 0, partial(zlib.decompressobj, -15), (zlib.error,))
BZIP2 = Codec("bzip2", (b"BZh",), 1 << 9, 1 << 20, _bzip2_decompressor, (OSError, ValueError))
XZ = Codec("xz", (b"\xfd7zXZ\0",), 1 << 9, 1 << 20, _xz_decompressor, (lzma.LZMAError,))
ZSTD = zstd()
CODECS = {".gz": GZIP, ".zst": ZSTD, ".zstd": ZSTD, ".bz2": BZIP2, ".xz": XZ}


def codec_of(head: bytes, file: BinaryIO, key: str) -> Codec | None:
    """Recognise the codec of a file that begins with `head`; None if it is not compressed.

    Reads the dictionary if a zstd file begins with one, and may leave the file at any position. Raises ShardError for a
    dictionary that cannot be read.
    """
    if head.startswith(_DICTIONARY):
        return zstd(_read_dictionary(file, key))
    return next((codec for codec in (GZIP, ZSTD, BZIP2, XZ) if head.startswith(codec.magics)), None)


def _read_dictionary(file: BinaryIO, key: str) -> bytes:
    """Read the dictionary from the skippable frame at the file's start; it may be compressed itself."""
    file.seek(0)
    frame = file.read(8)
    size = int.from_bytes(frame[4:], "little")
    content = file.read(min(size, _MAX_DICTIONARY))
    if len(frame) < 8 or len(content) < size:
        raise ShardError(
            f"{key}: its zstd dictionary is cut or longer than {_MAX_DICTIONARY} bytes ({len(content)} of {size} bytes "
            "read); nothing in the file can be decoded without it"
        )
    if not content.startswith(_ZSTD):
        return content
    dictionary, end = expand(ZSTD, content, _MAX_DICTIONARY)
    if end != "whole":
        raise ShardError(
            f"{key}: its zstd dictionary is damaged ({end}); nothing in the file can be decoded without it"
        )
    return dictionary


def feed(decompressor: Any, codec: Codec, piece: bytes) -> tuple[bytes, Exception | None]:
    """Decode `piece`. Returns what it decodes to, and the error that ended it, if any.

    zlib discards what it decoded in a call that fails, so the piece is then fed to it again a byte at a time.
    """
    spare = decompressor.copy() if hasattr(decompressor, "copy") else None
    try:
        return decompressor.decompress(piece), None
    except codec.errors as error:
        return (b"" if spare is None else _salvage(spare, codec, piece)), error


def _salvage(decompressor: Any, codec: Codec, piece: bytes) -> bytes:
    out = bytearray()
    for at in range(len(piece)):
        try:
            out += decompressor.decompress(piece[at : at + 1])
        except codec.errors:
            break
    return bytes(out)


def expand(codec: Codec, data: bytes, limit: int) -> tuple[bytes, str]:
    """Decode the members in `data` one after another. Returns the bytes, and how decoding ended:

    `whole` · `cut` (data ended within a member) · `large` (more than `limit` bytes; `limit` + 1 are returned) ·
    `corrupt` (what was decoded before the error is returned). Bytes after the last member are ignored.
    """
    out = bytearray()
    decompressor, at = codec.new(), 0
    while at < len(data) or pending(decompressor):
        piece = b"" if pending(decompressor) else data[at : at + codec.step]
        decoded, error = feed(decompressor, codec, piece)
        out += decoded
        at += len(piece) - len(decompressor.unused_data)
        if len(out) > limit:
            return bytes(out[: limit + 1]), "large"
        if error is not None:
            return bytes(out), "corrupt"
        if decompressor.eof:
            if not (codec.magics and data.startswith(codec.magics, at)):
                return bytes(out), "whole"
            decompressor = codec.new()
    return bytes(out), "whole" if decompressor.eof else "cut"

"""Decode the payload of an HTTP response (transfer and content codings), and check whether it is a page at all.

The headers of archived responses are unreliable: crawlers decode the payload and leave the header, or strip the header
and leave the coding. So a coding is undone if the header names it *and* the bytes agree, or if the bytes alone leave no
doubt (gzip's magic number, a complete walk of chunks). Every step stops at the limit, so a bomb costs no more than a
page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import brotli

from refinedweb.sources.compression import DEFLATE, GZIP, RAW_DEFLATE, ZSTD, expand

_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]{0,1024})?\r?\n")
_MARKUP = re.compile(
    rb"\s*<(?:!doctype|!--|\?xml|html|head|body|title|meta|script|table|div|h1|p|a|br)\b|\s*<!--", re.I
)
# The root of XHTML, after declarations and comments.
_XHTML = re.compile(
    rb"(?:\s++|<\?[^>]{0,1000}+>|<!--(?:[^-]++|-(?!->))*+-->|<!doctype[^>]{0,1000}+>)*+<(?:[\w.-]{1,20}:)?html[\s>]",
    re.I,
)
_BOM = re.compile(rb"^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)")
_BINARY = (
    b"%PDF-",
    b"\x89PNG\r\n",
    b"GIF8",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"RIFF",
    b"OggS",
    b"ID3",
    b"\x7fELF",
    b"wOFF",
    b"wOF2",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\xd0\xcf\x11\xe0",
    b"SQLite format",
)
_MAX_LAYERS = 4  # of codings within codings: a limit of ours; real responses have one, rarely two
_SNIFFED = 2048  # first bytes that show what a payload is; browsers take 1445


@dataclass(frozen=True)
class Payload:
    """A decoded payload, and what is wrong with it: None, `cut`, `large` or `corrupt`."""

    body: bytes
    fault: str | None


def decode_payload(body: bytes, fields: Mapping[str, str], limit: int) -> Payload:
    """Undo all codings of a payload, to `limit` bytes and hardly more. `fields` has lower-case names."""
    body, fault = _dechunked(body, fields.get("transfer-encoding", ""), limit)
    for coding in reversed(_tokens(fields.get("content-encoding", ""))[:_MAX_LAYERS]):
        undo = _CODINGS.get(coding)
        if undo is not None and body and fault != "large":
            body, fault = _undone(undo, body, limit, fault)
    for _ in range(_MAX_LAYERS):
        if fault in ("large", "corrupt") or not body.startswith(GZIP.magics):
            break
        body, fault = _undone(_GUNZIP, body, limit, fault)
    return Payload(body, "large" if len(body) > limit else fault)


def _tokens(field: str) -> list[str]:
    return [token for token in re.split(r"[,;\s]+", field.lower()) if token]


def _undone(undo: Decoder, body: bytes, limit: int, fault: str | None) -> tuple[bytes, str | None]:
    """Undo one coding. Bytes that are not in this coding at all but look like markup are left as they are."""
    out, end = undo(body, limit)
    if end == "corrupt" and not out and is_markup(body):
        return body, fault
    if end == "large":
        return out, "large"
    return out, "corrupt" if "corrupt" in (end, fault) else "cut" if "cut" in (end, fault) else None


# Chunks ---------------------------------------------------------------------------------------------------------


def _dechunked(body: bytes, field: str, limit: int) -> tuple[bytes, str | None]:
    declared = "chunked" in field.lower()
    if not declared and not (_CHUNK_SIZE.match(body) and body[-64:].rstrip(b"\r\n").endswith(b"0")):
        return body, None
    out, end = dechunk(body, limit)
    if end == "plain" or (not declared and end != "whole"):
        return body, None
    return out, None if end == "whole" else end


def dechunk(body: bytes, limit: int) -> tuple[bytes, str]:
    """Join the chunks of `body` (RFC 9112, section 7.1). Returns the bytes, and how the chunks ended:

    `whole` · `cut` · `corrupt` (a chunk without a size) · `large` (over `limit` bytes) · `plain` (not a single chunk:
    the body is not chunked).
    """
    out = bytearray()
    at = 0
    while True:
        size = _CHUNK_SIZE.match(body, at)
        if size is None:
            return bytes(out), "plain" if at == 0 else "whole" if not body[at:].strip() else _broken(body, at)
        length, start = int(size[1], 16), size.end()
        if length == 0:
            return bytes(out), "whole"
        out += body[start : start + min(length, limit + 1 - len(out))]
        if len(out) > limit:
            return bytes(out), "large"
        if start + length > len(body):
            return (bytes(out), "cut") if at else (bytes(out), _first_chunk(body, start))
        at = start + length
        at += 2 if body.startswith(b"\r\n", at) else 1 if body.startswith(b"\n", at) else 0


def _broken(body: bytes, at: int) -> str:
    """Bytes that are not a chunk size are `cut` if the body ends within them, else `corrupt`."""
    return "cut" if len(body) - at < 16 and b"\n" not in body[at:] else "corrupt"


def _first_chunk(body: bytes, start: int) -> str:
    """A first chunk that is longer than the body is `cut`, unless what looks like its size is text: then `plain`."""
    return "cut" if start < len(body) else "plain"


# Content codings ------------------------------------------------------------------------------------------------


def _deflate(body: bytes, limit: int) -> tuple[bytes, str]:
    """Decode `deflate`, which is zlib by its standard and raw deflate by habit."""
    zlib_header = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    first, second = (DEFLATE, RAW_DEFLATE) if zlib_header else (RAW_DEFLATE, DEFLATE)
    out, end = expand(first, body, limit)
    return expand(second, body, limit) if end == "corrupt" and not out else (out, end)


def _brotli(body: bytes, limit: int) -> tuple[bytes, str]:
    decompressor = brotli.Decompressor()
    out = bytearray()
    try:
        out += decompressor.process(body, output_buffer_limit=limit + 1)
        while not decompressor.is_finished() and len(out) <= limit:
            more = decompressor.process(b"", output_buffer_limit=limit + 1)
            if not more:
                return bytes(out), "cut"
            out += more
    except brotli.error:
        return bytes(out), "corrupt"
    return bytes(out[: limit + 1]), "large" if len(out) > limit else "whole"


def _gunzip(body: bytes, limit: int) -> tuple[bytes, str]:
    """Decode gzip as browsers do: neither a wrong checksum after the last byte matters, nor a missing one."""
    return expand(GZIP, body, limit)


Decoder = Callable[[bytes, int], tuple[bytes, str]]
_GUNZIP: Decoder = _gunzip
_CODINGS: dict[str, Decoder] = {
    "gzip": _GUNZIP,
    "x-gzip": _GUNZIP,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": partial(expand, ZSTD),
}


# Is it a page? --------------------------------------------------------------------------------------------------


def is_markup(body: bytes) -> bool:
    """Whether the first bytes look like HTML (WHATWG MIME Sniffing, section 7.1, a little wider)."""
    head = _BOM.sub(b"", body[:_SNIFFED]).replace(b"\0", b"")
    return _MARKUP.match(head) is not None


def is_xhtml(body: bytes) -> bool:
    """Whether an XML document is a page: its root is `html`."""
    head = _BOM.sub(b"", body[:_SNIFFED]).replace(b"\0", b"")
    return _XHTML.match(head) is not None


def is_binary(body: bytes) -> bool:
    """Whether the first bytes are those of another kind of document (image, PDF, archive)."""
    return body.startswith(_BINARY)

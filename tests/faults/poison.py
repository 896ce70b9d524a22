"""Pages made to hang, exhaust or crash whatever reads them, and texts that are as bad."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import brotli

from refinedweb.sources import SourceOptions
from tests.refinedweb.sources.archives import http, warc

SENTENCE = "The quick brown fox jumps over the lazy dog while the old farmer watches them from the wooden gate. "
MIB = 1 << 20
LARGEST = SourceOptions.max_bytes
END = b"\r\n\r\n"

Record = Sequence[bytes]


def noise(size: int, alphabet: bytes) -> bytes:
    """`size` random bytes of the alphabet, always the same ones."""
    return bytes(random.Random(size).choices(alphabet, k=size))


def _laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY l0 "lol">{entities}]><html><p>&l9;</p></html>'.encode()


def _columns(cells: int) -> bytes:
    cell = b"<tr><td colspan=9007199254740991 rowspan=9007199254740991>cell</td></tr>"
    return b"<table>" + cell * cells + b"</table>"


# What a server may send as the body of a page, labelled text/html.
PAGES: dict[str, Callable[[], bytes]] = {
    "nesting of 100,000": lambda: b"<div>" * 100_000 + SENTENCE.encode() + b"</div>" * 100_000,
    "nested tables": lambda: b"<table><tr><td>" * 20_000 + SENTENCE.encode(),
    "nested inline elements": lambda: b"<b><i><a href=x>word " * 10_000,
    "colspan 9007199254740991": lambda: _columns(2_000),
    "billion laughs": _laughs,
    "entities": lambda: b"<p>" + b"&amp;&lt;&#1234;&#x1F600;" * 209_000,
    "5 MB in one text node": lambda: b"<html><p>" + (SENTENCE.encode() * 60_000)[: LARGEST - 9],
    "5 MB in one line without spaces": lambda: b"<html><p>" + b"a" * (LARGEST - 9),
    "10 MB data URI": lambda: b"<html><img src='data:image/png;base64," + b"QUJD" * (2 * MIB) + b"'><p>hello",
    "endless URL": lambda: b"<html><p>" + b"http://" * 500_000 + b")" * 500_000,
    "endless address": lambda: b"<html><p>" + b"a@a." * 1_000_000,
    "endless number": lambda: b"<html><p>" + b"1.1." * 1_000_000,
    "unclosed attribute": lambda: b"<html><a href='" + b"x>" * 1_000_000,
    "50,000 attributes": lambda: b"<html><div " + b" ".join(b"a%d=1" % n for n in range(50_000)) + b">x",
    "comments that do not end": lambda: b"<html><!--" + b"<!-- -" * 500_000,
    "300,000 line breaks": lambda: b"<html><p>a" + b"<br>b" * 300_000,
    "300,000 list items": lambda: b"<html><ul>" + b"<li>one thing" * 300_000,
    "script that is not closed": lambda: b"<html><script>" + b"</scrip" * 500_000,
    "bytes that are not UTF-8": lambda: b"<html><p>" + noise(MIB, bytes(range(128, 256))),
    "UTF-8 cut at every place": lambda: b"<html><p>" + "€😀é".encode()[:-1] * 100_000,
    "half surrogates in UTF-16": lambda: b"\xff\xfe" + "<html><p>".encode("utf-16-le") + b"\x00\xd8" * 200_000,
    "UTF-16 of odd length": lambda: "<html><p>text".encode("utf-16") + b"\x00",
    "NUL bytes": lambda: b"<html><p>" + b"\0" * MIB,
    "NUL between letters": lambda: b"<html><p>" + b"w\0o\0r\0d\0 " * 100_000,
    "random bytes after a tag": lambda: b"<html>" + noise(MIB, bytes(range(256))),
    "right to left marks": lambda: b"<html><p>" + "\u202e\u200f\u2066 a ".encode() * 100_000,
    "combining marks": lambda: b"<html><p>a" + "\u0301".encode() * MIB,
    "quotes": lambda: b"<html " + b"=\"'" * 500_000,
    "declared charsets": lambda: b"".join(b"<meta charset=x%d>" % n for n in range(50_000)) + b"<p>\xff\xfe\x80",
}  # fmt: skip


def bomb(size: int) -> bytes:
    """`size` zeros as gzip, which takes a thousandth of that."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = b"\0" * MIB
    return b"".join(packer.compress(piece) for _ in range(size // MIB)) + packer.flush()


def brotli_bomb(size: int) -> bytes:
    """`size` letters as brotli, which takes a millionth of that."""
    packer = brotli.Compressor(quality=3)
    piece = b"a" * MIB
    return b"".join(packer.process(piece) for _ in range(size // MIB)) + bytes(packer.finish())


def _coded(coding: str, body: Callable[[], bytes]) -> Callable[[int], Record]:
    return lambda n: [warc(http(body(), content_encoding=coding), number=n)]


def _long_text(number: int) -> Record:
    """200 MB of one text, a piece at a time."""
    piece, pieces = b"word " * 200_000, 200
    head = http(b"<html><p>")
    start = warc(head, number=number, content_length=str(len(head) + pieces * len(piece)))
    return [start.removesuffix(END), *[piece] * pieces, END]


def _fields(count: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + b"X-Y: z\r\n" * count + b"\r\n<html><p>hello"


def _length(length: str) -> Callable[[int], Record]:
    return lambda n: [warc(http(SENTENCE.encode() * 50), number=n, content_length=length)]


# What a server or a crawler may put around the body: the pieces of a whole record, given its number.
RECORDS: dict[str, Callable[[int], Record]] = {
    "200 MB text node": _long_text,
    "gzip bomb": _coded("gzip", lambda: bomb(128 * MIB)),
    "gzip bomb in gzip": _coded("gzip, gzip", lambda: gzip.compress(bomb(128 * MIB))),
    "brotli bomb": _coded("br", lambda: brotli_bomb(128 * MIB)),
    "deflate bomb": _coded("deflate", lambda: zlib.compress(b"\0" * (64 * MIB))),
    "endless chunk": lambda n: [warc(http(b"fffffffffffff\r\n<html>", transfer_encoding="chunked"), number=n)],
    "half a million empty lines": lambda n: [warc(b"HTTP/1.1 200 OK\r\n" + b"\r\n" * 500_000, number=n)],
    "50,000 header fields": lambda n: [warc(_fields(50_000), number=n)],
    "a header line of 4 MB": lambda n: [warc(b"HTTP/1.1 200 " + b"O" * (4 * MIB) + b"\r\n\r\n<html>", number=n)],
    "length too short": _length("300"),
    "length too long": _length("50000"),
    "length of a petabyte": _length(str(10**15)),
    "length of 200 digits": _length("9" * 200),
    "length of -1": _length("-1"),
    "length in letters": _length("many"),
    "an address of 100 kB": lambda n: [warc(http(), number=n, warc_target_uri="http://example.org/" + "a/" * 50_000)],
    "an id that climbs": lambda n: [warc(http(), number=n, warc_record_id="<urn:uuid:" + "../" * 20_000 + ">")],
    "a date of nonsense": lambda n: [warc(http(), number=n, warc_date="9" * 1000)],
}
# A header that no reader accepts: there is no document to count, only a Damage that names the place.
BEYOND_BELIEF = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.org/" + b"a/" * MIB + END


def record(name: str, number: int) -> Record:
    """The pieces of the WARC record with this poison."""
    return [warc(http(_body(name)), number=number)] if name in PAGES else RECORDS[name](number)


@cache
def _body(name: str) -> bytes:
    return PAGES[name]()


def member(pieces: Record) -> Iterator[bytes]:
    """The record as one gzip member."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    yield from (packer.compress(piece) for piece in pieces)
    yield packer.flush()


# Texts as a stage may get them: what is left of such pages, or the texts of a JSONL or Parquet input. `n` makes them
# longer, to measure whether time grows with length.
TEXTS: dict[str, Callable[[int], str]] = {
    "one line": lambda n: (SENTENCE * (52 * n))[: 5000 * n],
    "one token repeated": lambda n: "word " * (1000 * n),
    "one letter repeated": lambda n: "a" * (5000 * n),
    "tiny paragraphs": lambda n: "a\n" * (1000 * n),
    "blank lines": lambda n: "a" + "\n" * (5000 * n) + "b",
    "NULs": lambda n: "\0" * (5000 * n),
    "NULs in words": lambda n: "w\0rd " * (1000 * n),
    "spaces": lambda n: "a" + " " * (5000 * n) + "b",
    "Unicode spaces": lambda n: "\u2003\u00a0\u3000" * (1500 * n),
    "combining marks": lambda n: "a" + "\u0301" * (2500 * n),
    "emoji": lambda n: "👩‍👩‍👧‍👦" * (200 * n),
    "noncharacters": lambda n: "\ufffe\uffff\ufdd0\U0010ffff" * (400 * n),
    "replacement characters": lambda n: "\ufffd" * (1700 * n),
    "addresses": lambda n: "a@a." * (1250 * n),
    "numbers": lambda n: "1.1." * (1250 * n),
    "brackets": lambda n: "([{<" * (1250 * n),
    "bullets and dots": lambda n: "- x ...\n" * (600 * n),
    "half of one line twice": lambda n: ("abcdefghij" * 300 + " ") * n,
    "every line another": lambda n: "".join(f"line {k} of many\n" for k in range(300 * n)),
    "slashes": lambda n: "http://" * (700 * n),
    "Chinese without a space": lambda n: "的一是在不了有和人这" * (160 * n),
}  # fmt: skip

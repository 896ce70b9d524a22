"""Turns pages into WARC records (ISO 28500), laid out like Common Crawl's; their bytes do not depend on the machine.

Deflate streams are written into hand-made gzip members, because Python's own header differs between platforms.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import brotli
import zstandard

from refinedweb.sample.pages import SamplePage

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:refinedweb:sample")


@dataclass(frozen=True)
class RecordDetails:
    """How a record is written: the WARC version of its file, and its date."""

    version: str
    date: datetime

    @property
    def timestamp(self) -> str:
        """The date as WARC writes it: WARC/1.0 with seconds, WARC/1.1 with fractions of a second."""
        return self.date.strftime("%Y-%m-%dT%H:%M:%SZ" if self.version == "1.0" else "%Y-%m-%dT%H:%M:%S.250Z")


def record_id(kind: str, page: SamplePage) -> str:
    """The id of a page's record of this type, without `<urn:uuid:` … `>`."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind} {page.url}{' again' if page.again else ''}"))


def gzip_member(data: bytes) -> bytes:
    """One gzip member, without name and time."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(data) + deflate.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + packed + struct.pack("<II", zlib.crc32(data), len(data))


def zstd_frame(data: bytes) -> bytes:
    """One zstd frame, with its content size and without a checksum."""
    return zstandard.ZstdCompressor(level=19).compress(data)


def digest(data: bytes) -> str:
    """The digest as WARC files write it."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def _chunked(data: bytes, size: int = 700) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _cut(data: bytes) -> bytes:
    return data[: data.index(b"From here on everything is lost") + 90]


_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip_member,
    "br": lambda data: bytes(brotli.compress(data, quality=9)),
    "deflate": lambda data: zlib.compress(data, 9),
    "chunked": _chunked,
    "cut": _cut,
}
_ENCODING_FIELDS = {
    "gzip": "Content-Encoding: gzip",
    "br": "Content-Encoding: br",
    "deflate": "Content-Encoding: deflate",
    "chunked": "Transfer-Encoding: chunked",
    "gzip-decoded": "X-Crawl-Content-Encoding: gzip",
    "false-gzip": "Content-Encoding: gzip",
}


def wire_body(page: SamplePage) -> tuple[list[str], bytes]:
    """Header fields of the encodings (`gzip+chunked` are two), and the body as sent.

    `gzip-decoded` is what Common Crawl writes: a renamed field and a plain body. `false-gzip` claims an encoding that
    the body does not have.
    """
    data, steps = page.payload, page.body.split("+")
    for step in steps:
        data = _ENCODERS.get(step, bytes)(data)
    return [_ENCODING_FIELDS[step] for step in steps if step in _ENCODING_FIELDS], data


def content_type(page: SamplePage) -> list[str]:
    """The Content-Type field, with the charset if the page declares it there."""
    label = {"header": page.charset, "both": page.charset, "wrong": "utf-8", "latin1-label": "ISO-8859-1"}
    charset = label.get(page.declared)
    if page.content_type is None:
        return []
    plain = charset is None or "charset" in page.content_type
    return [f"Content-Type: {page.content_type}" + ("" if plain else f"; charset={charset}")]


def http_response(page: SamplePage) -> tuple[bytes, bytes]:
    """HTTP head (with its empty line) and body."""
    encoding, body = wire_body(page)
    fields = ["Server: sample", *content_type(page), *page.headers, *encoding]
    if page.body == "identity":
        fields.append(f"Content-Length: {len(body)}")
    return "\r\n".join([f"HTTP/1.1 {page.status}", *fields, "", ""]).encode(), body


def record(kind: str, identity: str, block: bytes, fields: Sequence[str], at: RecordDetails) -> bytes:
    """The bytes of one record, before compression."""
    head = [
        f"WARC/{at.version}",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{identity}>",
        f"WARC-Date: {at.timestamp}",
        *fields,
        f"Content-Length: {len(block)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + block + b"\r\n\r\n"


def warcinfo(name: str, at: RecordDetails) -> bytes:
    """The first record of a file."""
    text = f"isPartOf: CC-MAIN-2026-46\r\npublisher: written by hand\r\nformat: WARC File Format {at.version}\r\n"
    fields = [f"WARC-Filename: {name}", "Content-Type: application/warc-fields"]
    return record("warcinfo", str(uuid.uuid5(_NAMESPACE, name)), text.encode(), fields, at)


def response(page: SamplePage, at: RecordDetails) -> bytes:
    """The response record of a page."""
    head, body = http_response(page)
    fields = [
        f"WARC-Target-URI: {page.url}",
        "WARC-IP-Address: 192.0.2.1",
        "Content-Type: application/http; msgtype=response",
        f"WARC-Payload-Digest: {digest(body)}",
        f"WARC-Block-Digest: {digest(head + body)}",
    ]
    if page.body == "cut":
        fields.append("WARC-Truncated: length")
    if page.content_type is not None:
        fields.append(f"WARC-Identified-Payload-Type: {page.content_type.partition(';')[0]}")
    return record("response", record_id("response", page), head + body, fields, at)


def request(page: SamplePage, at: RecordDetails) -> bytes:
    """The request record of a page."""
    parts = urlsplit(page.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    block = f"GET {target} HTTP/1.1\r\nUser-Agent: samplebot\r\nAccept-Language: en\r\nHost: {parts.netloc}\r\n\r\n"
    fields = [f"WARC-Target-URI: {page.url}", "Content-Type: application/http; msgtype=request"]
    return record("request", record_id("request", page), block.encode(), fields, at)


def metadata(page: SamplePage, at: RecordDetails) -> bytes:
    """The crawler's notes on a page."""
    text = f"fetchTimeMs: 41\r\ncharset-detected: {page.charset}\r\n"
    fields = [f"WARC-Target-URI: {page.url}", "Content-Type: application/warc-fields"]
    fields.append(f"WARC-Concurrent-To: <urn:uuid:{record_id('response', page)}>")
    return record("metadata", record_id("metadata", page), text.encode(), fields, at)


def revisit(page: SamplePage, at: RecordDetails) -> bytes:
    """A later visit to a page that had not changed: the HTTP head without the body."""
    head, body = http_response(page)
    fields = [
        f"WARC-Target-URI: {page.url}",
        f"WARC-Refers-To: <urn:uuid:{record_id('response', page)}>",
        "WARC-Profile: http://netpreserve.org/warc/1.0/revisit/identical-payload-digest",
        "Content-Type: application/http; msgtype=response",
        f"WARC-Payload-Digest: {digest(body)}",
    ]
    return record("revisit", record_id("revisit", page), head, fields, at)


def name_lookup(host: str, at: RecordDetails) -> bytes:
    """The DNS answer that some crawlers store: a record with a URI but without a page."""
    fields = [f"WARC-Target-URI: dns:{host}", "Content-Type: text/dns"]
    identity = str(uuid.uuid5(_NAMESPACE, f"dns:{host}"))
    return record("resource", identity, f"20261110\n{host}.\t300\tIN\tA\t192.0.2.1\n".encode(), fields, at)

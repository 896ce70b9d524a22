"""Build WARC and ARC files from bytes, in every compression, and read them."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import zstandard

from refinedweb.sources import Reader, SourceOptions, SourceReport, open_reader

DATE = "2024-12-01T10:20:30Z"
KEY = "crawl-data/CC-MAIN-2024-51/segments/1733066035857.0/warc/CC-MAIN-x-00000.warc.gz"


def warc(block: bytes, kind: str = "response", number: int = 0, version: str = "1.0", **fields: str | None) -> bytes:
    """A WARC record. A field of None is left out; `content_length="7"` overrides the true one."""
    head: dict[str, str | None] = {
        "warc_type": kind,
        "warc_record_id": f"<urn:uuid:00000000-0000-0000-0000-{number:012d}>",
        "warc_date": DATE,
        "warc_target_uri": f"http://example.org/{number}",
        "content_type": "application/http; msgtype=response" if kind == "response" else None,
        "content_length": str(len(block)),
        **fields,
    }
    lines = [f"{name.replace('_', '-').title()}: {value}" for name, value in head.items() if value is not None]
    return f"WARC/{version}\r\n".encode() + "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def http(body: bytes = b"<html><p>hello</p></html>", status: str = "200 OK", **fields: str) -> bytes:
    """An HTTP response, `text/html` unless `content_type` says otherwise (empty = no such field)."""
    head = {"content_type": "text/html", **fields}
    lines = [f"{name.replace('_', '-').title()}: {value}" for name, value in head.items() if value]
    return f"HTTP/1.1 {status}\r\n".encode() + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def page(number: int, words: int = 60) -> bytes:
    """A page that compresses badly enough to spread over the file."""
    text = " ".join(f"{(number * 7919 + word * 104729) % 1_000_003:x}" for word in range(words))
    return f"<html><title>{number}</title><p>{text}</p></html>".encode()


def archive(pages: int = 12) -> list[bytes]:
    """The records of a small crawl: a warcinfo, then a request and a response for each page."""
    info = b"software: tests\r\nisPartOf: TEST-2024\r\n"
    records = [warc(info, "warcinfo", 999, content_type="application/warc-fields", warc_target_uri=None)]
    for number in range(pages):
        records.append(warc(b"GET / HTTP/1.1\r\n\r\n", "request", 1000 + number))
        records.append(warc(http(page(number)), number=number))
    return records


def blocked_gzip(data: bytes, size: int = 700) -> bytes:
    """Members that end anywhere, as bgzip writes them."""
    return b"".join(gzip.compress(data[at : at + size], mtime=0) for at in range(0, len(data), size))


def zstd_with_dictionary(records: Sequence[bytes], compress_dictionary: bool) -> bytes:
    """The WARC-zstd draft: a skippable frame with the dictionary, then a frame per record."""
    content = zstandard.train_dictionary(4096, list(records) * 8).as_bytes()
    frames = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(content))
    stored = zstandard.compress(content) if compress_dictionary else content
    head = struct.pack("<II", 0x184D2A5D, len(stored)) + stored
    return head + b"".join(frames.compress(record) for record in records)


PER_RECORD: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "plain": b"".join,
    "gzip": lambda records: b"".join(gzip.compress(record, mtime=0) for record in records),
    "zstd": lambda records: b"".join(zstandard.compress(record) for record in records),
    "bzip2": lambda records: b"".join(bz2.compress(record) for record in records),
    "zstd with dictionary": lambda records: zstd_with_dictionary(records, False),
    "zstd with compressed dictionary": lambda records: zstd_with_dictionary(records, True),
}
WHOLE: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "gzip of all": lambda records: gzip.compress(b"".join(records), mtime=0),
    "gzip in blocks": lambda records: blocked_gzip(b"".join(records)),
    "zstd of all": lambda records: zstandard.compress(b"".join(records)),
    "bzip2 of all": lambda records: bz2.compress(b"".join(records)),
}


def read(
    data: bytes, key: str = "file.warc.gz", options: SourceOptions | None = None
) -> tuple[list[dict[str, Any]], SourceReport]:
    """All rows and the report of a file; checks the law of the report."""
    reader = open_reader(io.BytesIO(data), key, options)
    return rows_of(reader), reader.report


def rows_of(reader: Reader) -> list[dict[str, Any]]:
    """All rows of a reader; checks the law of its report."""
    rows = [row for table in reader.batches() for row in table.to_pylist()]
    report = reader.report
    assert report.rows == len(rows)
    assert report.records == report.rows + sum(report.skipped.values())
    return rows


def content(rows: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What a reader must return for any packing of the file: everything but the place."""
    return [(row["id"], row["url"], row["timestamp"], row["dump"], row["html"], row["drop"]) for row in rows]


def drops(rows: Iterable[dict[str, Any]]) -> Counter[str | None]:
    """The number of rows for each reason."""
    return Counter(row["drop"] for row in rows)

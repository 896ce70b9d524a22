"""Recognise the format of a file by its first bytes, or else by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from refinedweb.sources.base import NoDocuments, Part, SourceOptions, SourceReport
from refinedweb.sources.compression import CODECS, codec_of
from refinedweb.sources.framing import ARC, WARC
from refinedweb.sources.json_text import marked_encoding, wide_encoding
from refinedweb.sources.jsonl import JsonRows
from refinedweb.sources.places import NAMES
from refinedweb.sources.record_list import RecordListRows, is_record_list
from refinedweb.sources.separated import SeparatedRows, delimiter_of
from refinedweb.sources.stream import CHUNK, ByteStream
from refinedweb.sources.tabular import ParquetRows
from refinedweb.sources.warc import WarcRows
from stages.errors import ShardError

_MAGIC = 16  # first bytes that identify every compression
_SHOWN = 60  # bytes of an unknown file that the message shows
_PARQUET = b"PAR1"
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:["}]|$)|\[\s*(?:[\[\]{"]|$))')
_NAME = re.compile(r"\.(warc|wet|wat|arc|jsonl|ndjson|json|parquet|csv|tsv)(?:\.(?:gz|zst|zstd|bz2|xz|open))*$", re.I)
_BY_NAME = {
    "warc": "WARC",
    "wet": "WARC",
    "wat": "WARC",
    "arc": "ARC",
    "parquet": "Parquet",
    "csv": "CSV",
    "tsv": "CSV",
}
_ZIP = b"PK\x03\x04"
SUPPORTED = (
    "supported are WARC, WET and ARC (plain, .gz, .zst, .bz2, .xz), Parquet, JSON lines and arrays, and CSV and TSV"
)
_KINDS = {"WARC": "crawl archives", "ARC": "crawl archives", "Parquet": "Parquet", "JSON": "JSONL", "CSV": "CSV"}


def batches_of(
    file: BinaryIO, key: str, options: SourceOptions, report: SourceReport, part: Part | None = None
) -> Iterator[pa.Table]:
    """Read a file of any known format, or a part of it, as tables, filling `report`. Raises ShardError for an unknown
    format.
    """
    head = b""
    while len(head) < _MAGIC and (more := file.read(CHUNK)):
        head += more
    if not head:
        if _format(b"", key, damaged=True) == "Parquet":  # of all formats the one that never has 0 bytes
            raise ShardError(f"{key}: 0 bytes, which no Parquet file has: it was never finished; write it again")
        return
    if head.startswith(_PARQUET):
        parquet = ParquetRows(file, key, options, report, part)
        listed = is_record_list(parquet.schema(), options)
        yield from (RecordListRows(file, key, options, report, part) if listed else parquet).batches()
        return
    stream = _stream(file, key, head)
    name = _format(bytes(stream.buffer[:CHUNK]), key, damaged=stream.fault is not None)
    if name == "JSON":
        yield from JsonRows(stream, key, options, report, part).batches()
    elif name == "CSV":
        yield from SeparatedRows(stream, key, options, report).batches()
    elif name in ("WARC", "ARC"):
        yield from WarcRows(stream, WARC if name == "WARC" else ARC, key, options, report, part).batches()
    elif name is None and not stream.buffer and stream.fault is None:
        report.bytes_read = stream.bytes_read
    else:
        raise NoDocuments(f"{key}: {_found(head, bytes(stream.buffer[:_SHOWN]))}; {SUPPORTED}")


def format_of(content: bytes) -> str | None:
    """`WARC`, `ARC` or `JSON`, by the first decoded bytes; None if they do not show it."""
    return _format(content, "", damaged=False)


def kind_by_content(file: BinaryIO, key: str) -> str | None:
    """What kind of input a file is by its first bytes alone; None if they show none that can be read."""
    head = file.read(CHUNK)
    if head.startswith(_PARQUET):
        return _KINDS["Parquet"]
    if not head:
        return None
    stream = _stream(file, key, head)
    if stream.fault is not None and not stream.buffer:
        return None
    begin = bytes(stream.buffer[:CHUNK])
    name = _format(begin, "", damaged=False)
    if name is None and _format(begin, key, damaged=False) == "CSV" and _has_text(begin):
        name = "CSV"
    return None if name is None else _KINDS[name]


def _has_text(begin: bytes) -> bool:
    """Whether a table of values, which no bytes show, is one of documents: a name in its header says so."""
    text = begin.decode(marked_encoding(begin) or "utf-8", "replace").removeprefix("\ufeff")
    header = text.partition("\n")[0]
    names = {name.strip(' "\r') for name in header.split(delimiter_of(header))}
    return not names.isdisjoint((*NAMES["html"], *NAMES["text"]))


def _stream(file: BinaryIO, key: str, head: bytes) -> ByteStream:
    """The decoded file, its first bytes in the buffer. Compression is recognised by content, or by name if damaged."""
    codec = codec_of(head, file, key)
    if codec is None and _format(head, "", damaged=False) is None:
        codec = next((named for ending, named in CODECS.items() if key.lower().endswith(ending)), None)
    if file.tell() != len(head):
        file.seek(len(head))
    stream = ByteStream(file, codec, head)
    stream.need(CHUNK)
    return stream


def _format(content: bytes, key: str, damaged: bool) -> str | None:
    """`WARC`, `ARC`, `JSON` or `Parquet`; None if neither content nor name shows it.

    The name decides if the content is damaged or begins with something other than a record.
    """
    begin = content.lstrip()
    if wide_encoding(content) is not None:
        return "JSON"  # of all formats only text comes in such encodings
    if WARC.start.match(begin):
        return "WARC"
    if ARC.start.match(begin):
        return "ARC"
    if _JSON.match(begin):
        return "JSON"
    named = _NAME.search(key.partition("?")[0])
    if named is None or content.startswith(_ZIP):
        return None
    name = _BY_NAME.get(named[1].lower(), "JSON")
    return name if content or damaged else None


def _found(head: bytes, content: bytes) -> str:
    if head.startswith(_ZIP):
        return "this is a ZIP file (WACZ?); unpack it and give the WARC files in it"
    if head.startswith(b"%PDF"):
        return "this is a PDF document"
    shown = content or head[:_SHOWN]
    return f"unknown format; the file begins with {shown!r}"

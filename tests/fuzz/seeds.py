"""Sound files of every format, for damage to be done to."""

# ruff: noqa: E501  (a header of ARC is one line)

from __future__ import annotations

import gzip
import io
import json
import lzma
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.refinedweb.sources.archives import archive, http


def parquet() -> bytes:
    sink = io.BytesIO()
    table = pa.table(
        {"id": [str(n) for n in range(40)], "text": [f"text {n}" * n for n in range(40)], "url": ["u"] * 40}
    )
    pq.write_table(table, sink, row_group_size=8, write_page_checksum=True)
    return sink.getvalue()


JSONL = b"".join(json.dumps({"id": n, "text": "x" * n, "metadata": {"url": "u"}}).encode() + b"\n" for n in range(30))
DOCS = [{"id": n, "text": 'x\\"[{' * n, "metadata": {"url": "u", "n": [1.5, None]}} for n in range(12)]
TABLE = b'id,text,url\n1,"a ""b""\nc",u\n2,d,\n' + b"".join(b"%d,text %d,u\n" % (n, n) for n in range(20))
ARC = b"filedesc://x.arc 0.0.0.0 20240101000000 text/plain 20\n1 0 Alexa\n\nURL IP\n\n\nhttp://e.org/ 1.1.1.1 20240101000000 text/html 90\n"
SEEDS = {
    "warc": b"".join(archive(3)),
    "warc.gz": b"".join(gzip.compress(record, mtime=0) for record in archive(3)),
    "warc.zst": b"".join(zstandard.compress(record) for record in archive(3)),
    "arc": ARC + http(),
    "jsonl": JSONL,
    "jsonl.gz": gzip.compress(JSONL, mtime=0),
    "jsonl.xz": lzma.compress(JSONL),
    "frames.jsonl.zst": b"".join(zstandard.compress(JSONL[at : at + 200]) for at in range(0, len(JSONL), 200)),
    "array.json": json.dumps(DOCS).encode(),
    "indented.json": json.dumps(DOCS, indent=1).encode(),
    "objects.json": b"\n".join(json.dumps(doc, indent=1).encode() for doc in DOCS),
    "utf16.json": "".join(json.dumps(doc) + "\n" for doc in DOCS).encode("utf-16"),
    "utf32.json": json.dumps(DOCS).encode("utf-32-be"),
    "csv": TABLE,
    "tsv.csv": TABLE.replace(b",", b"\t"),
    "utf16.csv": TABLE.decode().encode("utf-16"),
    "parquet": parquet(),
}
CUT = ("warc", "warc.gz", "warc.zst", "jsonl", "frames.jsonl.zst", "parquet")  # those that can be read in parts


def record_places() -> bytes:
    """A list of the records of `warc.gz`, which is named `x.warc.gz`."""
    ends = list(accumulate(len(gzip.compress(record, mtime=0)) for record in archive(3)))
    starts = [0, *ends[:-1]]
    sizes = [end - start for start, end in zip(starts, ends, strict=True)]
    columns = {"warc_filename": ["x.warc.gz"] * len(ends), "warc_record_offset": starts, "warc_record_length": sizes}
    return _stored(pa.table({**columns, "crawl": ["CC-MAIN-2026-05"] * len(ends)}))


def index_rows() -> bytes:
    """A file of a crawl's index, in the columns that `select` reads."""
    rows = range(30)
    columns = {
        "url_host_name": ["a.example.org"] * 30, "url_host_tld": ["org" if n % 3 else "is" for n in rows],
        "url_path": [f"/{n}" for n in rows], "content_languages": ["isl,eng" if n % 2 else None for n in rows],
        "content_mime_detected": ["text/html"] * 30, "fetch_status": pa.array([200] * 30, pa.int16()),
        "warc_filename": ["x.warc.gz"] * 30, "warc_record_offset": list(rows), "warc_record_length": [7] * 30,
    }  # fmt: skip
    return _stored(pa.table(columns))


def _stored(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=10)
    return sink.getvalue()


# Recipes that name files.
ASSETS = [
    f'[[stage]]\nname = "{stage}"\n{name} = "{value}"\n'.encode()
    for stage, name in (("quality_v1", "stop_words"), ("badwords_v1", "lists"), ("language_v1", "model"))
    for value in ("words", f"words#sha256={'0' * 64}", "words#sha256=../../x", "s3://b/k#sha256=..")
]

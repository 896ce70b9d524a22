"""Sound files of every format, for damage to be done to."""

# ruff: noqa: E501  (a header of ARC is one line)

from __future__ import annotations

import gzip
import io
import json

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
ARC = b"filedesc://x.arc 0.0.0.0 20240101000000 text/plain 20\n1 0 Alexa\n\nURL IP\n\n\nhttp://e.org/ 1.1.1.1 20240101000000 text/html 90\n"
SEEDS = {
    "warc": b"".join(archive(3)),
    "warc.gz": b"".join(gzip.compress(record, mtime=0) for record in archive(3)),
    "warc.zst": b"".join(zstandard.compress(record) for record in archive(3)),
    "arc": ARC + http(),
    "jsonl": JSONL,
    "jsonl.gz": gzip.compress(JSONL, mtime=0),
    "parquet": parquet(),
}

# Recipes that name files.
ASSETS = [
    f'[[stage]]\nname = "{stage}"\n{name} = "{value}"\n'.encode()
    for stage, name in (("quality_v1", "stop_words"), ("badwords_v1", "lists"), ("language_v1", "model"))
    for value in ("words", f"words#sha256={'0' * 64}", "words#sha256=../../x", "s3://b/k#sha256=..")
]

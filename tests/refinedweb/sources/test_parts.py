"""A file that is read in parts gives the documents of the whole file, each once, in the same order."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from refinedweb.sources import Part, open_reader
from refinedweb.sources.base import SourceOptions
from refinedweb.sources.inputs import find, in_parts
from refinedweb.sources.parts import parts_of, target_of
from refinedweb.storage import Store
from tests.refinedweb.engine import inline
from tests.refinedweb.sources.archives import archive, http, warc

RECORDS = archive(60)
DOCS = [{"text": f"{'word ' * (n % 37)}{n}", "n": n, "id": str(n)} for n in range(400)]
LINES = b"".join(json.dumps(doc).encode() + b"\n" for doc in DOCS)


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def seekable(data: bytes, size: int) -> bytes:
    """zstd frames with a table of them at the end."""
    frames = [zstandard.compress(piece) for piece in chunks(data, size)]
    table = b"".join(struct.pack("<II", len(frame), size) for frame in frames)
    table += struct.pack("<IBI", len(frames), 0, 0x8F92EAB1)
    return b"".join(frames) + struct.pack("<II", 0x184D2A5E, len(table)) + table


def parquet(group: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(DOCS), sink, row_group_size=group)
    return sink.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "x.jsonl": lambda: LINES,
    "last-line.jsonl": lambda: LINES[:-1],
    "blank-lines.jsonl": lambda: LINES.replace(b"\n", b"\n\r\n\n"),
    "frames.jsonl.zst": lambda: b"".join(zstandard.compress(piece) for piece in chunks(LINES, 700)),
    "lines.jsonl.zst": lambda: b"".join(zstandard.compress(line) for line in LINES.splitlines(keepends=True)),
    "table.jsonl.zst": lambda: seekable(LINES, 777),
    "pzstd.jsonl.zst": lambda: b"".join(
        struct.pack("<III", 0x184D2A50, 4, len(piece)) + zstandard.compress(piece) for piece in chunks(LINES, 900)
    ),
    "members.jsonl.gz": lambda: b"".join(gzip.compress(piece, mtime=0) for piece in chunks(LINES, 900)),
    "x.parquet": lambda: parquet(23),
    "x.warc": lambda: b"".join(RECORDS),
    "x.warc.gz": lambda: b"".join(gzip.compress(record, mtime=0) for record in RECORDS),
    "x.warc.zst": lambda: b"".join(zstandard.compress(record) for record in RECORDS),
}


def rows(data: bytes, key: str, part: Part | None = None) -> list[dict[str, Any]]:
    reader = open_reader(io.BytesIO(data), key, None, part)
    found = [row for table in reader.batches() for row in table.to_pylist()]
    assert reader.report.damage == []
    return found


def without_lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "offset"} for row in rows]


@pytest.mark.parametrize("count", [2, 3, 7, 40])
@pytest.mark.parametrize("key", FILES)
def test_the_parts_of_a_file_are_the_file(key: str, count: int) -> None:
    data = FILES[key]()
    parts = parts_of(io.BytesIO(data), key, len(data), len(data) // count)
    assert 1 < len(parts) <= count + 1
    assert [part.number for part, _ in parts] == list(range(len(parts)))
    read = [rows(data, key, part) for part, _ in parts]
    assert sum(map(bool, read)) > 1
    found, whole = [row for some in read for row in some], rows(data, key)
    if "jsonl" in key:
        places = [row["offset"] for row in found]
        assert places == sorted(set(places))
        found, whole = without_lines(found), without_lines(whole)
    assert found == whole


@pytest.mark.parametrize("seed", range(6))
def test_any_members_and_any_cuts_lose_nothing(seed: int) -> None:
    dice = random.Random(seed)
    lines = [
        json.dumps({"text": "x" * dice.choice([1, 1, 9, 4000]), "id": str(n)}).encode() + b"\n" for n in range(150)
    ]
    data, at, members = b"".join(lines), 0, b""
    while at < len(data):
        size = dice.choice([1, 5, 60, 3000, 20_000, len(lines[0])])
        members += zstandard.compress(data[at : at + size])
        at += size
    parts = parts_of(io.BytesIO(members), "x.jsonl.zst", len(members), len(members) // 12)
    found = [row["id"] for part, _ in parts for row in rows(members, "x.jsonl.zst", part)]
    assert found == [str(n) for n in range(150)]


def test_what_cannot_be_cut_stays_whole() -> None:
    array = json.dumps(DOCS).encode()
    whole = {
        "one.jsonl.gz": gzip.compress(LINES),
        "one.jsonl.zst": zstandard.compress(LINES),
        "x.jsonl.bz2": b"".join(bz2.compress(piece) for piece in chunks(LINES, 900)),
        "array.json": array,
        "wide.jsonl": LINES.decode().encode("utf-16"),
        "rubbish.warc.gz": bytes(random.Random(0).randbytes(9000)),
        "cut.parquet": parquet(23)[:-9],
        "group.parquet": parquet(400),
        "one-member.warc.gz": gzip.compress(b"".join(RECORDS)),
    }
    for key, data in whole.items():
        assert parts_of(io.BytesIO(data), key, len(data), len(data) // 5) == [], key


def test_bytes_that_only_look_like_a_beginning_are_no_cut() -> None:
    """Members within members, records within pages, and magic numbers in noise."""
    inner = b"".join(gzip.compress(b"not a record" * 9) + b"\nWARC/1.0\r\nX" for _ in range(200))
    records = [warc(http(b"<p>" + inner), number=n) for n in range(9)]
    for key, data in (("x.warc", b"".join(records)), ("x.warc.gz", b"".join(gzip.compress(r, 0) for r in records))):
        parts = parts_of(io.BytesIO(data), key, len(data), len(data) // 6)
        assert len(parts) > 1
        found = [row["id"] for part, _ in parts for row in rows(data, key, part)]
        assert found == [row["id"] for row in rows(data, key)]


def test_parts_know_the_crawl_that_the_first_record_names() -> None:
    data = FILES["x.warc.gz"]()
    parts = parts_of(io.BytesIO(data), "x.warc.gz", len(data), len(data) // 5)
    assert {row["dump"] for part, _ in parts for row in rows(data, "x.warc.gz", part)} == {"TEST-2024"}


def test_a_dump_is_not_cut_and_a_large_file_is() -> None:
    options = SourceOptions()
    assert target_of([10**9] * 100_000, options) > 10**9
    assert round(200 * 10**9 / target_of([200 * 10**9], options)) > 500
    assert target_of([10**9], SourceOptions(part_bytes=0)) == 0


def test_inputs_are_cut_in_any_store(store: Store) -> None:
    for key, made in FILES.items():
        store.put(f"in/{key}", made())
    options = SourceOptions(part_bytes=2000)
    for key in FILES:
        whole = find([store.uri(f"in/{key}")], out="/nowhere").inputs
        parts = in_parts(whole, options)
        assert len(parts) > 1
        assert sum(part.size for part in parts) <= whole[0].size
        assert len({part.name for part in parts}) == len(parts)
        assert parts == in_parts(whole, options)


@pytest.mark.parametrize("key", ["x.jsonl", "table.jsonl.zst", "x.parquet", "x.warc.gz"])
def test_a_run_over_parts_has_the_corpus_of_a_run_over_the_file(tmp_path: Path, key: str) -> None:
    path = tmp_path / key
    path.write_bytes(FILES[key]())
    corpora = []
    for name, size in (("parts", path.stat().st_size // 6), ("whole", 0)):
        out = tmp_path / name
        result = inline.run("sample_v1", [path], out, "sample_v1.share=0.5", f"source.part_bytes={size}")
        assert (result.exit_code, result.totals.tasks > 1) == (0, name == "parts")
        corpora.append([row["id"] for row in inline.rows_of(out, "corpus")])
    assert corpora[0] == corpora[1]
    assert corpora[0]


def test_the_limit_of_documents_counts_for_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(LINES)
    result = inline.run("sample_v1", [path], tmp_path / "out", "limit=3", "source.part_bytes=1000")
    assert result.totals.rows_in == 3

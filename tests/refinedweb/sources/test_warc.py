"""WARC, WET and ARC files: one row or one counted skip per record, whatever the packing, and where each came from."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from refinedweb.sources import SourceOptions, open_reader
from stages.errors import ShardError
from stages.schema import DOCUMENT
from tests.conftest import ROOT
from tests.refinedweb.sources.archives import (
    DATE,
    KEY,
    PER_RECORD,
    WHOLE,
    archive,
    content,
    drops,
    http,
    page,
    read,
    rows_of,
    warc,
)

RECORDS = archive()


@pytest.mark.parametrize("packing", [*PER_RECORD, *WHOLE])
def test_every_packing_gives_the_same_rows(packing: str) -> None:
    pack = (PER_RECORD | WHOLE)[packing]
    rows, report = read(pack(RECORDS))
    assert [row["html"] for row in rows] == [page(number) for number in range(12)]
    assert content(rows) == content(read(b"".join(RECORDS))[0])
    assert report.skipped == {"warcinfo": 1, "request": 12}
    assert report.damage == []
    assert report.bytes_read == len(pack(RECORDS))


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd", "bzip2"])
def test_offset_and_length_fetch_the_record_again(packing: str) -> None:
    data = PER_RECORD[packing](RECORDS)
    for row in read(data)[0]:
        piece = data[row["offset"] : row["offset"] + row["length"]]
        (again,) = read(piece)[0]
        assert (again["id"], again["html"]) == (row["id"], row["html"])
        assert (again["offset"], again["length"]) == (0, len(piece))


@pytest.mark.parametrize("packing", [*WHOLE])
def test_a_record_that_shares_a_member_has_the_members_offset_and_no_length(packing: str) -> None:
    data = WHOLE[packing](RECORDS)
    for row in read(data)[0]:
        assert row["length"] is None
        assert row["id"] in {again["id"] for again in read(data[row["offset"] :], "x.warc.gz")[0]}


def test_columns_are_the_document_schema() -> None:
    reader = open_reader(io.BytesIO(PER_RECORD["gzip"](RECORDS)), KEY)
    (table,) = reader.batches()
    assert table.schema == DOCUMENT
    row = table.to_pylist()[0]
    assert (row["dump"], row["segment"], row["source"]) == ("CC-MAIN-2024-51", "1733066035857.0", KEY)
    assert row["id"] == "00000000-0000-0000-0000-000000000000"
    assert row["timestamp"] == datetime.fromisoformat(DATE)


def test_dump_comes_from_warcinfo_where_the_path_names_none() -> None:
    assert {row["dump"] for row in read(b"".join(RECORDS), "here/x.warc")[0]} == {"TEST-2024"}
    assert {row["segment"] for row in read(b"".join(RECORDS), "here/x.warc")[0]} == {None}
    assert {row["dump"] for row in read(b"".join(RECORDS[1:]), "here/x.warc")[0]} == {None}
    news = read(b"".join(RECORDS), "s3://commoncrawl/crawl-data/CC-NEWS/2024/12/CC-NEWS-1.warc.gz")[0][0]
    assert (news["dump"], news["segment"]) == ("CC-NEWS", None)


REASONS = {
    "bad_status": warc(http(status="404 Not Found")),
    "not_html": warc(http(content_type="application/pdf")),
    "empty_payload": warc(http(b" \r\n")),
    "invalid_http": warc(b"no HTTP at all"),
    "undecodable_payload": warc(http(b"\x00\x01\x02\xff" * 100)),
    "truncated_record": warc(http(), warc_truncated="length"),
    "too_large": warc(http(b"<p>" + b"x" * 3000)),
    "invalid_record": warc(http(), content_length="many"),
    "not_http": warc(b"20 text/gemini\r\nhello", warc_target_uri="gemini://example.org/", content_type="text/gemini"),
}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("packing", ["plain", "gzip"])
def test_a_record_that_is_no_page_is_a_row_with_the_reason(reason: str, packing: str) -> None:
    records = [RECORDS[2], REASONS[reason], RECORDS[4]]
    rows, report = read(PER_RECORD[packing](records), options=SourceOptions(max_bytes=2000))
    assert [row["drop"] for row in rows] == [None, reason, None]
    assert rows[1]["html"] is None
    assert rows[1]["text"] is None
    assert rows[1]["id"] is not None
    assert report.damage == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (warc(http(content_type="")), None),
        (warc(http(b"plain words", content_type="")), "not_html"),
        (warc(http(b"plain words", content_type=""), warc_identified_payload_type="text/html"), None),
        (warc(http(), content_type=None), None),
        (warc(http(content_type="text/html charset=utf-8")), None),
        (warc(http(content_type="TEXT/HTML;charset=x")), None),
        (warc(http(b"%PDF-1.4 \xd3\xeb")), "not_html"),
        (warc(http(status="203 Other")), "bad_status"),
        (warc(http().replace(b"HTTP/1.1 200 OK", b"HTTP/2 200")), None),
        (warc(http().replace(b"\r\n", b"\n")), None),
        (warc(http().replace(b"\r\n", b"\r\r\n")), None),
        (warc(b"HTTP/1.1 200 OK\r\nContent-Type: text/html"), "empty_payload"),
        (warc(b"<p>a page</p>", "resource", content_type="text/html"), None),
        (warc(b"<p>a page</p>", "resource", content_type="text/css"), "not_html"),
        (warc(http(), "resource", content_type="application/http"), None),
        (warc(http(), warc_segment_number="1"), "truncated_record"),
        (warc(http(), warc_target_uri="<http://example.org/>"), None),
        (warc(http(), version="0.18"), None),
        (warc(http(), version="1.1"), None),
    ],
)
def test_headers_as_crawlers_write_them(record: bytes, reason: str | None) -> None:
    rows, report = read(record, "x.warc")
    assert [row["drop"] for row in rows] == [reason]
    assert (rows[0]["html"] is None) == (reason is not None)
    assert not rows[0]["url"].startswith("<")
    assert report.damage == []


def test_records_without_documents_are_counted_by_kind() -> None:
    kinds = ["warcinfo", "request", "metadata", "revisit", "continuation"]
    records = [warc(b"x", kind) for kind in kinds]
    records += [warc(b"x", "screenshot"), warc(b"A", "response", warc_target_uri="dns:example.org")]
    rows, report = read(b"".join(records), "x.warc")
    assert rows == []
    assert report.skipped == dict.fromkeys([*kinds, "unknown", "dns"], 1)
    assert report.damage == []


def test_conversion_records_are_text() -> None:
    record = warc("Grüße.\n".encode(), "conversion", content_type="text/plain")
    (row,), _ = read(gzip.compress(record), "x.warc.wet.gz")
    assert (row["text"], row["html"], row["drop"]) == ("Grüße.\n", None, None)


def test_truncated_records_can_be_kept() -> None:
    keep = SourceOptions(truncated="keep")
    (row,), report = read(warc(http(page(1)), warc_truncated="length"), "x.warc", keep)
    assert (row["html"], row["drop"]) == (page(1), None)
    cut = warc(http(page(1)))[:-40]
    (row,), report = read(cut, "x.warc", keep)
    assert page(1).startswith(row["html"])
    assert len(report.damage) == 1


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-12", datetime(2024, 12, 1, tzinfo=UTC)),
        ("2024-12-03", datetime(2024, 12, 3, tzinfo=UTC)),
        ("2024-12-03T04:05Z", datetime(2024, 12, 3, 4, 5, tzinfo=UTC)),
        ("2024-12-03T04:05:06.789123456Z", datetime(2024, 12, 3, 4, 5, 6, 789000, tzinfo=UTC)),
        ("2024-12-03T04:05:06+02:00", datetime(2024, 12, 3, 2, 5, 6, tzinfo=UTC)),
        ("20241203040506", datetime(2024, 12, 3, 4, 5, 6, tzinfo=UTC)),
        ("yesterday", None),
        ("2024-13-45T99:99:99Z", None),
    ],
)
def test_dates_in_every_precision(date: str, expected: datetime | None) -> None:
    (row,), _ = read(warc(http(), warc_date=date), "x.warc")
    assert row["timestamp"] == expected
    assert row["drop"] is None


def test_a_record_without_id_gets_one_that_does_not_depend_on_where_the_folder_lies() -> None:
    data = warc(http(), warc_record_id=None) + warc(http(), warc_record_id=None)
    here, there = read(data, "/data/2021/a.warc")[0], read(data, "s3://bucket/2021/a.warc")[0]
    elsewhere = read(data, "/data/2022/a.warc")[0]
    assert [row["id"] for row in here] == [row["id"] for row in there]
    assert len({row["id"] for row in here + elsewhere}) == 4
    assert all(len(row["id"]) == 32 for row in here)


# ARC ------------------------------------------------------------------------------------------------------------


def arc(url: str, block: bytes, mime: str = "text/html", date: str = "20140216050221") -> bytes:
    return f"{url} 192.0.2.1 {date} {mime} {len(block)}\n".encode() + block + b"\n"


VERSION = b"1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n"
ARCS = [
    arc("filedesc://x.arc", VERSION, "text/plain"),
    arc("dns:example.org", b"20140216050221\nexample.org. IN A 192.0.2.1\n", "text/dns"),
    arc("http://example.org/", http(page(1))),
    arc("http://example.org/with space?a=b c", http(page(2))),
    arc("http://example.org/gone", http(status="410 Gone")),
    arc("http://example.org/none", http(page(3)), ""),
]


@pytest.mark.parametrize("packing", ["plain", "gzip", "gzip of all"])
def test_arc_files(packing: str) -> None:
    data = (PER_RECORD | WHOLE)[packing](ARCS)
    rows, report = read(data, "x.arc.gz")
    assert [row["html"] for row in rows] == [page(1), page(2), None, page(3)]
    assert [row["drop"] for row in rows] == [None, None, "bad_status", None]
    assert rows[1]["url"] == "http://example.org/with space?a=b c"
    assert {row["timestamp"] for row in rows} == {datetime(2014, 2, 16, 5, 2, 21, tzinfo=UTC)}
    assert len({row["id"] for row in rows}) == 4
    assert report.skipped == {"warcinfo": 1, "dns": 1}
    assert report.damage == []


def test_arc_without_a_first_record_is_known_by_its_lines() -> None:
    rows, report = read(b"".join(ARCS[2:]), "nameless")
    assert drops(rows) == {None: 3, "bad_status": 1}
    assert report.damage == []


# Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["x.warc.gz", "x.jsonl", "nameless"])
def test_an_empty_file_has_no_rows_and_no_damage(key: str) -> None:
    rows, report = read(b"", key)
    assert (rows, report.records, report.damage) == ([], 0, [])


@pytest.mark.parametrize(
    ("data", "found"),
    [(b"PK\x03\x04rest", "ZIP"), (b"hello there", "hello there"), (gzip.compress(b"<html>", mtime=0), "<html>")],
)
def test_an_unknown_format_says_what_was_found_and_what_is_supported(data: bytes, found: str) -> None:
    with pytest.raises(ShardError, match=r"(?s)some/file.*" + found + r".*supported are WARC.*Parquet.*JSON"):
        read(data, "some/file")


class Forward(io.BytesIO):
    """A file that is only read forward, and seldom returns as much as was requested."""

    def seek(self, offset: int, whence: int = 0) -> int:
        raise AssertionError("a seek costs a request")

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 1000) if size != -1 else -1)


@pytest.mark.parametrize("packing", [name for name in PER_RECORD | WHOLE if "dictionary" not in name])
def test_a_sound_file_is_read_without_a_seek(packing: str) -> None:
    data = (PER_RECORD | WHOLE)[packing](RECORDS)
    rows = rows_of(open_reader(Forward(data), "x.warc"))
    assert content(rows) == content(read(data, "x.warc")[0])


def test_batches_are_bounded_by_rows_and_by_bytes() -> None:
    data = b"".join(RECORDS)
    sizes = [t.num_rows for t in open_reader(io.BytesIO(data), "x", SourceOptions(batch_rows=5)).batches()]
    assert sizes == [5, 5, 2]
    [whole] = open_reader(io.BytesIO(data), "x", SourceOptions()).batches()
    size = 3 + sum(len(v) for row in whole.slice(0, 3).to_pylist() for v in row.values() if isinstance(v, str | bytes))
    tables = list(open_reader(io.BytesIO(data), "x", SourceOptions(batch_bytes=size)).batches())
    assert all(table.num_rows == 4 for table in tables)


@pytest.mark.parametrize("wrong", [{"max_bytes": 0}, {"batch_rows": 0}, {"truncated": "maybe"}, {"max_garbage": 2.0}])
def test_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SourceOptions(**wrong)  # type: ignore[arg-type]


def test_options_from_a_recipe_are_hashable() -> None:
    assert hash(SourceOptions(statuses=[200, 203])) == hash(SourceOptions(statuses=(200, 203)))  # type: ignore[arg-type]


# Memory ---------------------------------------------------------------------------------------------------------

BOMB = 144 << 20
READ_ALL = """
import re, sys
from refinedweb.sources import open_reader
# Not ru_maxrss, which a child inherits from the process that started it.
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) >> 10
before = peak()
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        drops = [drop for table in open_reader(file, path).batches() for drop in table["drop"].to_pylist()]
        print(path.rpartition("/")[2], drops)
print(peak() - before)
"""


def squeeze(packer: Any) -> bytes:
    """Compress BOMB zeros, a piece at a time."""
    zeros = bytes(1 << 20)
    feed = packer.process if hasattr(packer, "process") else packer.compress
    end = packer.finish if hasattr(packer, "finish") else packer.flush
    return b"".join(feed(zeros) for _ in range(BOMB >> 20)) + end()


def bombs() -> dict[str, tuple[bytes, str]]:
    """Small files that decode to a lot, and the reason that the record in question must get."""
    packers = {
        "gzip": zlib.compressobj(1, zlib.DEFLATED, 31),
        "br": brotli.Compressor(quality=1),
        "zstd": zstandard.ZstdCompressor().compressobj(),
    }
    made = {name: (warc(http(squeeze(packer), content_encoding=name)), "too_large") for name, packer in packers.items()}
    head = warc(http(b""), content_length=str(BOMB + len(http(b"")))).removesuffix(b"\r\n\r\n")
    for name, packer in (
        ("record", zlib.compressobj(1, zlib.DEFLATED, 31)),
        ("frame", zstandard.ZstdCompressor().compressobj()),
    ):
        made[name] = (packer.compress(head) + squeeze(packer), "too_large")
    header = zlib.compressobj(1, zlib.DEFLATED, 31)
    made["header"] = (header.compress(b"WARC/1.0\r\nWARC-Type: response\r\nX: ") + squeeze(header), "")
    return made


def test_bombs_cost_no_more_than_a_page(tmp_path: Path) -> None:
    expected = []
    for name, (data, reason) in bombs().items():
        path = tmp_path / f"{name}.warc"
        last = zstandard.compress(RECORDS[2]) if name == "frame" else gzip.compress(RECORDS[2])
        path.write_bytes(data + (RECORDS[2] if name in ("gzip", "br", "zstd") else last))
        expected.append(f"{path.name} {[*([reason] if reason else []), None]}")
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *(str(tmp_path / line.split()[0]) for line in expected)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    *lines, growth = done.stdout.splitlines()
    assert lines == expected
    assert int(growth) < 130, f"{growth} MiB more than before, for {BOMB >> 20} MiB of zeros"

"""Damaged files: what is intact comes out, what is damaged is reported, nothing hangs, nothing is lost silently."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.sources import SourceOptions
from tests.examples import examples
from tests.refinedweb.sources.archives import PER_RECORD, WHOLE, archive, content, drops, http, page, read, warc

RECORDS = archive(8)
PACKED = {name: pack(RECORDS) for name, pack in (PER_RECORD | WHOLE).items()}
SOUND = {name: read(data)[0] for name, data in PACKED.items()}
PAGES = {row["id"]: row["html"] for row in SOUND["plain"]}
COMPRESSED = [name for name in PER_RECORD if name != "plain"]


def members(packing: str) -> list[tuple[int, int]]:
    """Start and end of each record's member, for packings with one member per record."""
    ends = [0]
    for record in RECORDS:
        ends.append(ends[-1] + len(PER_RECORD[packing]([record])))
    return list(pairwise(ends))


def whole_rows(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [row for row in rows if row["drop"] is None]


# Cut ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
@settings(max_examples=examples(60))
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_gives_every_record_before_the_cut_and_says_where_it_is_cut(packing: str, share: float) -> None:
    data = PACKED[packing]
    cut = int(share * len(data))
    rows, report = read(data[:cut], "x.warc.gz")
    before = [at for at, (_, end) in enumerate(members(packing)) if end <= cut]
    expected = [row for row in SOUND[packing] if row["offset"] + row["length"] <= cut]
    found = content(whole_rows(rows))
    assert found[: len(expected)] == content(expected)
    assert found == content(SOUND[packing])[: len(found)]
    assert report.records >= len(before)
    boundaries = {end for _, end in members(packing)} | {0}
    # The four bytes of newlines after a plain record are not part of it.
    clean = cut in boundaries or (
        packing == "plain"
        and not boundaries.isdisjoint(range(cut, cut + 5))
        and not drops(rows)["truncated_record"]
        and not report.damage
    )
    assert clean or report.damage
    if packing != "plain" and cut not in boundaries:
        hit = next(start for start, end in members(packing) if start < cut < end)
        assert [damage.offset for damage in report.damage] == [hit]


@pytest.mark.parametrize("packing", WHOLE)
@settings(max_examples=examples(15))
@given(share=st.floats(0.05, 1, exclude_max=True))
def test_a_cut_stream_gives_a_prefix_of_the_rows(packing: str, share: float) -> None:
    data = PACKED[packing]
    rows, report = read(data[: int(share * len(data))], "x.warc.gz")
    whole = whole_rows(rows)
    assert content(whole) == content(SOUND[packing])[: len(whole)]
    assert report.damage or len(whole) == len(SOUND[packing]) or packing == "gzip in blocks"
    assert len(rows) - len(whole) <= 1


# Wrong bytes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["gzip", "zstd", "bzip2"])
@settings(max_examples=examples(80))
@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_wrong_byte_costs_one_record_at_most(packing: str, share: float, flip: int) -> None:
    data = bytearray(PACKED[packing])
    at = int(share * len(data))
    data[at] ^= flip
    hit = next(number for number, (start, end) in enumerate(members(packing)) if start <= at < end)
    rows, report = read(bytes(data), {"gzip": "x.warc.gz", "zstd": "x.warc.zst", "bzip2": "x.warc.bz2"}[packing])
    found = {row["id"]: row["html"] for row in whole_rows(rows)}
    lost = PAGES.keys() - found.keys()
    # zstd frames have no checksum here, so a wrong byte in one may go unnoticed.
    assert packing == "zstd" or all(PAGES[id_] == html for id_, html in found.items())
    assert len(found.keys() - PAGES.keys()) <= (1 if packing == "zstd" else 0)
    assert len(lost) <= 1
    assert report.records >= len(RECORDS) - 1
    if lost and packing != "zstd":
        assert {damage.offset for damage in report.damage} == {members(packing)[hit][0]}


@pytest.mark.parametrize("packing", ["plain", *COMPRESSED[:2]])
def test_bytes_between_records_are_reported_and_read_over(packing: str) -> None:
    pack = PER_RECORD[packing]
    junk = b"these bytes are no record \x00\xff" * 40
    data = pack(RECORDS[:5]) + junk + pack(RECORDS[5:]) + junk
    rows, report = read(data, "x.warc.gz")
    assert content(rows) == content(SOUND["plain"])
    assert [damage.offset for damage in report.damage] == [len(pack(RECORDS[:5])), len(data) - len(junk)]
    assert all(damage.error for damage in report.damage)


def test_junk_within_a_compressed_stream_is_reported() -> None:
    data = gzip.compress(b"".join([*RECORDS[:5], b"junk\r\n" * 30000, *RECORDS[5:]]))
    rows, report = read(data, "x.warc.gz")
    assert content(rows) == content(SOUND["plain"])
    assert [damage.error for damage in report.damage] == ["180000 bytes that belong to no record"]


def test_a_file_that_begins_with_damage_is_read_by_its_name() -> None:
    rows, report = read(b"\x1f\x8b\x08\x00 broken" + PACKED["gzip"], "x.warc.gz")
    assert content(rows) == content(SOUND["plain"])
    assert [damage.offset for damage in report.damage] == [0]
    rows, report = read(b"junk\n" + PACKED["plain"], "x.warc")
    assert content(rows) == content(SOUND["plain"])
    assert [(damage.offset, damage.error) for damage in report.damage] == [(0, "5 bytes that belong to no record")]


def test_zeros_after_the_last_member_are_reported() -> None:
    """An interrupted download into a preallocated file leaves them."""
    _, report = read(PACKED["gzip"] + bytes(3000), "x.warc.gz")
    assert [damage.offset for damage in report.damage] == [len(PACKED["gzip"])]


def test_a_checksum_that_does_not_hold_costs_the_record() -> None:
    good, bad, last = (gzip.compress(record, mtime=0) for record in (RECORDS[2], RECORDS[4], RECORDS[6]))
    rows, report = read(good + bad[:-8] + b"\0\0\0\0" + bad[-4:] + last, "x.warc.gz")
    assert [row["drop"] for row in rows] == [None, "damaged_record", None]
    assert [damage.offset for damage in report.damage] == [len(good)]


def test_every_broken_member_is_a_row_and_a_damage() -> None:
    good = gzip.compress(RECORDS[2], mtime=0)
    broken = good[:-8] + bytes(8)
    rows, report = read(broken * 200 + good, "x.warc.gz")
    assert [row["drop"] for row in rows] == ["damaged_record"] * 200 + [None]
    assert [damage.offset for damage in report.damage] == [number * len(broken) for number in range(200)]


def test_every_length_a_little_wrong() -> None:
    records = [warc(http(page(n)), number=n, content_length=str(len(http(page(n))) + 10)) for n in range(300)]
    rows, report = read(b"".join([*records, RECORDS[2]]), "x.warc", SourceOptions(truncated="keep"))
    assert [row["html"] for row in rows][:-1] == [page(n) + b"\r\n\r\n" for n in range(300)]
    assert report.damage == []


# Wrong lengths -----------------------------------------------------------------------------------------------


def lying(length: int, body: bytes = page(50)) -> bytes:
    return warc(http(body), number=50, content_length=str(length))


TRUE_LENGTH = len(http(page(50)))
NEXT = len(RECORDS[2])


@pytest.mark.parametrize("packing", PER_RECORD)
@pytest.mark.parametrize("length", [0, 7, TRUE_LENGTH - 1, TRUE_LENGTH + 9, TRUE_LENGTH + NEXT, 10**6, 10**15])
def test_a_length_that_lies_costs_its_own_record_only(packing: str, length: int) -> None:
    data = PER_RECORD[packing]([*RECORDS[:5], lying(length), *RECORDS[5:]])
    rows, report = read(data, "x.warc.gz")
    others = [row for row in rows if row["id"] in PAGES]
    assert {row["id"]: row["html"] for row in others} == PAGES
    (liar,) = (row for row in rows if row["id"] not in PAGES)
    assert liar["drop"] is not None
    # What follows a block whose length is too short belongs to no record; a length that is too long loses nothing.
    assert bool(report.damage) == (length < TRUE_LENGTH)


@pytest.mark.parametrize("length", [TRUE_LENGTH + 9, TRUE_LENGTH + NEXT])
@pytest.mark.parametrize("packing", WHOLE)
def test_a_length_that_lies_within_a_stream(packing: str, length: int) -> None:
    rows, report = read(WHOLE[packing]([*RECORDS[:5], lying(length), *RECORDS[5:]]), "x.warc.gz")
    assert {row["id"]: row["html"] for row in rows if row["id"] in PAGES} == PAGES
    assert drops(rows)["truncated_record"] == 1
    assert report.damage == []


def test_a_length_beyond_what_is_kept_is_found_out_in_a_plain_file() -> None:
    options = SourceOptions(max_bytes=1000)
    records = [warc(http(page(n, 9)), number=n) for n in range(4)]
    data = b"".join([records[0], lying(10**9, b"x" * 10**6), *records[1:]])
    rows, report = read(data, "x.warc", options)
    assert [row["drop"] for row in rows] == [None, "too_large", None, None, None]
    assert report.damage == []


@pytest.mark.parametrize("packing", ["plain", "gzip", "gzip of all"])
@pytest.mark.parametrize("missing", [None, "", "-1", "abc", "9" * 5000])
def test_a_record_without_a_length_ends_where_the_next_begins(packing: str, missing: str | None) -> None:
    records = [RECORDS[2], warc(http(page(50)), number=50, content_length=missing), RECORDS[4]]
    rows, report = read((PER_RECORD | WHOLE)[packing](records), "x.warc.gz")
    assert [row["drop"] for row in rows] == [None, "invalid_record", None]
    assert report.damage == []


@pytest.mark.parametrize("packing", ["plain", "gzip", "gzip of all"])
@pytest.mark.parametrize("at", [12, 40, 150])
def test_a_header_that_the_next_record_cuts(packing: str, at: int) -> None:
    cut = RECORDS[4][:at] + (b"\r\n" if packing != "gzip" else b"")
    rows, _ = read((PER_RECORD | WHOLE)[packing]([RECORDS[2], cut, RECORDS[6]]), "x.warc.gz")
    ids = [row["id"] for row in rows]
    assert ids[0] == SOUND["plain"][0]["id"]
    assert ids[-1] == SOUND["plain"][2]["id"]
    assert [row["drop"] for row in rows[1:-1]] == ["invalid_record"]


@pytest.mark.parametrize("filling", [b"X: " + b"y" * 300_000, b"A: b\r\n" * 60_000])
def test_an_endless_header_is_no_record(filling: bytes) -> None:
    data = RECORDS[2] + b"WARC/1.0\r\nWARC-Type: response\r\n" + filling + b"\r\n\r\n" + RECORDS[4]
    rows, report = read(data, "x.warc")
    assert [row["html"] for row in rows] == [page(0), page(1)]
    assert [damage.offset for damage in report.damage] == [len(RECORDS[2])]


def test_the_next_header_in_a_page_is_text_where_the_length_is_true() -> None:
    """A page about WARC may quote a record; only a wrong length makes the reader search for one."""
    body = b"<pre>\r\n\r\n" + RECORDS[2] + b"\r\n\r\n</pre>"
    rows, report = read(warc(http(body), number=7) + RECORDS[4], "x.warc")
    assert [row["html"] for row in rows] == [body, page(1)]
    assert report.damage == []


# Hostile and real -----------------------------------------------------------------------------------------------


@settings(max_examples=examples(150))
@given(st.binary(max_size=400), st.sampled_from(["warc", "warc.gz", "arc", "jsonl", "warc.zst"]))
def test_any_bytes_are_answered(noise: bytes, ending: str) -> None:
    """There is no exception but that for unknown formats, and the law of the report holds (checked by `read`)."""
    starts: dict[str, Callable[[bytes], bytes]] = {
        "warc": lambda data: b"WARC/1.0\r\n" + data,
        "warc.gz": lambda data: gzip.compress(b"WARC/1.0\r\nContent-Length: 9\r\n\r\n" + data) + data,
        "arc": lambda data: b"filedesc://x 0.0.0.0 20140216050221 text/plain 5\n" + data,
        "jsonl": lambda data: b"{" + data,
        "warc.zst": lambda data: zstandard.compress(b"WARC/1.0\r\n\r\n" + data) + data,
    }
    read(starts[ending](noise), f"x.{ending}")


def test_damage_in_a_real_file(shared_data: Path) -> None:
    data = (shared_data / "crawl" / "part-00005.warc.gz").read_bytes()[:1_500_000]
    sound = {row["id"]: row for row in read(data, "x.warc.gz")[0] if row["drop"] is None}
    chance = random.Random(5)
    for _ in range(3):
        broken = bytearray(data)
        places = [chance.randrange(len(data)) for _ in range(5)]
        for place in places:
            broken[place] ^= 1 + chance.randrange(255)
        rows, report = read(bytes(broken), "x.warc.gz")
        hit = {
            id_
            for id_, row in sound.items()
            if any(row["offset"] <= place < row["offset"] + row["length"] for place in places)
        }
        found = {row["id"]: row["html"] for row in rows if row["drop"] is None}
        assert sound.keys() - found.keys() <= hit
        assert all(found[id_] == sound[id_]["html"] for id_ in found)
        assert len(report.damage) <= 2 * len(places) + 1
        assert {d.offset for d in report.damage} >= {sound[id_]["offset"] for id_ in sound.keys() - found.keys()}

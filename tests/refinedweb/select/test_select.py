"""`select`: the same pages as a full scan with the same filter, each once, fetched by few requests."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.cli import cli
from refinedweb.cli.plan import input_volume
from refinedweb.select.lists import SCHEMA, cut
from refinedweb.select.query import PageQuery, page_query
from refinedweb.select.scan import IndexCost, index_files, places
from refinedweb.sources import SourceOptions, open_reader
from refinedweb.sources.record_list import AHEAD_BYTES, GAP, MOST_BYTES, Place, fetched, spans
from stages.errors import ConfigError, ShardError
from tests.examples import examples
from tests.fuzz.seeds import index_rows as index_file

DUMP = "CC-MAIN-2026-05"
SIZES = re.compile(rb"\x3c\x16.\x19\x06", re.S)  # where a column's metadata says how its values are spread
TABLE = "ccindex/cc-index/table/cc-main/warc"


@pytest.fixture(scope="module")
def bucket(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as Common Crawl's bucket: the index, and the WARC files that it names."""
    folder = tmp_path_factory.mktemp("bucket")
    (folder / "cc-index").symlink_to(shared_data / "ccindex" / "cc-index")
    for name in names(index_rows(shared_data)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(shared_data / "crawl" / path.name)
    return folder


@cache
def index_rows(shared_data: Path, dump: str = "") -> list[dict[str, Any]]:
    files = sorted((shared_data / TABLE).glob(f"crawl={dump}*/subset=warc/*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def names(rows: list[dict[str, Any]]) -> list[str]:
    return sorted({row["warc_filename"] for row in rows})


def fits(row: dict[str, Any], query: PageQuery) -> bool:
    """The conditions, said once more as plainly as can be."""
    host = row["url_host_name"]
    return (
        (not query.languages or bool({*query.languages} & {*(row["content_languages"] or "").split(",")}))
        and (not query.hosts or any(host == name or host.endswith(f".{name}") for name in query.hosts))
        and (not query.tlds or row["url_host_tld"] in query.tlds)
        and row["content_mime_detected"] in query.mimes
        and row["fetch_status"] in query.statuses
    )


def place(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["warc_filename"], row["warc_record_offset"], row["warc_record_length"]


def select(*words: Any) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["select", *map(str, words)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value or 0, result.output


def documents(file: Path, **options: Any) -> pa.Table:
    with file.open("rb") as opened:
        return pa.concat_tables(open_reader(opened, str(file), SourceOptions(**options)).batches())


@settings(max_examples=examples(40))
@given(data=st.data())
def test_the_index_gives_the_rows_that_fit(data: st.DataObject, shared_data: Path) -> None:
    rows = index_rows(shared_data, DUMP)
    some = data.draw(st.sampled_from(rows))
    query = page_query(
        data.draw(st.lists(st.sampled_from(["is", "deu", "ja", "eng", "ru"]), max_size=2)),
        data.draw(st.sampled_from([[], [some["url_host_name"]], [f"*.{some['url_host_registered_domain'] or 'a.b'}"]])),
        data.draw(st.sampled_from([[], [some["url_host_tld"] or "org"], [".org", "DE"]])),
        [],
        data.draw(st.sampled_from([[], ["text/plain"], ["application/xhtml+xml", "text/html"]])),
        data.draw(st.sampled_from([[], [200, 404], [404]])),
    )
    cost = IndexCost()
    found = [row for table in places(index_files(str(shared_data / TABLE), [DUMP]), query, cost)
             for row in table.drop(["crawl"]).to_pylist()]  # fmt: skip
    assert Counter(map(place, found)) == Counter(place(row) for row in rows if fits(row, query))
    assert cost.rows == len(rows)


def test_every_code_of_a_language_is_that_of_the_index() -> None:
    for code in ("is", "isl", "ice", " IS"):
        assert page_query([code], [], [], [], [], []).languages == ("isl",)


def test_row_groups_are_ruled_out_by_their_statistics(tmp_path: Path) -> None:
    (table,) = pq.ParquetFile(pa.BufferReader(index_file())).iter_batches()
    tlds_in_order = sorted(["is", "org", "ü"] * 10)
    rows = [{**row, "url_host_tld": tlds_in_order[at]} for at, row in enumerate(table.to_pylist())]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet", row_group_size=10)
    for tlds, statuses, found, skipped in (
        (["is"], [200], 10, 2),
        (["ü"], [200], 10, 2),
        (["is", "org"], [200], 20, 1),
        ([], [404], 0, 3),
        ([], [200], 30, 0),
    ):
        cost = IndexCost()
        query = page_query([], [], tlds, [], [], statuses)
        assert sum(t.num_rows for t in places(index_files(str(tmp_path), []), query, cost)) == found
        assert (cost.groups_skipped, cost.groups_read, cost.rows) == (skipped, 3 - skipped, 30)


def test_statistics_that_pyarrow_does_not_survive_are_not_shown_to_it(tmp_path: Path) -> None:
    """Asked for the columns of such metadata (lists of two under other fields), pyarrow ends the process."""
    data = SIZES.sub(lambda found: found[0][:1] + b"\x01\x00" + found[0][3:], index_file())
    assert data != index_file()
    (tmp_path / "x.parquet").write_bytes(data)
    found = places(index_files(str(tmp_path), []), page_query([], [], [], [], [], []), IndexCost())
    assert sum(table.num_rows for table in found) == 30


def test_patterns_of_paths_match_whole_paths(shared_data: Path) -> None:
    query = page_query([], [], [], ["/*.html", "/wiki/*"], [], [])
    found = [row for table in places(index_files(str(shared_data / TABLE), [DUMP]), query, IndexCost())
             for row in table.to_pylist()]  # fmt: skip
    rows = [row for row in index_rows(shared_data, DUMP) if fits(row, query)]
    wanted = [row for row in rows if row["url_path"].endswith(".html") or row["url_path"].startswith("/wiki/")]
    assert 0 < len(wanted) < len(index_rows(shared_data, DUMP))
    assert Counter(map(place, found)) == Counter(map(place, wanted))


def test_a_run_reads_the_pages_that_a_full_scan_finds(bucket: Path, shared_data: Path, tmp_path: Path) -> None:
    """The same documents, to the byte, in a fraction of the bytes."""
    code, said = select(
        bucket / "cc-index/table/cc-main/warc", tmp_path / "lists", "--dump", DUMP, "--language", "ja", "--json"
    )
    assert code == 0
    counted = json.loads(said)
    wanted = [row for row in index_rows(shared_data, DUMP) if fits(row, page_query(["jpn"], [], [], [], [], []))]
    at = {(str(bucket / row["warc_filename"]), row["warc_record_offset"]) for row in wanted}
    lists = sorted((tmp_path / "lists").iterdir())
    chosen = pa.concat_tables(map(documents, lists))
    scanned = pa.concat_tables(documents(bucket / name) for name in names(wanted))
    full = [row for row in scanned.to_pylist() if (row["source"], row["offset"]) in at]
    assert len(full) == len(at) == counted["selected"]["records"] > 20

    def order(row: dict[str, Any]) -> tuple[str, int]:
        return row["source"], row["offset"]

    assert sorted(chosen.to_pylist(), key=order) == sorted(full, key=order)
    size = sum((bucket / name).stat().st_size for name in names(wanted))
    assert counted["selected"]["bytes"] <= counted["selected"]["bytes_fetched"] <= size
    assert counted["selected"]["requests"] < len(at)
    volume = input_volume(str(tmp_path / "lists"))
    assert (volume.files, volume.bytes) == (len(lists), counted["selected"]["bytes"] / len(lists))


def test_what_cannot_be_is_said_before_anything_is_written(bucket: Path, tmp_path: Path) -> None:
    index, out = bucket / "cc-index/table/cc-main/warc", tmp_path / "lists"
    for words, message in (
        ((index, out, "--language", "icelandic"), "give an ISO 639 code .*did you mean 'is'"),
        ((index, out, "--dump", "CC-MAIN-1999-01"), "no crawl=CC-MAIN-1999-01"),
        ((index, out, "--host", "https://example.org/a"), "not the name of a host"),
        ((bucket / "crawl-data", out), "has no Parquet files"),
    ):
        with pytest.raises(ConfigError, match=message):
            select(*words)
    assert select(index, out, "--tld", "zz")[0] == 1
    assert not out.exists() or not any(out.iterdir())
    select(index, out, "--tld", "is", "--dump", DUMP)
    with pytest.raises(ConfigError, match="is not empty"):
        select(index, out, "--tld", "is")


# Lists of records ------------------------------------------------------------------------------------------------

offsets = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40 << 20), st.integers(1, 9 << 20)), max_size=30)


@given(offsets, st.booleans())
def test_spans_hold_each_place_once_and_no_more_than_is_worth_it(
    found: list[tuple[str, int, int]], order: bool
) -> None:
    listed = [Place(*one, None) for one in (sorted(found) if order else found)]
    groups = list(spans(listed))
    assert [place for group in groups for place in group] == listed
    for group in groups:
        assert len({place.uri for place in group}) == 1
        assert all(0 <= b.offset - a.end <= GAP for a, b in pairwise(group))
        assert len(group) == 1 or group[-1].end - group[0].offset <= MOST_BYTES


@given(st.lists(st.integers(1, 100 << 20), max_size=20))
def test_answers_come_in_order_and_few_bytes_wait(sizes: list[int]) -> None:
    groups = [[Place("a", 0, size, None)] for size in sizes]
    asked: list[int] = []

    def fetch(group: list[Place]) -> bytes:
        asked.append(group[0].length)
        return str(group[0].length).encode()

    for number, (group, data) in enumerate(fetched(groups, fetch)):
        assert data == str(sizes[number]).encode()
        waiting = sizes[number + 1 : len(asked)]
        assert group == groups[number]
        assert len(waiting) <= 1 or sum(waiting) <= AHEAD_BYTES


@given(st.lists(st.lists(st.integers(1, 50), max_size=20), max_size=6), st.integers(1, 120))
def test_lists_hold_every_record_once_and_are_as_large_as_asked(parts: list[list[int]], size: int) -> None:
    tables, number = [], 0
    for part in parts:
        rows = [("f", number + n, length, None) for n, length in enumerate(part)]
        number += len(part)
        tables.append(pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA))
    pieces = [piece.to_pylist() for piece in cut(tables, size)]
    assert [row for piece in pieces for row in piece] == [row for table in tables for row in table.to_pylist()]
    for piece in pieces[:-1]:
        lengths = [row["warc_record_length"] for row in piece]
        assert sum(lengths) >= size > sum(lengths[:-1])


def list_of(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    columns = dict(
        zip(("warc_filename", "warc_record_offset", "warc_record_length"), zip(*rows, strict=True), strict=True)
    )
    pq.write_table(pa.table(columns), path)
    return path


def test_each_listed_place_is_a_row_or_a_skip_whatever_lies_there(shared_data: Path, tmp_path: Path) -> None:
    warc = shared_data / "crawl" / "part-00000.warc.gz"
    good = [row for row in index_rows(shared_data) if row["warc_filename"].endswith(warc.name)][:3]
    rng = random.Random(1)
    size = warc.stat().st_size
    rows = [(str(warc), row["warc_record_offset"], row["warc_record_length"]) for row in good]
    rows += [(str(warc), rng.randrange(size), rng.randrange(1, 4000)) for _ in range(20)]
    rows += [(str(warc), size + 100, 50)]
    path = list_of(tmp_path / "list.parquet", rows)
    with path.open("rb") as file:
        reader = open_reader(file, str(path))
        table = pa.concat_tables(reader.batches())
    assert reader.report.records == len(rows) == reader.report.rows + sum(reader.report.skipped.values())
    assert table.num_rows == reader.report.rows
    drops = table["drop"].to_pylist()
    assert drops[:3] == [None] * 3
    assert {*drops[-21:]} <= {"invalid_record", "truncated_record", "damaged_record", None}
    assert drops[-1] == "invalid_record"


def test_lists_that_lead_nowhere_say_so(tmp_path: Path) -> None:
    for rows, message in (
        ([("a/b.warc.gz", 0, 10)], "--set source.warc_base="),
        ([(str(tmp_path / "gone.warc.gz"), 0, 10)], "names it"),
        ([("/a", -1, 10)], "no record of 10 bytes at byte -1"),
        ([("/a", 0, 0)], "no record of 0 bytes"),
        ([(__file__, 1 << 62, 10)], "no record of 10 bytes at byte"),
        ([("/a", 0, 1 << 40)], "no record of"),
        ([(None, 0, 10)], "a row without"),
    ):
        path = list_of(tmp_path / "list.parquet", rows)
        with pytest.raises(ShardError, match=message):
            documents(path)


def test_relative_names_are_below_the_base(shared_data: Path, tmp_path: Path) -> None:
    row = index_rows(shared_data)[0]
    name = Path(row["warc_filename"]).name
    path = list_of(tmp_path / "list.parquet", [(name, row["warc_record_offset"], row["warc_record_length"])])
    table = documents(path, warc_base=str(shared_data / "crawl"))
    assert table["url"].to_pylist() == [row["url"]]

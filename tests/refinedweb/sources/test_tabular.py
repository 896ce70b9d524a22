"""Parquet and JSON lines: one row each, columns by their usual names, nothing lost silently."""

from __future__ import annotations

import errno
import gzip
import io
import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.sources import SourceOptions, open_reader
from stages.errors import ShardError
from stages.schema import DOCUMENT, documents
from tests.examples import examples
from tests.refinedweb.sources.archives import read

WHEN = datetime(2024, 12, 3, 4, 5, 6, tzinfo=UTC)


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def parquet_rows(columns: dict[str, Any] | pa.Table, options: SourceOptions | None = None) -> list[dict[str, Any]]:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    rows, report = read(parquet(table), "folder/x.parquet", options)
    assert report.damage == []
    return rows


def json_rows(*values: Any, options: SourceOptions | None = None) -> list[dict[str, Any]]:
    data = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    rows, report = read(data, "folder/x.jsonl", options)
    assert report.damage == []
    return rows


READERS = {
    "parquet": lambda *rows, options=None: parquet_rows(pa.Table.from_pylist(list(rows)), options),
    "jsonl": json_rows,
}


@pytest.fixture(params=READERS)
def rows_from(request: pytest.FixtureRequest) -> Any:
    return READERS[request.param]


# Both formats ---------------------------------------------------------------------------------------------------


def test_falcons_published_columns(rows_from: Any) -> None:
    given = {
        "content": "Some text.",
        "url": "http://example.org/",
        "timestamp": "2024-12-03T04:05:06Z",
        "dump": "CC-MAIN-2024-51",
        "segment": "1733066035857.0",
        "image_urls": [["http://example.org/a.png", "alt"], ["http://example.org/b.png", None]],
    }
    (row,) = rows_from(given)
    assert row["text"] == given["content"]
    assert row["timestamp"] == WHEN
    assert {name: row[name] for name in ("url", "dump", "segment", "image_urls")} == {
        name: given[name] for name in ("url", "dump", "segment", "image_urls")
    }
    assert (row["offset"], row["length"]) == (0, None)
    assert row["source"] in ("folder/x.parquet", "folder/x.jsonl")


def test_html_and_text_and_names_of_ones_own(rows_from: Any) -> None:
    (row,) = rows_from({"html": "<p>é", "text": "é"})
    assert (row["html"], row["text"]) == ("<p>é".encode(), "é")
    options = SourceOptions(text_column="body", id_column="key", url_column="where", timestamp_column="when")
    (row,) = rows_from({"body": "t", "key": "k", "where": "u", "when": "2024", "text": "other"}, options=options)
    assert (row["text"], row["id"], row["url"]) == ("t", "k", "u")
    assert row["timestamp"] == datetime(2024, 1, 1, tzinfo=UTC)


def test_rows_without_a_page_say_why(rows_from: Any) -> None:
    rows = rows_from(
        {"text": "good"}, {"text": None}, {"text": " \n"}, {"text": "x" * 101}, options=SourceOptions(max_bytes=100)
    )
    assert [row["drop"] for row in rows] == [None, "empty_payload", "empty_payload", "too_large"]
    assert [row["text"] for row in rows] == ["good", None, None, None]


def test_a_reason_in_the_input_stays(rows_from: Any) -> None:
    rows = rows_from({"text": "a", "drop": "too_few_words"}, {"text": "b", "drop": None}, {"text": "", "drop": "x"})
    assert [row["drop"] for row in rows] == ["too_few_words", None, "x"]
    assert rows[0]["text"] == "a"


def test_ids_are_the_inputs_or_a_hash_of_place_and_content(rows_from: Any) -> None:
    rows = rows_from({"id": 7, "text": "a"}, {"id": None, "text": "a"}, {"id": None, "text": "a"})
    assert rows[0]["id"] == "7"
    assert len({row["id"] for row in rows}) == 3
    assert all(len(row["id"]) == 32 for row in rows[1:])
    again = rows_from({"id": 7, "text": "a"}, {"id": None, "text": "a"}, {"id": None, "text": "a"})
    assert [row["id"] for row in again] == [row["id"] for row in rows]


def test_a_source_with_an_offset_is_kept_and_one_without_is_something_else(rows_from: Any) -> None:
    (row,) = rows_from({"text": "a", "source": "s3://x/y.warc.gz", "offset": 77, "length": 5})
    assert (row["source"], row["offset"], row["length"]) == ("s3://x/y.warc.gz", 77, 5)
    (row,) = rows_from({"text": "a", "source": "books"})
    assert row["source"].startswith("folder/x.")
    kept = row["input_source"] if "input_source" in row else json.loads(row["metadata"])["source"]
    assert kept == "books"


@pytest.mark.parametrize("value", [1733198706, 1733198706.0, 1733198706000, 1733198706000000, "20241203040506"])
def test_timestamps_as_numbers(rows_from: Any, value: object) -> None:
    (row,) = rows_from({"text": "a", "timestamp": value})
    assert row["timestamp"] == WHEN


# Parquet --------------------------------------------------------------------------------------------------------


def test_documents_come_back_as_they_were() -> None:
    table = documents(
        id=["a", "b"],
        text=["one", None],
        html=[None, b"<p>two"],
        url=["u", None],
        source=["s", "s"],
        offset=[3, 900],
        length=[4, None],
        language=["en", None],
        language_score=[0.5, None],
        image_urls=[[["x", None]], []],
        drop=[None, "bad"],
    ).append_column("quality_v1.words", pa.array([1.0, 2.0]))
    reader = open_reader(io.BytesIO(parquet(table)), "x.parquet")
    (again,) = reader.batches()
    assert again.equals(table)


@settings(max_examples=examples(40))
@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=30), st.integers(1, 12), st.integers(1, 12))
def test_batches_and_row_groups_do_not_show(texts: list[str | None], group: int, batch: int) -> None:
    table = pa.table({"text": pa.array(texts, pa.string())})
    rows, report = read(
        parquet(table, row_group_size=group), "f/x.parquet", SourceOptions(batch_rows=batch, max_bytes=30)
    )
    assert [row["offset"] for row in rows] == list(range(len(texts)))
    assert rows == read(parquet(table), "f/x.parquet", SourceOptions(max_bytes=30))[0]
    assert report.rows == len(texts)


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())],
)
@pytest.mark.parametrize("column", ["html", "text"])
def test_text_in_every_type(column: str, kind: pa.DataType) -> None:
    values = pa.array(["é", None, "ü"]).cast(kind)
    rows = parquet_rows(pa.table({column: values}))
    expected = ["é", None, "ü"] if column == "text" else ["é".encode(), None, "ü".encode()]
    assert [row[column] for row in rows] == expected


def test_html_in_bytes_is_decoded_like_a_page() -> None:
    latin = "<html><meta charset=iso-8859-1><p>Grüße aus Köln, schöne Grüße".encode("latin-1")
    rows = parquet_rows({"html": [latin, bytes(range(32)) * 9, b"<p>ok"]})
    assert rows[0]["html"].decode().endswith("Grüße aus Köln, schöne Grüße")
    assert [row["drop"] for row in rows] == [None, "undecodable_payload", None]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([WHEN], pa.timestamp("ns", "UTC")),
        pa.array([WHEN.replace(tzinfo=None)], pa.timestamp("s")),
        pa.array([WHEN], pa.timestamp("us", "Europe/Berlin")),
    ],
)
def test_timestamps_in_every_unit(values: pa.Array) -> None:
    assert parquet_rows(pa.table({"text": ["a"], "timestamp": values}))[0]["timestamp"] == WHEN
    (day,) = parquet_rows({"text": ["a"], "date": pa.array([date(2024, 12, 3)])})
    assert day["timestamp"] == datetime(2024, 12, 3, tzinfo=UTC)


def test_other_columns_are_kept_as_they_are() -> None:
    table = pa.table(
        {
            "text": ["a"],
            "score": pa.array([1.5], pa.float32()),
            "nested": [{"a": [1, 2], "b": {"c": "x"}}],
            "language": [["en"]],
            "content": ["second choice"],
        }
    )
    reader = open_reader(io.BytesIO(parquet(table)), "x.parquet")
    (read_back,) = reader.batches()
    assert read_back.column_names == [*DOCUMENT.names, "score", "nested", "input_language", "content"]
    assert read_back.schema.field("nested").type == table.schema.field("nested").type
    row = read_back.to_pylist()[0]
    assert (row["text"], row["language"], row["input_language"]) == ("a", None, ["en"])


def test_without_a_text_column_the_error_names_the_columns() -> None:
    data = parquet(pa.table({"body": ["a"], "n": [1]}))
    with pytest.raises(ShardError, match=r"no column for html or text.*body, n.*--set source.text_column"):
        read(data, "x.parquet")
    with pytest.raises(ShardError, match=r"no column 'words' for text"):
        read(data, "x.parquet", SourceOptions(text_column="words"))


def test_a_broken_row_group_costs_its_rows() -> None:
    table = pa.table({"text": [f"text number {number} {number**7:x}" for number in range(300)]})
    data = bytearray(parquet(table, row_group_size=100, write_page_checksum=True, use_dictionary=False))
    start = pq.read_metadata(io.BytesIO(bytes(data))).row_group(1).column(0).data_page_offset
    for at in range(start + 200, start + 260):
        data[at] ^= 0xFF
    rows, report = read(bytes(data), "x.parquet")
    assert [row["offset"] for row in rows] == [*range(100), *range(200, 300)]
    (damage,) = report.damage
    assert damage.offset == start
    assert "rows 100 to 199 of row group 1 are lost" in damage.error


WHOLE = parquet(pa.table({"text": [str(number**9) for number in range(100)]}))


@pytest.mark.parametrize("data", [*(WHOLE[:-cut] for cut in (1, 8, 10, 400)), WHOLE[:5], WHOLE[:4], WHOLE[:2], b""])
def test_a_parquet_file_without_a_readable_footer_is_rotten(data: bytes) -> None:
    with pytest.raises(ShardError, match=r"x\.parquet: "):
        read(data, "x.parquet")


def test_a_footer_that_the_disk_refuses_may_be_read_later() -> None:
    class Refusing(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            if whence == io.SEEK_END:
                raise OSError(errno.EIO, "input/output error")
            return super().seek(offset, whence)

    with pytest.raises(OSError, match="input/output"):
        list(open_reader(Refusing(WHOLE), "x.parquet").batches())


@pytest.mark.parametrize("name", ["x.warc.gz", "x.warc", "x.jsonl.gz", "x.jsonl", "x.jsonl.zst", "x"])
def test_a_file_of_0_bytes_has_no_rows_where_a_format_can_have_none(name: str) -> None:
    rows, report = read(b"", name)
    assert (rows, report.damage) == ([], [])


def test_an_empty_parquet_file_has_no_rows() -> None:
    reader = open_reader(
        io.BytesIO(parquet(pa.table({"text": pa.array([], pa.string()), "n": pa.array([], "int8")}))), "x"
    )
    (table,) = reader.batches()
    assert table.num_rows == 0
    assert table.column_names == [*DOCUMENT.names, "n"]
    assert reader.report.damage == []


# JSON lines -----------------------------------------------------------------------------------------------------

LINES = b"".join(json.dumps({"text": f"text {number}", "n": number}).encode() + b"\n" for number in range(50))


@pytest.mark.parametrize(
    "data",
    [
        LINES,
        LINES[:-1],
        b"\xef\xbb\xbf" + LINES,
        LINES.replace(b"\n", b"\r\n"),
        gzip.compress(LINES, mtime=0),
        gzip.compress(LINES[:100], mtime=0) + gzip.compress(LINES[100:], mtime=0),
        zstandard.compress(LINES),
    ],
)
def test_lines_in_every_packing(data: bytes) -> None:
    rows, report = read(data, "folder/x.jsonl")
    assert [row["text"] for row in rows] == [f"text {number}" for number in range(50)]
    assert [row["metadata"] for row in rows] == [f'{{"n":{number}}}' for number in range(50)]
    assert [row["offset"] for row in rows] == list(range(50))
    assert report.damage == []


def test_lines_that_are_no_document_are_rows_with_a_reason() -> None:
    lines = [b'{"text": "a"}', b"{broken", b"[1]", b"", b'"text"', b'{"text": \xff}', b"[" * 100_000, b'{"x": 1}']
    rows, report = read(b"\n".join(lines) + b"\n", "x.jsonl")
    reasons = [None, *["invalid_json"] * 5, "empty_payload"]
    assert [row["drop"] for row in rows] == reasons
    assert [row["offset"] for row in rows] == [0, 1, 2, 4, 5, 6, 7]
    assert len({row["id"] for row in rows}) == 7
    assert report.damage == []


def test_a_line_without_end_is_read_over() -> None:
    options = SourceOptions(max_bytes=1000)
    endless = b'{"text": "' + b"x" * 5_000_000 + b'"}\n'
    rows, _ = read(b'{"text": "a"}\n' + endless + b'{"text": "b"}\n', "x.jsonl", options)
    assert [row["drop"] for row in rows] == [None, "too_large", None]


def test_keys_of_no_column_are_kept_as_canonical_json() -> None:
    (row,) = json_rows({"text": "a", "z": [1, {"b": None, "a": "ü"}], "c": 1.5})
    assert row["metadata"] == '{"c":1.5,"z":[1,{"a":"ü","b":null}]}'
    assert json_rows({"text": "a"})[0]["metadata"] is None


def test_metadata_of_datatrove_brings_url_and_date() -> None:
    metadata = {"url": "http://example.org/", "date": "2024-12-03T04:05:06Z", "dump": "CC-MAIN-2024-51", "k": 1}
    (row,) = json_rows({"text": "a", "id": "x", "metadata": metadata})
    assert (row["url"], row["timestamp"], row["dump"]) == (metadata["url"], WHEN, metadata["dump"])
    assert json.loads(row["metadata"]) == metadata


def test_values_of_the_wrong_kind_are_not_lost() -> None:
    (row,) = json_rows({"text": "a", "url": ["u"], "timestamp": "soon", "language": 3})
    assert (row["url"], row["timestamp"], row["language"]) == (None, None, None)
    assert json.loads(row["metadata"]) == {"language": 3, "timestamp": "soon", "url": ["u"]}


def test_half_surrogates_become_replacement_characters() -> None:
    rows, _ = read(b'{"text": "a\\ud800b", "k": "\\udc00"}\n{"text": "\\ud83d\\ude00"}\n', "x.jsonl")
    assert [row["text"] for row in rows] == ["a\ufffdb", "\U0001f600"]
    assert rows[0]["metadata"] == '{"k":"\ufffd"}'


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_cut_file_of_lines(share: float) -> None:
    rows, report = read(LINES[: int(share * len(LINES))], "x.jsonl")
    assert [row["text"] for row in rows[:-1]] == [f"text {number}" for number in range(len(rows) - 1)]
    assert rows[-1]["drop"] in (None, "truncated_record")
    assert bool(report.damage) == (rows[-1]["drop"] is not None)
    packed = gzip.compress(LINES)
    rows, report = read(packed[: int(share * len(packed))], "x.jsonl.gz")
    good = [row["text"] for row in rows if row["drop"] is None]
    assert good == [f"text {number}" for number in range(len(good))]
    assert [row["drop"] for row in rows[len(good) :]] in ([], ["truncated_record"])
    assert len(report.damage) == 1


def test_a_broken_member_of_lines_costs_its_lines() -> None:
    parts = [gzip.compress(line + b"\n") for line in LINES.splitlines()]
    parts[7] = parts[7][:12] + b"\xff\xff" + parts[7][14:]
    rows, report = read(b"".join(parts), "x.jsonl.gz")
    good = [row["text"] for row in rows if row["drop"] is None]
    assert good == [f"text {number}" for number in range(50) if number != 7]
    assert [damage.offset for damage in report.damage] == [sum(map(len, parts[:7]))]

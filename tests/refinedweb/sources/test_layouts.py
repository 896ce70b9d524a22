"""Data sets that others publish: what is read of each layout, as its publisher describes it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.sources import SourceOptions, SourceReport, open_reader
from stages.errors import ShardError

URL = "https://example.org/a"
WHEN = datetime(2023, 2, 1, 4, 5, 6, tzinfo=UTC)
DUMP = "CC-MAIN-2023-06"
STAMP = "2023-02-01T04:05:06Z"
RECORD = "<urn:uuid:a5b2cc09-bd2b-4d0e-9e5b-2fcc5fce47cb>"
TEXT = "Some text of a page."
HEADERS = {"warc-record-id": RECORD, "warc-target-uri": URL, "warc-date": STAMP, "warc-type": "conversion"}
IDENTIFIED = {"identification": {"label": "fr", "prob": 0.75}, "harmful_pp": 4063.1, "tlsh": None}
DATATROVE = {"url": URL, "date": STAMP, "dump": DUMP, "language": "fr", "language_score": 0.75}
REDPAJAMA = {
    "url": URL, "date_download": STAMP, "digest": "sha1:X", "length": 20, "source_domain": "example.org",
    "title": "A", "cc_segment": "crawl-data/x.wet.gz", "language": "fr", "language_score": 0.75, "bucket": "head",
}  # fmt: skip

# (layout, format, row, id (None: a hash), url, timestamp, language, other columns of ours)
LAYOUTS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("datatrove Parquet", "parquet", {"text": TEXT, "id": RECORD, "metadata": DATATROVE},
     {"id": RECORD, "url": URL, "timestamp": WHEN, "language": "fr", "dump": DUMP, "language_score": 0.75}),
    ("datatrove JSONL", "jsonl", {"text": TEXT, "id": RECORD, "metadata": DATATROVE},
     {"id": RECORD, "url": URL, "timestamp": WHEN, "language": "fr", "dump": DUMP, "language_score": 0.75}),
    ("Dolma", "jsonl",
     {"id": "cc-1", "text": TEXT, "source": "common-crawl", "added": "2023-04-11T09:57:03.044571+00:00",
      "created": STAMP, "metadata": {"url": URL, "length": 20}},
     {"id": "cc-1", "url": URL, "timestamp": WHEN, "language": None}),
    ("RedPajama-V2 documents", "jsonl", {"raw_content": TEXT, **REDPAJAMA},
     {"id": None, "url": URL, "timestamp": WHEN, "language": "fr", "language_score": 0.75}),
    ("RedPajama-V2 on the Hub", "parquet",
     {"raw_content": TEXT, "doc_id": "2023-06/0000/fr_head.json.gz/0", "meta": json.dumps(REDPAJAMA),
      "quality_signals": '{"ccnet_length":[[0,20,20.0]]}'},
     {"id": "2023-06/0000/fr_head.json.gz/0", "url": URL, "timestamp": WHEN, "language": "fr", "language_score": 0.75}),
    ("C4", "jsonl", {"url": URL, "text": TEXT, "timestamp": STAMP},
     {"id": None, "url": URL, "timestamp": WHEN, "language": None}),
    ("mC4 Parquet", "parquet", {"text": TEXT, "timestamp": STAMP, "url": URL},
     {"id": None, "url": URL, "timestamp": WHEN, "language": None}),
    ("FineWeb", "parquet",
     {"text": TEXT, "id": RECORD, "dump": DUMP, "url": URL, "date": STAMP, "file_path": "s3://x/y.gz",
      "language": "fr", "language_score": 0.75, "token_count": 5},
     {"id": RECORD, "url": URL, "timestamp": WHEN, "language": "fr", "dump": DUMP, "language_score": 0.75}),
    ("OSCAR", "jsonl", {"content": TEXT, "warc_headers": HEADERS, "metadata": IDENTIFIED},
     {"id": RECORD, "url": URL, "timestamp": WHEN, "language": "fr", "language_score": 0.75}),
    ("OSCAR on the Hub", "parquet", {"id": 7, "text": TEXT, "meta": {"warc_headers": HEADERS, **IDENTIFIED}},
     {"id": "7", "url": URL, "timestamp": WHEN, "language": "fr", "language_score": 0.75}),
    ("KoPI-CC", "jsonl", {"text": TEXT, "url": URL, "timestamp": STAMP, "meta": json.dumps({"warc_headers": HEADERS})},
     {"id": RECORD, "url": URL, "timestamp": WHEN, "language": None}),
    ("CulturaX", "parquet", {"text": TEXT, "timestamp": STAMP, "url": URL, "source": "OSCAR-2301"},
     {"id": None, "url": URL, "timestamp": WHEN, "language": None, "input_source": "OSCAR-2301"}),
    ("The Pile", "jsonl", {"text": TEXT, "meta": {"pile_set_name": "Pile-CC"}},
     {"id": None, "url": None, "timestamp": None, "language": None}),
    ("WARC fields as they are written", "jsonl",
     {"WARC-Target-URI": URL, "WARC-Date": STAMP, "WARC-Record-ID": RECORD, "content": TEXT, "lang": "fr"},
     {"id": RECORD, "url": URL, "timestamp": WHEN, "language": "fr"}),
    ("columns with dots", "parquet", {"text": TEXT, "meta.url": URL, "meta.lang": "fr", "meta.stars": 3},
     {"id": None, "url": URL, "timestamp": None, "language": "fr", "meta.stars": 3}),
]  # fmt: skip


def given_rows(kind: str, row: dict[str, Any], options: SourceOptions | None = None) -> tuple[Any, SourceReport]:
    if kind == "jsonl":
        return read(json.dumps(row).encode() + b"\n", options)
    return read_table(pa.Table.from_pylist([row]), options)


def read_table(table: pa.Table, options: SourceOptions | None = None) -> tuple[Any, SourceReport]:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return read(sink.getvalue(), options)


def read(data: bytes, options: SourceOptions | None) -> tuple[Any, SourceReport]:
    reader = open_reader(io.BytesIO(data), "folder/x", options)
    rows = [row for table in reader.batches() for row in table.to_pylist()]
    assert reader.report.damage == []
    return rows[0] if len(rows) == 1 else rows, reader.report


@pytest.mark.parametrize(("layout", "kind", "row", "expected"), LAYOUTS, ids=[layout for layout, *_ in LAYOUTS])
def test_published_layouts(layout: str, kind: str, row: dict[str, Any], expected: dict[str, Any]) -> None:
    found, _ = given_rows(kind, row)
    assert (found["text"], found["drop"]) == (TEXT, None)
    if expected["id"] is None:
        assert len(found["id"]) == 32
        expected = expected | {"id": found["id"]}
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(("layout", "kind", "row", "expected"), LAYOUTS, ids=[layout for layout, *_ in LAYOUTS])
def test_nothing_of_a_layout_is_lost(layout: str, kind: str, row: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each value is somewhere in the row, in its column or in what is kept of the others."""
    found, _ = given_rows(kind, row)
    kept = json.dumps(found, default=str, ensure_ascii=False)
    for name, value in leaves(row):
        written = str(WHEN) if value == STAMP and value not in kept else value
        assert str(written) in kept.replace("\\", ""), name


def leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, key)]
    return [] if value is None else [(name, value)] if not isinstance(value, str) or "{" not in value else []


NESTED: dict[str, pa.Array] = {
    "struct": pa.array([DATATROVE]),
    "map": pa.array([[(name, str(value)) for name, value in DATATROVE.items()]], pa.map_(pa.string(), pa.string())),
    "JSON": pa.array([json.dumps(DATATROVE)]),
    "JSON, large": pa.array([json.dumps(DATATROVE)], pa.large_string()),
    "JSON, dictionary": pa.array([json.dumps(DATATROVE)]).dictionary_encode(),
    "JSON, view": pa.array([json.dumps(DATATROVE)]).cast(pa.string_view()),
}


@pytest.mark.parametrize("container", ["metadata", "meta", "Metadata"])
@pytest.mark.parametrize("form", NESTED)
def test_every_form_of_nesting_is_read(form: str, container: str) -> None:
    found, report = read_table(pa.table({"text": [TEXT], container: NESTED[form]}))
    assert (found["url"], found["timestamp"], found["language"]) == (URL, WHEN, "fr")
    assert report.taken["url"] == f"{container}.url"


@pytest.mark.parametrize(
    "layout", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_every_layout_of_text_is_read(layout: pa.DataType) -> None:
    columns = {"text": TEXT, "url": URL, "id": "7", "language": "fr", "timestamp": STAMP, "drop": "few_words"}
    found, _ = read_table(pa.table({name: pa.array([value]).cast(layout) for name, value in columns.items()}))
    assert {name: found[name] for name in columns} == columns | {"timestamp": WHEN}


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_null_is_filled_from_the_next_place(kind: str) -> None:
    rows = [{"text": "a", "url": "u", "meta": {"url": "v"}}, {"text": "b", "url": None, "meta": {"url": "w"}}]
    if kind == "parquet":
        found, _ = read_table(pa.Table.from_pylist(rows))
    else:
        found, _ = read(b"".join(json.dumps(row).encode() + b"\n" for row in rows), None)
    assert [row["url"] for row in found] == ["u", "w"]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_options_address_fields_within_columns(kind: str) -> None:
    row = {"data": {"body": TEXT, "at": {"link": URL}}, "info": '{"seen": 1675224306}', "url": "other", "the.id": "7"}
    options = SourceOptions(
        text_column="data.body", url_column="data.at.link", timestamp_column="info.seen", id_column="the.id"
    )
    found, report = given_rows(kind, row, options)
    assert (found["text"], found["url"], found["timestamp"], found["id"]) == (TEXT, URL, WHEN, "7")
    assert report.taken["url"] == "data.at.link"


def test_an_address_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(ShardError, match=r"no column 'metadata\.link' for url"):
        read_table(pa.table({"text": [TEXT], "metadata": NESTED["struct"]}), SourceOptions(url_column="metadata.link"))


WORDS = [("", None), (" ", None), ("no", None), ("False", None), ("0", None), ("keep", None), (None, None),
         ("few_words", "few_words"), ("True", "marked_by_input"), ("yes", "marked_by_input"), ("1", "marked_by_input"),
         ("Too short!", "other_reason")]  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize(
    ("word", "reason"), [*WORDS, (False, None), (True, "marked_by_input"), (0, None), (1.0, "marked_by_input")]
)
def test_an_empty_or_false_drop_keeps_the_row(kind: str, word: object, reason: str | None) -> None:
    found, report = given_rows(kind, {"text": TEXT, "drop": word})
    assert (found["drop"], found["text"]) == (reason, TEXT)
    assert report.taken.get("drop") == (None if word is None else "drop")

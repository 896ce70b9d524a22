"""CSV and TSV: values as they are, rows that do not fit have a reason, in any dialect that programs write."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.sources import SourceOptions
from refinedweb.sources.inputs import find
from refinedweb.storage import Store
from stages.errors import ShardError
from tests.refinedweb.sources.archives import read

ROWS = [
    ["1", 'say "hi", she said', "http://a.example/"],
    ["2", "two\nlines", ""],
    ["3", "grün; 日本", "http://c.example/"],
]


def written(rows: list[list[str]], header: str = "id,text,url", **dialect: Any) -> str:
    sink = io.StringIO()
    csv.writer(sink, **dialect).writerows([header.split(","), *rows])
    return sink.getvalue()


DIALECTS = {
    "x.csv": written(ROWS).encode(),
    "semicolon.csv": written(ROWS, delimiter=";").encode(),
    "all-quoted.csv": written(ROWS, quoting=csv.QUOTE_ALL, lineterminator="\n").encode("utf-8-sig"),
    "macintosh.csv": written(ROWS, quoting=csv.QUOTE_ALL, lineterminator="\r").encode(),
    "x.tsv": written(ROWS, delimiter="\t").encode(),
    "excel.tsv": written(ROWS, delimiter="\t").encode("utf-16"),
    "x.csv.gz": gzip.compress(written(ROWS).encode()),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_gives_the_same_documents(name: str) -> None:
    rows, report = read(DIALECTS[name], name, SourceOptions(batch_rows=2))
    assert [(row["id"], row["text"], row["url"]) for row in rows] == [(a, b, c or None) for a, b, c in ROWS]
    assert [row["offset"] for row in rows] == [0, 1, 2]
    assert report.damage == []


LETTERS = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\r\n")
VALUES = st.text(LETTERS, min_size=1, max_size=12).map(lambda text: f"x{text}")


@settings(max_examples=50)
@given(st.lists(st.tuples(VALUES, VALUES), max_size=6), st.sampled_from(",;\t|"))
def test_any_values_come_back(given_rows: list[tuple[str, str]], delimiter: str) -> None:
    data = written([list(row) for row in given_rows], "text,note", delimiter=delimiter)
    rows, _ = read(data.encode(), "x.csv")
    assert [(row["text"], row["note"]) for row in rows] == given_rows


def test_rows_that_do_not_fit_have_a_reason() -> None:
    data = b'id,text\n1,a\n2\n3,b,c\n\n4,"' + b"x" * 3_000_000 + b'"\n5,\n6,z\n'
    rows, _ = read(data, "x.csv", SourceOptions(max_bytes=1000))
    reasons = [None, "invalid_csv", "invalid_csv", "too_large", "empty_payload", None]
    assert [row["drop"] for row in rows] == reasons
    assert [row["id"] for row in rows if row["drop"] in (None, "empty_payload")] == ["1", "5", "6"]


def test_a_lone_carriage_return_ends_a_row_and_costs_nothing_else() -> None:
    rows, _ = read(b'text,url\n"a\rb",u\rc,u\r\nd,u\n', "x.csv")
    assert [(row["text"], row["drop"]) for row in rows] == [("a\rb", None), ("c", None), ("d", None)]


def test_a_table_without_text_names_its_columns() -> None:
    with pytest.raises(ShardError, match=r"x.csv has no column for html or text.*a, b"):
        read(b"a,b\n1,2\n", "x.csv")
    (row,), _ = read(b"a,body\n1,words\n", "x.csv", SourceOptions(text_column="body"))
    assert row["text"] == "words"


def test_a_table_that_is_cut_says_so() -> None:
    packed = gzip.compress(written([[str(n), "word " * n, ""] for n in range(200)]).encode())
    rows, report = read(packed[: len(packed) // 2], "x.csv.gz")
    assert 0 < len(rows) < 200
    assert len(report.damage) == 1


def test_a_folder_of_tables_is_read_and_one_of_statistics_is_not(store: Store) -> None:
    store.put("in/a.csv", DIALECTS["x.csv"])
    store.put("in/b.csv.gz", DIALECTS["x.csv.gz"])
    store.put("mixed/stats.csv", b"host,pages\na.example,3\n" * 99)
    store.put("mixed/a.jsonl", json.dumps({"text": "a"}).encode() + b"\n")
    assert len(find([store.uri("in")], out="/nowhere").inputs) == 2
    assert [item.uri for item in find([store.uri("mixed")], out="/nowhere").inputs] == [store.uri("mixed/a.jsonl")]

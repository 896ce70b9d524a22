"""JSON as programs write it: lines, arrays, printed for people, in other encodings. The same documents come out."""

from __future__ import annotations

import gzip
import json
import lzma
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.sources import SourceOptions
from stages.errors import ShardError
from tests.refinedweb.sources.archives import read

Docs = list[dict[str, Any]]
DOCS: Docs = [
    {"text": 'quotes " and \\ and [ { ] }', "n": 1},
    {"text": "grün, 日本語, \U0001f600", "nested": {"a": [1, {"b": "]"}]}},
    {"text": "a\nb", "empty": {}, "list": []},
]


def lines(docs: Docs) -> str:
    return "".join(json.dumps(doc) + "\n" for doc in docs)


WRITERS: dict[str, Callable[[Docs], bytes]] = {
    "lines": lambda docs: lines(docs).encode(),
    "an array": lambda docs: json.dumps(docs).encode(),
    "an array with a mark": lambda docs: b"\xef\xbb\xbf" + json.dumps(docs, ensure_ascii=False).encode(),
    "an array for people": lambda docs: json.dumps(docs, indent=2, ensure_ascii=False).encode(),
    "an array, a line each": lambda docs: ("[\n" + ",\n".join(map(json.dumps, docs)) + "\n]\n").encode(),
    "objects for people": lambda docs: "\n".join(json.dumps(doc, indent=4) for doc in docs).encode(),
    "UTF-16 with a mark": lambda docs: lines(docs).replace("\n", "\r\n").encode("utf-16"),
    "UTF-16 without": lambda docs: lines(docs).encode("utf-16-be"),
    "UTF-32": lambda docs: json.dumps(docs, indent=1, ensure_ascii=False).encode("utf-32"),
    "xz": lambda docs: lzma.compress(json.dumps(docs).encode()),
    "gzip of UTF-16": lambda docs: gzip.compress(lines(docs).encode("utf-16-le")),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("key", ["folder/x.json", "folder/x"])
def test_documents_do_not_depend_on_how_they_were_written(name: str, key: str) -> None:
    rows, report = read(WRITERS[name](DOCS), key)
    assert [(row["text"], row["offset"]) for row in rows] == [(doc["text"], at) for at, doc in enumerate(DOCS)]
    expected = read(WRITERS["lines"](DOCS), key)[0]
    assert [row["metadata"] for row in rows] == [row["metadata"] for row in expected]
    assert report.damage == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.lists(st.fixed_dictionaries({"text": st.text(min_size=1, max_size=20), "k": JSON}), min_size=1, max_size=5))
def test_any_values_are_framed_alike(docs: Docs) -> None:
    expected, _ = read(WRITERS["lines"](docs), "x.json")
    for name in ("an array", "an array for people", "objects for people", "UTF-16 with a mark"):
        rows, report = read(WRITERS[name](docs), "x.json")
        assert [(row["text"], row["metadata"]) for row in rows] == [(r["text"], r["metadata"]) for r in expected]
        assert report.damage == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'["a", "b"]', "array of strings"),
        (b"[1, 2]", "array of plain values"),
        (b'[["a"], ["b"]]', "array of arrays"),
        (b'{"data": [{"x": 1}, {"x": 2}]}', r"rows are in 'data'.*jq -c '.data\[\]'"),
        (b'{"a\';touch x;\'": [{"x": 1}, {"x": 2}]}', r"rows are in .*; write them as lines$"),
        (b'{\n  "n": 2,\n  "rows": [\n    {"x": 1}\n  ]\n}\n', "rows are in 'rows'"),
    ],
)
def test_json_that_cannot_be_documents_says_what_it_is(data: bytes, says: str) -> None:
    with pytest.raises(ShardError, match=f"x.json: .*{says}"):
        read(data, "x.json")


def test_a_broken_first_line_costs_itself() -> None:
    rows, _ = read(b'{"text": "never ends\n' + lines(DOCS).encode(), "x.jsonl")
    assert [row["drop"] for row in rows] == ["invalid_json", None, None, None]


def test_elements_that_are_no_documents_are_rows_with_a_reason() -> None:
    huge = b'{"text": "' + b'x\\"' * 500_000 + b'"}'
    data = b'[{"text": "a"}, 12, "s", [1, {}], {bad}, ' + huge + b', {"text": "z"}]'
    rows, report = read(data, "x.json", SourceOptions(max_bytes=1000))
    expected = [None, *["invalid_json"] * 4, "too_large", None]
    assert [row["drop"] for row in rows] == expected
    assert report.damage == []


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("packed", [False, True])
def test_an_array_that_is_cut_keeps_what_came_whole(share: float, packed: bool) -> None:
    data = json.dumps([{"text": f"text {n}"} for n in range(50)], indent=1).encode()
    data = gzip.compress(data, mtime=0) if packed else data
    rows, report = read(data[: int(share * len(data))], "x.json")
    good = [row["text"] for row in rows if row["drop"] is None]
    assert good == [f"text {n}" for n in range(len(good))]
    assert {row["drop"] for row in rows[len(good) :]} <= {"truncated_record"}
    assert report.damage


def test_a_bad_byte_is_repaired_and_a_bad_line_is_not_text() -> None:
    latin = '{"text": "Grüße aus dem schönen Köln am Rhein"}\n'.encode("latin-1")
    noise = b'{"text": "' + bytes(range(128, 256)) + b'"}\n'
    rows, _ = read(lines(DOCS[:1]).encode() + latin + noise, "x.jsonl", SourceOptions(max_garbage=0.1))
    assert [row["drop"] for row in rows] == [None, None, "invalid_json"]
    assert rows[1]["text"] == "Gr\ufffd\ufffde aus dem sch\ufffdnen K\ufffdln am Rhein"


def test_numbers_that_json_does_not_have_stay_valid_json() -> None:
    data = b'{"text": "a", "x": NaN, "y": [Infinity, {"z": -Infinity}], "w": 1e999, "v": 1.5}\n{"text": NaN}\n'
    rows, _ = read(data, "x.jsonl")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(rows[0]["metadata"], parse_constant=refuse)
    assert found == {"x": "NaN", "y": ["Infinity", {"z": "-Infinity"}], "w": "Infinity", "v": 1.5}
    assert not any(isinstance(value, float) and math.isnan(value) for value in found.values())
    assert (rows[1]["text"], rows[1]["drop"]) == (None, "empty_payload")

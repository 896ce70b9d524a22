"""One run, one schema: whatever mix of tables goes in, every usual reader reads what comes out."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import refinedweb as rw
from refinedweb.engine.start import begin
from refinedweb.recipe.load import load
from refinedweb.sources.inputs import InputSpecs
from refinedweb.sources.survey import Survey, survey
from refinedweb.views.columns import column_notes
from refinedweb.views.export import export
from tests.refinedweb.engine.inline import run

WHEN = datetime(2024, 1, 2, tzinfo=UTC)
RECIPE = "where_v1"
WORDS = "The fox of the garden and that winter have with"
Files = dict[str, dict[str, Any] | list[dict[str, Any]] | bytes]


MAP = pa.map_(pa.string(), pa.int64())


def two(first: Any, second: Any, column: str = "x") -> Files:
    """Two Parquet files with the values in one column."""
    return {"a.parquet": {column: first}, "b.parquet": {column: second}}


def stamps(unit: Any, zone: str) -> pa.Array:
    return pa.array([WHEN], pa.timestamp(unit, zone))


def fixed(values: list[int]) -> pa.Array:
    return pa.array([values], pa.list_(pa.int64(), len(values)))


# Name → the files. A dict of lists and arrays becomes Parquet, a list of rows becomes JSON lines, bytes stay.
MIXES: dict[str, Files] = {
    "other columns": {"a.parquet": {"score": [1]}, "b.parquet": {"topic": ["x"]}},
    "null, then text": two(pa.nulls(1), ["t"]),
    "text, then null": two(["t"], pa.nulls(1)),
    "null alone": two(pa.nulls(1), pa.nulls(2)),
    "integer and text": two([1], ["t"]),
    "integer and float": two([1], [0.5]),
    "large integer and float": two([2**60 + 1, 5], [0.5]),
    "integers of several widths": two(pa.array([1], pa.int8()), pa.array([2], pa.uint32())),
    "unsigned beyond signed": two(pa.array([2**63 + 1], pa.uint64()), [-1]),
    "truth and number": two([True], [2]),
    "truth and text": two([True], ["yes"]),
    "half, single, double": two(pa.array([0.5], pa.float32()), [0.25]),
    "text and large text": two(["t"], pa.array(["u"], pa.large_string())),
    "text and view": two(["t"], pa.array(["u"], pa.string_view())),
    "text and dictionary": two(["t"], pa.array(["u"]).dictionary_encode()),
    "dictionaries": two(pa.array(["t"]).dictionary_encode(), pa.array(["u", "v"]).dictionary_encode()),
    "text and bytes": two(["t"], [b"\xff"]),
    "times in two zones": two(stamps("s", "UTC"), stamps("us", "+02:00")),
    "times with and without a zone": two(stamps("s", "UTC"), pa.array([0], pa.timestamp("s"))),
    "dates and text": two(pa.array([WHEN.date()]), ["2024"]),
    "lists": two([[1]], [[0.5], None]),
    "lists of other things": two([[1]], [["t"]]),
    "large lists and empty lists": two(pa.array([[1]], pa.large_list(pa.int64())), [[]]),
    "lists of fixed sizes": two(fixed([1, 2]), fixed([1, 2, 3])),
    "structs with other fields": two([{"a": 1}], [{"b": "t", "a": 0.5}]),
    "structs that do not go together": two([{"a": 1}], [{"a": "t"}]),
    "struct and map": two([{"a": 1}], pa.array([[("a", 1)]], MAP)),
    "metadata as struct and as text": two([{"url": "u", "n": 1}], ['{"url": "v"}'], "metadata"),
    "metadata as struct, and another conflict": {
        "a.parquet": {"metadata": [{"n": 1}], "x": [1]},
        "b.parquet": {"metadata": [{"n": 2}], "x": ["t"]},
    },
    "Parquet and JSON lines": {"a.parquet": {"stars": [1]}, "b.jsonl": [{"stars": 2, "x": {"y": float("nan")}}]},
    "decimals": two(pa.array([1], pa.decimal128(5, 2)), pa.array([1], pa.decimal128(7, 3))),
    "no rows": {**two(pa.array([], pa.int64()), ["t"]), "c.parquet": {"y": pa.array([], pa.string())}},
    "an empty file of JSON lines": {"a.jsonl": b"", "b.jsonl": [{"x": 1}], "c.parquet": {"x": [1]}},
    "names that differ by case": {"a.parquet": {"Score": [1]}, "b.parquet": {"score": [2]}},
    "names with dots": {
        "a.parquet": {"meta.stars": [1], "quality_v1.words": [0.5]},
        "b.parquet": {"meta.stars": ["t"]},
    },
    "a document's column of another type": {"a.parquet": {"url": [1]}, "b.parquet": {"url": ["u"]}},
}


def write(files: Files, folder: Path) -> list[Path]:
    folder.mkdir()
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        elif isinstance(content, list):
            rows = [{"id": f"{name}-{n}", "text": f"{WORDS} {name} {n}"} | row for n, row in enumerate(content)]
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            rows_in = len(next(iter(content.values())))
            ids = {
                "id": [f"{name}-{n}" for n in range(rows_in)],
                "text": [f"{WORDS} {name} {n}" for n in range(rows_in)],
            }
            texts = {key: pa.array(value, pa.string()) for key, value in ids.items()}
            pq.write_table(pa.table(texts | content), folder / name)
    return [folder / name for name in files]


def with_datasets(out: Path) -> list[str]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_dataset("parquet", data_files=str(out / "corpus" / "*.parquet"), cache_dir=str(out / "cache"))
    return list(loaded["train"]["id"])


READERS: dict[str, Callable[[Path], list[str]]] = {
    "duckdb": lambda out: [r[0] for r in duckdb.sql(f"select * from '{out}/corpus/*.parquet'").select("id").fetchall()],
    "polars": lambda out: pl.read_parquet(f"{out}/corpus/*.parquet")["id"].to_list(),
    "pandas": lambda out: pd.read_parquet(out / "corpus")["id"].tolist(),
    "refinedweb": lambda out: rw.open(str(out)).table()["id"].to_pylist(),
    "datasets": with_datasets,
}


@pytest.mark.parametrize("name", MIXES)
def test_every_reader_reads_what_a_mix_becomes(name: str, tmp_path: Path) -> None:
    files = write(MIXES[name], tmp_path / "in")
    result = run(RECIPE, files, tmp_path / "out")
    assert not result.failed
    schemas = {pq.read_schema(path).remove_metadata() for path in (tmp_path / "out/corpus").iterdir()}
    assert len(schemas) == 1
    found = {reader: sorted(read(tmp_path / "out")) for reader, read in READERS.items()}
    assert len(found["refinedweb"]) == result.totals.rows_in == result.totals.rows_kept
    assert found == dict.fromkeys(READERS, found["refinedweb"])


def corpus(name: str, tmp_path: Path) -> tuple[list[dict[str, Any]], Survey]:
    run(RECIPE, write(MIXES[name], tmp_path / "in"), tmp_path / "out")
    opened = rw.open(str(tmp_path / "out"))
    survey = opened.file.survey()
    assert survey is not None
    return opened.table().arrow.to_pylist(), survey


EXPECTED: dict[str, tuple[str, list[Any]]] = {
    "other columns": ("score", [1, None]),
    "null, then text": ("x", [None, "t"]),
    "integer and float": ("x", [1.0, 0.5]),
    "integers of several widths": ("x", [1, 2]),
    "large integer and float": ("metadata", ['{"x":1152921504606846977}', None, None]),
    "unsigned beyond signed": ("metadata", ['{"x":9223372036854775809}', None]),
    "integer and text": ("metadata", ['{"x":1}', '{"x":"t"}']),
    "text and bytes": ("metadata", ['{"x":"t"}', '{"x":"/w=="}']),
    "structs with other fields": ("x", [{"a": 1.0, "b": None}, {"a": 0.5, "b": "t"}]),
    "struct and map": ("metadata", ['{"x":{"a":1}}', '{"x":{"a":1}}']),
    "metadata as struct and as text": ("metadata", ['{"n":1,"url":"u"}', '{"url": "v"}']),
    "metadata as struct, and another conflict": (
        "metadata",
        ['{"metadata":{"n":1},"x":1}', '{"metadata":{"n":2},"x":"t"}'],
    ),
    "names with dots": ("quality_v1.words", [0.5, None]),
    "times in two zones": ("x", [WHEN, WHEN]),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_values_are_in_the_one_schema_or_in_metadata(name: str, tmp_path: Path) -> None:
    column, values = EXPECTED[name]
    rows, _ = corpus(name, tmp_path)
    assert [row[column] for row in sorted(rows, key=lambda row: row["id"])] == values


def test_the_run_names_what_does_not_go_together(tmp_path: Path) -> None:
    _, survey = corpus("integer and text", tmp_path)
    assert survey.as_json == {"x": ["int64", "string"]}
    assert survey.schema.names == ["metadata"]
    assert survey.kinds == ("Parquet",)
    assert survey.taken == {"id": "id", "text": "text"}


def test_the_run_says_which_columns_it_took_and_what_has_no_work(tmp_path: Path) -> None:
    files: Files = {"a.parquet": {"drop": ["no"], "meta": [{"source_url": "u"}], "x": [1]}, "b.parquet": {"x": ["t"]}}
    begun = begin(
        load("url_dedup_v1,badwords_v1"),
        InputSpecs(tuple(map(str, write(files, tmp_path / "in")))),
        str(tmp_path / "out"),
    )
    notes = column_notes(load("url_dedup_v1,badwords_v1"), begun.run.survey())
    assert notes == [
        "Columns of the input: id, url from meta.source_url, text, drop; nothing for timestamp, language",
        "The input's own column drop removes rows: all but those where it is empty or says no",
        "x is in metadata, as JSON: int64 and string have no common type",
        "badwords_v1 has nothing to work on: no row that was looked at has a language; name its column with "
        "--set source.language_column=…",
    ]


def test_an_url_that_is_null_throughout_is_said(tmp_path: Path) -> None:
    files = write({"a.parquet": {"url": pa.nulls(3, pa.string())}}, tmp_path / "in")
    recipe = load("url_v1,extract_v1,classifier_v1")
    begun = begin(recipe, InputSpecs(tuple(map(str, files))), str(tmp_path / "out"))
    notes = column_notes(recipe, begun.run.survey())
    assert [note.partition(":")[0] for note in notes[1:]] == [
        "url_v1 has nothing to work on",
        "extract_v1 does nothing",
        "classifier_v1 has no model of yours",
    ]


def test_beyond_what_is_looked_at_columns_go_to_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of a beginning is bounded, and the schema is the same for all."""
    monkeypatch.setattr("refinedweb.sources.survey.MOST_FILES", 3)
    files: Files = {f"{n}.parquet": {"x": [n]} for n in range(6)}
    files["1.parquet"] = {"x": ["t"], "y": [0.5]}
    run(RECIPE, write(files, tmp_path / "in"), tmp_path / "out")
    rows = sorted(rw.open(str(tmp_path / "out")).table(), key=lambda row: row["id"])
    assert [row["x"] for row in rows] == [0, None, 2, 3, 4, 5]
    assert [row["metadata"] for row in rows] == [None, '{"x":"t","y":0.5}', None, None, None, None]


def test_removed_rows_and_decisions_have_one_schema_too(tmp_path: Path) -> None:
    files = write(MIXES["integer and text"] | {"c.parquet": {"y": [0.5, 0.25]}}, tmp_path / "in")
    run("url_v1,exact_v2,where_v1", files, tmp_path / "out", "where_v1.keep=y < 0.4")
    folders = {path.parent for path in (tmp_path / "out").rglob("*.parquet")}
    assert any("decisions" in str(folder) for folder in folders)
    assert any("removed" in str(folder) for folder in folders)
    for folder in folders:
        assert len({pq.read_schema(path).remove_metadata() for path in folder.glob("*.parquet")}) == 1, folder


def test_a_crawl_archive_adds_no_column(tmp_path: Path) -> None:
    assert survey(["x/a.warc.gz", "x/b.warc"], load(RECIPE).source) == Survey(pa.schema([]), kinds=("archive",))


def test_a_survey_is_what_it_was_after_json(tmp_path: Path) -> None:
    found = survey([str(path) for path in write(MIXES["struct and map"], tmp_path / "in")], load(RECIPE).source)
    assert Survey.of_plain(json.loads(json.dumps(found.to_plain()))) == found
    assert Survey.of_plain({}) is None
    assert Survey.of_plain(found.to_plain() | {"schema": "no"}) is None


def test_an_unfinished_file_beside_good_ones_costs_itself_alone(tmp_path: Path) -> None:
    files = write(MIXES["other columns"] | {"broken.parquet": b"", "cut.parquet": b"PAR1..."}, tmp_path / "in")
    result = run(RECIPE, files, tmp_path / "out", accept=2)
    assert [*result.lost] == [2, 3]
    found = {name: sorted(read(tmp_path / "out")) for name, read in READERS.items()}
    assert set(map(tuple, found.values())) == {("a.parquet-0", "b.parquet-0")}


STRANGE = {
    "bytes": pa.array([b"\xff"]),
    "day": pa.array([WHEN.date()]),
    "decimal": pa.array([1], pa.decimal128(5, 2)),
    "duration": pa.array([5], pa.duration("s")),
    "nan": pa.array([[float("nan")]]),
    "map": pa.array([[("a", 1)]], MAP),
    "time": pa.array([WHEN]),
}


def test_every_type_can_be_exported_as_json(tmp_path: Path) -> None:
    run(RECIPE, write({"a.parquet": STRANGE}, tmp_path / "in"), tmp_path / "out")
    export(str(tmp_path / "out"), str(tmp_path / "json"), "full", "jsonl")
    (path,) = (tmp_path / "json").iterdir()
    row = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (row["bytes"], row["day"], row["decimal"]) == ("/w==", "2024-01-02", "1.00")
    assert (row["nan"], row["map"], row["time"]) == (["nan"], [["a", 1]], "2024-01-02T00:00:00Z")


@pytest.mark.parametrize(("second", "repeated"), [("1", "1"), ("3", None)])
def test_ids_that_repeat_across_inputs_are_named(second: str, repeated: str | None, tmp_path: Path) -> None:
    for name, ids in {"a": ["1", "2"], "b": [second, "4"]}.items():
        pq.write_table(pa.table({"id": ids, "text": ["t", "u"]}), tmp_path / f"{name}.parquet")
    found = survey([str(path) for path in sorted(tmp_path.iterdir())], load(RECIPE).source)
    assert found.repeated_id == repeated
    assert Survey.of_plain(json.loads(json.dumps(found.to_plain()))) == found
    notes = column_notes(load(RECIPE), found)
    assert any("Ids of the input repeat (1)" in note for note in notes) == (repeated is not None)

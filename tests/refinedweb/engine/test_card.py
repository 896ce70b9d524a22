"""The corpus in other tools: DuckDB, pandas, polars and HF datasets read it as it is, and its card is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import refinedweb as rw
from refinedweb.engine.card import card
from refinedweb.views.verify import verify
from tests.refinedweb.engine.inline import corpus, ok, run, write_shards
from tests.refinedweb.views.small_run import pages, small_run


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"), "keep_measures=true")


def test_duckdb_reads_it(out: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.connect().execute(
        f"SELECT id, text FROM '{out}/corpus/*.parquet' ORDER BY filename, file_row_number"
    )
    assert found.fetchall() == corpus(out)


def test_pandas_reads_it(out: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(out / "corpus")
    assert list(zip(frame["id"], frame["text"], strict=True)) == corpus(out)
    assert frame["quality_v1.words"].min() >= 50


def test_polars_reads_it(out: Path) -> None:
    polars = pytest.importorskip("polars")
    for where in (out / "corpus", out / "corpus" / "*.parquet"):
        assert polars.scan_parquet(where).select("id", "text").collect().rows() == corpus(out)


def test_datasets_reads_it_by_its_card(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert list(zip(loaded["id"], loaded["text"], strict=True)) == corpus(out)
    streamed = datasets.load_dataset(str(out), split="train", streaming=True)
    assert [(row["id"], row["text"]) for row in streamed] == corpus(out)


def test_the_card_says_what_the_ledger_says(out: Path) -> None:
    text = (out / "README.md").read_text(encoding="utf-8")
    totals = rw.open(str(out)).totals()
    assert f"{totals.rows_kept:,} documents" in text
    assert f"{totals.rows_in:,} documents in 3 input files" in text
    assert "too_few_words 8" in text
    assert rw.open(str(out)).file.fingerprint in text
    assert "Personal data was not masked. The texts are those of the input" in text
    assert "WARC" not in text
    assert "| `timestamp` | `timestamp[ms, tz=UTC]` | as the input had it, UTC |" in text
    columns = set(re.findall(r"^\| `([^`]+)` \| `\w+", text, re.M))
    assert {"id", "url", "text", "quality_v1.words"} <= columns
    assert verify(str(out)).problems == []


def test_the_same_input_and_recipe_give_the_same_card(tmp_path: Path) -> None:
    files = write_shards(pages()[:3], tmp_path / "in", 2)
    for name in ("one", "other"):
        ok(run("quality_v1,pii_v1", files, tmp_path / name))
    written = (tmp_path / "one" / "README.md").stat().st_mtime_ns
    ok(run("quality_v1,pii_v1", files, tmp_path / "one"))
    assert (tmp_path / "one" / "README.md").stat().st_mtime_ns == written, "a run that is over writes nothing"
    cards = [(tmp_path / name / "README.md").read_bytes() for name in ("one", "other")]
    assert cards[0] == cards[1]
    assert b"E-mail and IP addresses are masked" in cards[0]


def test_nothing_that_an_input_brings_breaks_out_of_the_card(out: Path) -> None:
    import pyarrow as pa

    run_file = rw.open(str(out)).file
    text = card(run_file, rw.open(str(out)).totals(), pa.schema([("a`|<script>\n---", pa.string())]))
    assert "<script>" not in text
    assert text.count("\n---\n") == 1

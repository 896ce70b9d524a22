"""The pages to train on: annotations, the crawl's pages, and the benchmark's sites, which are left out."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifiers.blocks.training import annotated, crawl, data, labels, train
from tests.refinedweb.sources.archives import http, warc

TEXT = "The river rose again in the night, and by morning the lower meadow was under water for the second time. "
OTHER = "Other words: " + 2 * TEXT
PAGE = f"<title>Flood</title><nav><p>Home</nav><h1>The flood</h1><p>{TEXT}</p><p>{TEXT.upper()}</p><footer>© 2026"


def test_blocks_of_the_kept_ranges_are_main_text() -> None:
    page = train.trimmed(np.frombuffer(PAGE.encode(), np.uint8))
    assert train.texts(page)[0] == "Flood"
    start, end = PAGE.index("<h1>"), PAGE.index("<footer>")
    assert annotated.labels(page, ((start, end),)).tolist() == [0, 0, 1, 1, 1, 0]
    assert annotated.labels(page, ((0, len(PAGE)),)).tolist() == [0, 1, 1, 1, 1, 1], "the title is no main text"
    assert annotated.labels(page, ()).sum() == 0


def test_annotations_are_ranges_in_order_and_name_each_page_once() -> None:
    lines = annotated.FILE.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({(row["source"], row["id"]) for row in rows}) == len(rows) > 300
    for row in rows:
        assert set(row) == {"source", "id", "kind", "language", "kept"}
        ends = [end for span in row["kept"] for end in span]
        assert all(a <= b for a, b in pairwise(ends)), row["id"]


def test_an_annotation_is_worth_more_than_a_text() -> None:
    row = data.TrainingPage(PAGE.encode(), "https://a.example/", "", "article", "", ())
    (sample,) = train.samples([row], lambda html: TEXT, 2)
    assert sample.labels.sum() == 0, "nothing was kept, whatever trafilatura says"
    (sample,) = train.samples(
        [data.TrainingPage(PAGE.encode(), "https://a.example/", "", "", "")], lambda html: TEXT, 2
    )
    assert sample.labels.sum() > 0
    assert sample.weight == train.WEAK_WEIGHT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A crawl of five pages: one of the benchmark's site, one that has its text, one known, one without truth."""
    names = ["plain", "site", "text", "known", "none"]
    with (tmp_path / "part-0.warc.gz").open("wb") as file:
        for number in range(len(names)):
            file.write(gzip.compress(warc(http(PAGE.encode()), number=number).replace(b"Warc-", b"WARC-")))
    facts = [
        {
            "id": f"00000000-0000-0000-0000-{number:012d}", "url": f"https://www.{name}.example/a", "sha256": name,
            "expected_text": {"text": OTHER, "none": ""}.get(name, TEXT), "page_type": "article",
            "source_repo": "x",
        }
        for number, name in enumerate(names)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(facts), tmp_path / "truth.parquet")
    truth = {"1": {"url": "http://site.example/b", "articleBody": "short"}}
    truth["2"] = {"url": "http://elsewhere.example/", "articleBody": OTHER}
    (tmp_path / "ground-truth.json").write_text(json.dumps(truth))
    return tmp_path


def test_a_benchmarks_sites_and_texts_are_not_trained_on(folder: Path) -> None:
    found = crawl.read(folder, folder / "ground-truth.json", {"known"})
    assert [row.url for row in found] == ["https://www.plain.example/a"]
    assert found[0].html == PAGE.encode()
    assert labels.words(found[0].truth)


def test_a_byte_order_mark_is_no_text() -> None:
    assert data.decoded(b"\xef\xbb\xbf<p>x") == b"<p>x"

"""Main texts of real web pages for choosing a page threshold and for reporting on it: two halves that share no URL.

Pages of the crawl and of the extraction training set that have a main text of 300 characters or more, each text once;
texts that are no page (fillers) are left out. Which half a page is in is a hash of its host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from benchmarks import crawl
from classifiers import lid
from classifiers.normalise.normalise import packed
from classifiers.training.labelled import fractions

SEED = 7
COLUMNS = ["url", "expected_text", "page_type", "source_repo"]


class WebPage(NamedTuple):
    url: str
    kind: str
    language: str | None
    text: str


def pages() -> list[WebPage]:
    """All of them, with the language that lid.176 gives the text."""
    files = [crawl.data() / "crawl" / "truth.parquet", crawl.data() / "extraction-train" / "pages.parquet"]
    rows = [row for file in files for row in pq.read_table(file, columns=COLUMNS).to_pylist()]
    chosen = {row["expected_text"]: row for row in rows if len(row["expected_text"] or "") >= 300}
    found = [row for row in chosen.values() if "filler" not in (row["page_type"] or "")]
    codes = lid.load().identify(*packed([row["expected_text"] for row in found])).codes
    return [
        WebPage(row["url"] or "", row["page_type"] or "?", code, row["expected_text"])
        for row, code in zip(found, codes, strict=True)
    ]


def halves(all_pages: Sequence[WebPage]) -> tuple[list[WebPage], list[WebPage]]:
    """Those to choose a threshold on, and those to report on."""
    sides = fractions([urlsplit(page.url).hostname or page.text for page in all_pages], SEED) < 0.5
    return [p for p, s in zip(all_pages, sides, strict=True) if s], [
        p for p, s in zip(all_pages, sides, strict=True) if not s
    ]

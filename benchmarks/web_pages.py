"""Main texts of real web pages, in two halves that share no URL: one to choose a page threshold on, one to report on.

The pages are those of the crawl and of the extraction training set with a main text of 300 characters or more, each
text once; texts that are not a page (fillers) are left out. A hash of its host decides in which half a page is.
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

SEED = 7  # of the hash that divides the pages
COLUMNS = ["url", "expected_text", "page_type", "source_repo"]


class WebPage(NamedTuple):
    """A page with its main text."""

    url: str
    kind: str
    language: str | None
    text: str


def pages() -> list[WebPage]:
    """All pages, with the language that lid.176 finds for the text."""
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
    """The pages to choose a threshold on, and those to report on."""
    sides = fractions([urlsplit(page.url).hostname or page.text for page in all_pages], SEED) < 0.5
    return [p for p, s in zip(all_pages, sides, strict=True) if s], [
        p for p, s in zip(all_pages, sides, strict=True) if not s
    ]

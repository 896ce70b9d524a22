"""Training pages from a crawl: WARC files, and `truth.parquet` in the same folder with the main text of some pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from classifiers.blocks.training import annotated
from classifiers.blocks.training.data import TrainingPage, row, site, start_of

KINDS = ("article", "forum")  # kinds whose truths are of crawled pages; the others are texts put into a frame


def read(folder: Path, held_out: Path, known: set[str]) -> list[TrainingPage]:
    """Annotated pages and pages with a true text, without those in `known` (sha256).

    `held_out` is a benchmark's `ground-truth.json`: pages of its sites, or that begin like one of its texts, stay out.
    """
    sites, starts = _held_out(held_out)
    known_kept = annotated.read("crawl")
    wanted = {}
    for facts in pq.read_table(folder / "truth.parquet").to_pylist():
        truth = facts["expected_text"] or ""
        taken = facts["id"] in known_kept or (facts["page_type"] in KINDS and truth)
        ours = site(facts["url"] or "") not in sites and start_of(truth) not in starts
        if taken and ours and facts["sha256"] not in known:
            wanted[facts["id"]] = facts
    return [row(html, wanted[key], known_kept.get(key)) for key, html in _pages(folder) if key in wanted]


def _held_out(file: Path) -> tuple[set[str], set[str]]:
    """Sites and starts of texts, without pages that have no site and texts that are too short to recognise."""
    truths = json.loads(file.read_text(encoding="utf-8")).values()
    return {site(t["url"]) for t in truths} - {""}, {start_of(t["articleBody"]) for t in truths} - {""}


def _pages(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Record id and HTML of each response."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    for part in sorted(folder.glob("*.warc.gz")):
        with part.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response):
                yield str(record.record_id).removeprefix("<urn:uuid:").removesuffix(">"), record.reader.read()

"""Which parts of a page are main text: we read pages of many kinds and languages, block by block.

`annotated.jsonl` has a line for each page: source (`train` = `pages.parquet`, `crawl`), id (sha256, WARC record id),
kind, language, and the kept ranges of bytes of the page's HTML in UTF-8, without any of its text. No range means that
the page has no main text. What was kept and what was left out, by kind of page, is in `classifiers/models/BLOCKS.md`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from classifiers.blocks.html.layout import HTML, HTML_END, SIZE, TITLE, ScannedPage
from classifiers.kernels.arrays import Float32s

FILE = Path(__file__).with_name("annotated.jsonl")
Ranges: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Annotation:
    """The kept ranges of one page, in order, without overlap."""

    kind: str
    language: str
    kept: Ranges


def read(source: Literal["train", "crawl"]) -> dict[str, Annotation]:
    """The annotations of a source's pages, by the page's id."""
    rows = map(json.loads, FILE.read_text(encoding="utf-8").splitlines())
    return {
        row["id"]: Annotation(row["kind"], row["language"], tuple((a, b) for a, b in row["kept"]))
        for row in rows
        if row["source"] == source
    }


def labels(page: ScannedPage, kept: Ranges) -> Float32s:
    """1 for each block with most of its HTML in a kept range; 0 for the others and the page's title."""
    spans = page.blocks[: page.state[SIZE], HTML : HTML_END + 1]
    inside = np.zeros(len(spans), np.int64)
    for start, end in kept:
        inside += np.maximum(np.minimum(spans[:, 1], end) - np.maximum(spans[:, 0], start), 0)
    found = (2 * inside > spans[:, 1] - spans[:, 0]).astype(np.float32)
    if page.state[TITLE] >= 0:
        found[page.state[TITLE]] = 0
    return found

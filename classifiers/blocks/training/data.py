"""The pages that a model is trained on: where they are, and which belong together.

`pages.parquet` has columns html, url, expected_text, page_type, source_repo and sha256. Pages that share a site, a
canonical site, or the start of their text (datasets copy each other's pages) are one group, which no fold divides.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from classifiers.blocks.training import annotated
from classifiers.blocks.training.annotated import Ranges

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_CANONICAL = re.compile(
    rb"rel=[\"']?canonical[\"']?[^>]{0,1000}href=[\"']?([^\"'> ]+)|og:url[\"'][^>]{0,1000}content=[\"']([^\"'> ]+)"
)
_ARCHIVED = re.compile(r"^https?://[\w.-]*archive\.org/web/[^/]+/")
_NO_HOST = ("unknown.invalid", "localhost")
_START = 120  # letters by which a text is recognised


@dataclass(frozen=True)
class TrainingPage:
    """A page to learn from. `truth` is "" if its main text is unknown.

    `kept` are the ranges of `html` that are main text, if the page was annotated; they say more than a text does.
    """

    html: bytes
    url: str
    truth: str
    kind: str
    source: str
    kept: Ranges | None = None


def read(path: Path) -> tuple[list[TrainingPage], set[str]]:
    """The pages of `pages.parquet` with their HTML as UTF-8, and the SHA-256 of the original HTML."""
    columns = ["html", "url", "expected_text", "page_type", "source_repo", "sha256"]
    rows = pq.read_table(path, columns=columns).to_pylist()
    known = annotated.read("train")
    return [row(r["html"], r, known.get(r["sha256"])) for r in rows], {r["sha256"] for r in rows}


def row(html: bytes, facts: dict[str, Any], annotation: annotated.Annotation | None) -> TrainingPage:
    """A page from its row of the table. If it is annotated, the annotation says its kind too."""
    kind = annotation.kind if annotation else facts["page_type"] or ""
    kept = annotation.kept if annotation else None
    return TrainingPage(
        decoded(html), facts["url"] or "", facts["expected_text"] or "", kind, facts["source_repo"] or "", kept
    )


def decoded(html: bytes) -> bytes:
    """The page as UTF-8: as it is, or decoded by the charset that it declares."""
    html = html.removeprefix(codecs.BOM_UTF8)
    try:
        html.decode()
    except UnicodeDecodeError:
        declared = _CHARSET.search(html[:4000])
        codec = declared[1].decode().lower() if declared else "windows-1252"
        codec = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "windows-1252"}.get(codec, codec)
        try:
            return html.decode(codec, "replace").encode()
        except LookupError:
            return html.decode(errors="replace").encode()
    return html


def site(url: str) -> str:
    """The registrable domain, roughly; "" if the address does not belong to a site."""
    try:
        host = (urlsplit(_ARCHIVED.sub("", url)).hostname or "").lower()
    except ValueError:
        return ""
    if not host or host in _NO_HOST:
        return ""
    parts = host.split(".")
    size = 3 if len(parts) > 2 and len(parts[-1]) == 2 and len(parts[-2]) <= 3 else 2
    return ".".join(parts[-size:])


def groups(rows: Iterable[TrainingPage]) -> list[int]:
    """A group number for each page, the same for pages that belong together."""
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while parents.setdefault(key, key) != key:
            parents[key] = key = parents[parents[key]]
        return key

    firsts = []
    for number, row in enumerate(rows):
        keys = list(_keys(row)) or [f"page {number}"]
        for key in keys[1:]:
            parents[root(key)] = root(keys[0])
        firsts.append(keys[0])
    numbers: dict[str, int] = {}
    return [numbers.setdefault(root(key), len(numbers)) for key in firsts]


def _keys(row: TrainingPage) -> Iterator[str]:
    canonical = _CANONICAL.search(row.html)
    stated = (canonical[1] or canonical[2]).decode(errors="replace") if canonical else ""
    for name in (site(row.url), site(stated)):
        if name:
            yield f"site {name}"
    if start := start_of(row.truth):
        yield f"text {start}"
    if "unknown.invalid" in row.url:
        yield f"file {'/'.join(row.url.split('/')[-2:])}"


def start_of(text: str) -> str:
    """The first letters of a text; "" if it is too short to be recognised."""
    letters = "".join(filter(str.isalnum, text[:1000]))[:_START]
    return letters if len(letters) == _START else ""


def folds(numbers: list[int], count: int) -> list[int]:
    """A fold for each page: whole groups, the largest first, each to the fold with the fewest pages."""
    sizes: dict[int, int] = {}
    for number in numbers:
        sizes[number] = sizes.get(number, 0) + 1
    filled, fold_of = [0] * count, {}
    for number in sorted(sizes, key=lambda n: (-sizes[n], n)):
        fold = min(range(count), key=filled.__getitem__)
        fold_of[number] = fold
        filled[fold] += sizes[number]
    return [fold_of[number] for number in numbers]

"""The pages a model is trained on: where they are, which belong together, how much each counts.

`pages.parquet` has columns html, url, expected_text, page_type, source_repo. Pages that share a site, a canonical
site, or the start of their text (datasets copy each other's pages) are one group, which no fold divides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq

WEAK_WEIGHT = 0.5
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_CANONICAL = re.compile(
    rb"rel=[\"']?canonical[\"']?[^>]*href=[\"']?([^\"'> ]+)|og:url[\"'][^>]*content=[\"']([^\"'> ]+)"
)
_ARCHIVED = re.compile(r"^https?://[\w.-]*archive\.org/web/[^/]+/")
_NO_HOST = ("unknown.invalid", "localhost")
_START = 120  # letters of a text that tell it from others


@dataclass(frozen=True)
class Row:
    """A page to learn from. `truth` = "" where nobody said what its main text is."""

    html: bytes
    url: str
    truth: str
    kind: str
    source: str


def read(path: Path) -> list[Row]:
    """The pages of `pages.parquet`, their HTML as UTF-8."""
    columns = ["html", "url", "expected_text", "page_type", "source_repo"]
    rows = pq.read_table(path, columns=columns).to_pylist()
    return [
        Row(decoded(r["html"]), r["url"] or "", r["expected_text"] or "", r["page_type"] or "", r["source_repo"] or "")
        for r in rows
    ]


def decoded(html: bytes) -> bytes:
    """UTF-8 of a page: as it is, or by the charset that it declares."""
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
    """The registrable domain, roughly; "" where the address is none of a site's own."""
    try:
        host = (urlsplit(_ARCHIVED.sub("", url)).hostname or "").lower()
    except ValueError:
        return ""
    if not host or host in _NO_HOST:
        return ""
    parts = host.split(".")
    size = 3 if len(parts) > 2 and len(parts[-1]) == 2 and len(parts[-2]) <= 3 else 2
    return ".".join(parts[-size:])


def groups(rows: Iterable[Row]) -> list[int]:
    """A number for each page, the same for pages that belong together."""
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


def _keys(row: Row) -> Iterator[str]:
    canonical = _CANONICAL.search(row.html)
    stated = (canonical[1] or canonical[2]).decode(errors="replace") if canonical else ""
    for name in (site(row.url), site(stated)):
        if name:
            yield f"site {name}"
    letters = "".join(filter(str.isalnum, row.truth[:1000]))[:_START]
    if len(letters) == _START:
        yield f"text {letters}"
    if "unknown.invalid" in row.url:
        yield f"file {'/'.join(row.url.split('/')[-2:])}"


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

"""Builds the sample crawl: `python -m refinedweb.sample.build FOLDER` writes `crawl-data/` and its ledger there.

It is deterministic: the same sources give the same records and, with the compressors that `built-with.txt` names, the
same bytes.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import brotli
import zstandard

from refinedweb.sample import warc
from refinedweb.sample.pages import HERE, SamplePage, article_pages, draw, load_toml
from refinedweb.sample.planted import planted_pages

DUMP = "CC-MAIN-2026-46"


@dataclass(frozen=True)
class CrawlFile:
    """One file of the crawl. The first one also has request and metadata records, as Common Crawl's files do."""

    number: int
    segment: str
    start: datetime
    version: str = "1.0"
    suffix: str = "gz"

    @property
    def path(self) -> str:
        """Where the file is, relative to the folder that is built."""
        stop = self.start + timedelta(hours=3)
        name = f"CC-MAIN-{self.start:%Y%m%d%H%M%S}-{stop:%Y%m%d%H%M%S}-{self.number % 2:05}.warc.{self.suffix}"
        return f"crawl-data/{DUMP}/segments/{self.segment}/warc/{name}"

    def pack(self, record: bytes) -> bytes:
        return warc.zstd_frame(record) if self.suffix == "zst" else warc.gzip_member(record)


_FIRST, _SECOND = datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 12, 6, tzinfo=UTC)
PARTS = (
    CrawlFile(0, "1794268800000.0", _FIRST),
    CrawlFile(1, "1794268800000.0", _FIRST),
    CrawlFile(2, "1794463200000.1", _SECOND, version="1.1"),
    CrawlFile(3, "1794463200000.1", _SECOND, suffix="zst"),
)


def built_with() -> str:
    """The compressors that are used here, one per line."""
    zstd = ".".join(str(number) for number in zstandard.ZSTD_VERSION)
    return f"zlib {zlib.ZLIB_RUNTIME_VERSION}\nzstd {zstd}\nbrotli {brotli.__version__}\n"


def pages() -> list[SamplePage]:
    """Every page of the crawl; originals of planted copies share the group of their copies."""
    planted = list(planted_pages())
    groups = {page.group for page in planted} - {None}
    originals = [_grouped(page, groups) for page in article_pages()]
    return originals + planted


def _grouped(page: SamplePage, groups: set[str | None]) -> SamplePage:
    slug = page.url.rpartition("/")[2].removesuffix(".html")
    return replace(page, group=slug) if slug in groups else page


def part_of(page: SamplePage) -> int:
    """The number of the file that a page goes to. A second crawl of a URL goes to another file than the first."""
    return (draw(page.url) + page.again) % len(PARTS)


def _truth(page: SamplePage, part: CrawlFile, record: str, kinds: dict[str, Any]) -> dict[str, Any]:
    kind = kinds[page.kind]
    outcome, steps = kind["outcome"], kind["steps"]
    if page.group is not None and page.kind not in ("exact_duplicate", "near_duplicate", "same_url", "doorway"):
        outcome, steps = "one_kept", ["dedup"]
    row: dict[str, Any] = {"id": record, "file": Path(part.path).name, "url": page.url, "kind": page.kind}
    row |= {"language": page.language, "outcome": outcome, "steps": steps, "group": page.group}
    return row | {"charset": page.charset, "declared": page.declared, "body": page.body, "phrase": page.phrase}


def _records(part: CrawlFile, chosen: Sequence[SamplePage]) -> Iterator[bytes]:
    """The records of one file, in order."""
    yield warc.warcinfo(Path(part.path).name, warc.RecordDetails(part.version, part.start))
    for index, page in enumerate(chosen):
        at = warc.RecordDetails(part.version, part.start + timedelta(seconds=31 * index))
        if part.number == 0:
            yield warc.request(page, at)
        yield warc.response(page, at)
        if part.number == 0:
            yield warc.metadata(page, at)


def build(folder: Path) -> None:
    """Write the crawl's files, `truth.jsonl` and `built-with.txt` below `folder`."""
    kinds, rows = load_toml("kinds.toml"), []
    everything = sorted(pages(), key=lambda page: draw(f"order {page.url} {page.again}"))
    revisited = next(page for page in everything if page.kind == "article" and part_of(page) == 0)
    for part in PARTS:
        chosen = [page for page in everything if part_of(page) == part.number]
        records = list(_records(part, chosen))
        rows += [_truth(page, part, warc.record_id("response", page), kinds) for page in chosen]
        if part.number == 1:
            at = warc.RecordDetails(part.version, part.start + timedelta(hours=2))
            records += [warc.name_lookup("hedgerow-notes.example", at), warc.revisit(revisited, at)]
            seen = replace(revisited, kind="revisit", group=None, phrase=None)
            rows.append(_truth(seen, part, warc.record_id("revisit", revisited), kinds))
        target = folder / part.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join(part.pack(record) for record in records))
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "truth.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    (folder / "built-with.txt").write_text(built_with(), newline="\n")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)

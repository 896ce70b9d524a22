"""Where documents come from: the crawl that a path names, and ids for documents without one."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import xxhash

_CRAWL_PATH = re.compile(r"crawl-data/(CC-[^/]+)/(?:segments/([^/]+)/)?")


def crawl_of(key: str) -> tuple[str | None, str | None]:
    """(dump, segment) of a Common Crawl path; None for what the path does not name."""
    match = _CRAWL_PATH.search(key)
    return (match[1], match[2]) if match else (None, None)


def content_id(key: str, offset: int, content: bytes) -> str:
    """Make an id for a document without one: a 128-bit hash, in hex, of its place and content.

    The place is the names of its file and folder (`2021/part-0.jsonl`), not the whole key: so the id stays the same
    when a data set moves, and equal documents in files of equal names in two folders get different ids.
    """
    place = "/".join(PurePosixPath(key).parts[-2:])
    return xxhash.xxh3_128_hexdigest(f"{place}\0{offset}\0".encode() + content)

"""Where an input keeps what a document has: the usual names of its columns, and the fields within them.

A place is a path: `url`, or `metadata.url` within a struct, a map or a column of JSON. A column whose own name has dots
(`meta.url`) is found by the same path, before anything within another. Names are compared as they are, then without
case and with `-` for `_`, so that `WARC-Target-URI` is `warc_target_uri`.

The names are those of Falcon's published schema (`content`, `image_urls`), of datatrove and Dolma (`metadata`), of
RedPajama-V2 and The Pile (`meta`), of OSCAR (`warc_headers`, `identification`), and of our own outputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from refinedweb.sources.base import SourceOptions

FieldNames = tuple[str, ...]

NAMES: dict[str, tuple[str, ...]] = {
    "html": ("html", "raw_html"),
    "text": ("text", "content", "raw_content"),
    "id": ("id", "warc_record_id", "record_id", "doc_id"),
    "url": ("url", "uri", "warc_target_uri", "source_url"),
    "timestamp": ("timestamp", "date", "warc_date", "date_download", "created"),
    "language": ("language", "lang"),
    **{name: (name,) for name in ("dump", "segment", "language_score", "image_urls", "drop")},
    **{name: (name,) for name in ("source", "offset", "length")},
}
NAMED_BY_OPTION = ("html", "text", "id", "url", "timestamp", "language")
_CONTAINERS: tuple[FieldNames, ...] = (
    ("metadata",),
    ("meta",),
    ("warc_headers",),
    ("metadata", "warc_headers"),
    ("meta", "warc_headers"),
)
# What is looked for within containers. An `id` there may be anything's.
_WITHIN: dict[str, tuple[str, ...]] = {
    "id": ("warc_record_id",),
    **{name: NAMES[name] for name in ("url", "timestamp", "dump", "segment")},
    "language": (*NAMES["language"], "identification.label"),
    "language_score": ("language_score", "identification.prob"),
}


@lru_cache(maxsize=64)
def paths(column: str, chosen: str | None = None) -> tuple[FieldNames, ...]:
    """Where to look for a document column, in this order: at the `chosen` place alone, or at the usual ones."""
    if chosen is not None:
        return (tuple(chosen.split(".")),)
    within = [(*at, *name.split(".")) for at in _CONTAINERS for name in _WITHIN.get(column, ())]
    return (*((name,) for name in NAMES[column]), *within)


def chosen_place(column: str, options: SourceOptions) -> str | None:
    """The place that the options name for a document column."""
    place: str | None = getattr(options, f"{column}_column") if column in NAMED_BY_OPTION else None
    return place


@lru_cache(maxsize=1024)
def places(keys: tuple[str, ...], options: SourceOptions) -> tuple[tuple[str, tuple[tuple[str, FieldNames], ...]], ...]:
    """For each document column, where an object with these keys may have it: keys, and paths within their values."""
    return tuple(
        (
            column,
            tuple(
                (keys[at], rest)
                for path in paths(column, chosen_place(column, options))
                for at, rest in steps(path, keys)
            ),
        )
        for column in NAMES
    )


@lru_cache(maxsize=8192)
def plain(name: str) -> str:
    """The form in which names are compared that are not the same to the letter."""
    return name.lower().replace("-", "_")


@lru_cache(maxsize=4096)
def steps(wanted: FieldNames, names: tuple[str, ...]) -> tuple[tuple[int, FieldNames], ...]:
    """The positions of the names with which a path may begin, and the rest of it: longer names first, equal before
    similar ones.
    """
    return tuple(_steps(wanted, names))


def _steps(path: FieldNames, names: tuple[str, ...]) -> Iterator[tuple[int, FieldNames]]:
    for size in range(len(path), 0, -1):
        head = ".".join(path[:size])
        for similar in (False, True):
            wanted = plain(head) if similar else head
            for at, name in enumerate(names):
                if (plain(name) if similar else name) == wanted and (name == head) != similar:
                    yield at, path[size:]


def look_up(value: Any, path: FieldNames) -> Any:
    """What lies at the path within objects, maps and texts of JSON; None if there is nothing."""
    if not path:
        return value
    value = opened(value)
    if not isinstance(value, Mapping):
        return None
    if len(path) == 1 and path[0] in value:
        return value[path[0]]
    names = tuple(value)
    found = (look_up(value[names[at]], rest) for at, rest in steps(path, names))
    return next((item for item in found if item is not None), None)


def opened(value: Any) -> Any:
    """The JSON object that a text is, if it is one; else the value."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, dict) else value

"""Where an input keeps what a document has: the usual names of its columns, and the fields within them.

A place is a path: `url`, or `metadata.url` within a struct, a map or a column of JSON. A column whose own name has dots
(`meta.url`) is found by the same path, before anything within another. Names are compared as they are, then without
case and with `-` for `_`, so that `WARC-Target-URI` is `warc_target_uri`.

The names are those of Falcon's published schema (`content`, `image_urls`), of datatrove and Dolma (`metadata`), of
RedPajama-V2 and The Pile (`meta`), of OSCAR (`warc_headers`, `identification`), and of our own outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from refinedweb.sources.base import SourceOptions
from refinedweb.sources.json_text import loaded

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


Places = tuple[tuple[str, tuple[tuple[str, FieldNames], ...]], ...]
_REMEMBERED = 4096  # characters of names that are worth remembering: those of an object of a stranger may be millions


def places(keys: tuple[str, ...], options: SourceOptions) -> Places:
    """For each document column, where an object with these keys may have it: keys, and paths within their values."""
    return _known_places(keys, options) if _is_usual(keys) else _places(keys, options)


def _is_usual(names: tuple[str, ...]) -> bool:
    return sum(map(len, names)) + len(names) <= _REMEMBERED


def _places(keys: tuple[str, ...], options: SourceOptions) -> Places:
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


_known_places = lru_cache(maxsize=1024)(_places)


def plain(name: str) -> str:
    """The form in which names are compared that are not the same to the letter."""
    return name.lower().replace("-", "_")


def steps(wanted: FieldNames, names: tuple[str, ...]) -> tuple[tuple[int, FieldNames], ...]:
    """The positions of the names with which a path may begin, and the rest of it: longer names first, equal before
    similar ones.
    """
    return _known_steps(wanted, names) if _is_usual(names) else tuple(_steps(wanted, names))


def _steps(path: FieldNames, names: tuple[str, ...]) -> Iterator[tuple[int, FieldNames]]:
    similar = _positions(names)
    for size in range(len(path), 0, -1):
        head = ".".join(path[:size])
        found = similar.get(plain(head), ())
        yield from ((at, path[size:]) for at in found if names[at] == head)
        yield from ((at, path[size:]) for at in found if names[at] != head)


_known_steps = lru_cache(maxsize=4096)(lambda wanted, names: tuple(_steps(wanted, names)))


@lru_cache(maxsize=1)  # the same names are asked for once for each path
def _positions(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Where each name stands, by its plain form."""
    found: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        found.setdefault(plain(name), []).append(at)
    return found


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
        found = loaded(value)
    except ValueError:
        return value
    return found if isinstance(found, dict) else value

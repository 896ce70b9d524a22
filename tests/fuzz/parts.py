"""The laws of a file that is read in parts, whatever is in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from refinedweb.sources import Part, SourceOptions, open_reader
from refinedweb.sources.formats import format_of
from tests.refinedweb.sources.archives import rows_of


def check(data: bytes, key: str, parts: Sequence[tuple[Part, int]], options: SourceOptions) -> None:
    """The parts follow each other from the beginning. Lines without compression are the same rows as in one piece."""
    if not parts:
        return
    assert [part.number for part, _ in parts] == list(range(len(parts)))
    assert parts[0][0].start == 0
    assert all(one.end == following.start for (one, _), (following, _) in pairwise(parts))
    if parts[0][0].kind == "bytes":
        assert parts[-1][0].end == len(data)
    read = [row for part, _ in parts for row in rows(data, key, options, part)]
    if format_of(data) == "JSON":
        assert without_places(read) == without_places(rows(data, key, options))


def rows(data: bytes, key: str, options: SourceOptions, part: Part | None = None) -> list[dict[str, Any]]:
    """The rows of a file or a part."""
    return rows_of(open_reader(io.BytesIO(data), key, options, part))


def without_places(rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Ids of rows without one are made from their place, and NaN is not equal to itself."""
    return [(row["text"], row["url"], row["drop"], row["metadata"], repr(row["timestamp"])) for row in rows]

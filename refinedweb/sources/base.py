"""What all readers share: options, the report, and the batching of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from refinedweb.storage.keys import masked
from stages.errors import ShardError
from stages.schema import DOCUMENT

Row = dict[str, Any]


class NoDocuments(ShardError):
    """A file that cannot be documents, however often it is read: of another format, or without text."""


@dataclass(frozen=True)
class SourceOptions:
    """The `[source]` table of a recipe. Every field is part of the recipe's fingerprint."""

    # Limit of a page's decoded payload, in bytes; a larger one is dropped (`too_large`) without being decoded to its
    # end. The default is where Common Crawl cuts pages (the largest of 2,466 crawled ones has 2.3 MB); books need more.
    max_bytes: int = 5 << 20
    # A batch ends at this number of rows or bytes (html and text), whichever comes first.
    batch_rows: int = 512
    batch_bytes: int = 32 << 20
    # HTTP status codes of usable pages; others are dropped (`bad_status`).
    statuses: tuple[int, ...] = (200,)
    # Media types of pages; others are dropped (`not_html`). A page without a type is judged by its content.
    mime_types: tuple[str, ...] = ("text/html", "application/xhtml+xml")
    # Pages known to be incomplete (cut by the crawler, see WARC-Truncated, by the connection, or by a damaged file):
    # "drop" them (`truncated_record`) or "keep" what arrived. Common Crawl cut at 1 MiB until 2025, at 5 MiB since.
    truncated: Literal["drop", "keep"] = "drop"
    # A page with a larger share (0 to 1) of control characters and undecodable bytes is not text.
    max_garbage: float = 0.05
    # Bytes of a part of a larger file, which is then several shards; 0: a file is one shard. With more than 4,096 parts
    # in a run, they are larger. It decides how many files the corpus has, so it is part of the fingerprint.
    part_bytes: int = 256 << 20
    # Columns (Parquet) or keys (JSONL) to read; None = the first of the usual names that the input has. A field within
    # a struct, a map or JSON is addressed by its path: `metadata.url`.
    html_column: str | None = None
    text_column: str | None = None
    id_column: str | None = None
    url_column: str | None = None
    timestamp_column: str | None = None
    language_column: str | None = None
    # What the relative names in a list of records (`refinedweb select`, Common Crawl's index) are below.
    warc_base: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_bytes", "batch_rows", "batch_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.part_bytes < 0:
            raise ValueError(f"part_bytes must be 0 (never) or more, not {self.part_bytes}")
        if self.truncated not in ("drop", "keep"):
            raise ValueError(f'truncated must be "drop" or "keep", not {self.truncated!r}')
        if self.warc_base is not None and masked(self.warc_base) != self.warc_base:
            raise ValueError("warc_base is kept in run.json: give a name without a password or a query")
        if not 0 <= self.max_garbage <= 1:
            raise ValueError(f"max_garbage is a share between 0 and 1, not {self.max_garbage}")
        object.__setattr__(self, "statuses", tuple(self.statuses))
        object.__setattr__(self, "mime_types", tuple(mime.lower() for mime in self.mime_types))


@dataclass(frozen=True)
class Damage:
    """A broken place: the bytes from `offset` (in the file as stored) on became neither a row nor a counted skip."""

    offset: int
    error: str


class Part(NamedTuple):
    """A part of a file: its number, and the `bytes` or row `groups` from `start` to before `end`."""

    number: int
    kind: Literal["bytes", "groups"]
    start: int
    end: int


@dataclass
class SourceReport:
    """What a reader found. Law: `records == rows + sum(skipped.values())`. Complete once the batches are exhausted.

    Of JSON also the keys of the first object.
    """

    skipped: dict[str, int] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)
    records: int = 0
    rows: int = 0
    bytes_read: int = 0
    keys_seen: tuple[str, ...] = ()
    # Where the values of each document column were found first, in a table of columns or in JSON.
    taken: dict[str, str] = field(default_factory=dict)
    kind: str = ""  # "Parquet", "JSON" or "CSV"; empty for an archive

    def take(self, column: str, path: tuple[str, ...]) -> None:
        """Note that a document column was filled from this place."""
        if column not in self.taken:
            self.taken[column] = ".".join(path)

    def skip(self, kind: str) -> None:
        """Count a record of a known kind that is not a document."""
        self.skipped[kind] = self.skipped.get(kind, 0) + 1


def tables(rows: Iterable[Row], options: SourceOptions, schema: pa.Schema = DOCUMENT) -> Iterator[pa.Table]:
    """Collect rows (missing keys are null) into tables of at most `batch_rows` rows, ended early at `batch_bytes`:
    of all their columns, because what fills no other one is in `metadata`, however much that is.
    """
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if len(batch) >= options.batch_rows or size >= options.batch_bytes:
            yield pa.Table.from_pylist(batch, schema=schema)
            batch, size = [], 0
    if batch:
        yield pa.Table.from_pylist(batch, schema=schema)

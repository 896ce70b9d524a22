"""The columns of a document, and the rules for the names of other columns.

`id`          WARC record id (without `<urn:uuid:` … `>`), else the 128-bit hash of source, offset and content, in hex
`url`         as crawled                         `timestamp`  of the crawl, UTC, milliseconds
`dump`        e.g. CC-MAIN-2024-51               `segment`    e.g. 1733066035857.0
`source`      the input key; with `offset` and `length` (bytes in that file) the record can be fetched again;
              if the format has no such address (JSONL, Parquet), `offset` is the row number and `length` is null
`html`        UTF-8 bytes of the decoded page; the column is gone after extraction
`text`        UTF-8; null before extraction      `image_urls` list of [url, alt] of the main content
`language`, `language_score`                     `drop`       null = keep, else a snake_case reason

A column that is named after a stage and a dot (`quality_v1.words`) is a measure: if the recipe has that stage, the
engine writes it only with `keep_measures`. Other columns, which a stage adds (scores) or the input carries, are kept,
whatever their names.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import pyarrow as pa

_STAGE = re.compile(r"[a-z][a-z0-9_]*_v[0-9]+")
IMAGE_URLS = pa.list_(pa.list_(pa.string()))
LINKS = IMAGE_URLS

DOCUMENT = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("timestamp", pa.timestamp("ms", tz="UTC")),
        ("dump", pa.string()),
        ("segment", pa.string()),
        ("source", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("html", pa.binary()),
        ("text", pa.string()),
        ("image_urls", IMAGE_URLS),
        ("language", pa.string()),
        ("language_score", pa.float32()),
        ("drop", pa.string()),
    ]
)


def is_measure(column: str, stages: Collection[str] | None = None) -> bool:
    """Whether a column has the name of a measure: of one of these stages (None: of any)."""
    stage, dot, _ = column.partition(".")
    return bool(dot) and (_STAGE.fullmatch(stage) is not None if stages is None else stage in stages)


def documents(**columns: object) -> pa.Table:
    """A table with every document column, null if not given. For notebooks and tests: `documents(text=["…"])`."""
    lengths = {len(values) for values in columns.values()}  # type: ignore[arg-type]
    rows = lengths.pop() if lengths else 0
    arrays = [pa.array(columns.pop(f.name), f.type) if f.name in columns else pa.nulls(rows, f.type) for f in DOCUMENT]
    table = pa.Table.from_arrays(arrays, schema=DOCUMENT)
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    return table

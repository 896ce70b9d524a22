"""Map the columns of tabular inputs to the columns of a document.

The usual names are recognised: Falcon's published schema (`content`, `url`, `timestamp`, `dump`, `segment`,
`image_urls`), datatrove's and Dolma's (`text`, `id`, `metadata`), Nemotron's and our own. Columns that match nothing
are kept; one with the name of a document column but another type is renamed to `input_<name>`.

Rows that come with a reason in `drop` keep it (it becomes `other_reason` if it is not a snake_case name, because
folders, tables and terminals show it). A row with neither html nor text gets `empty_payload`, one with more than
`max_bytes` of either gets `too_large`, html bytes that cannot be decoded get `undecodable_payload`. `source` and
`offset` are the input's if it has both (our own outputs), else the file's key and the row's number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.sources.base import SourceOptions
from refinedweb.sources.charset import decode
from refinedweb.sources.headers import parse_date
from refinedweb.sources.ids import content_id
from stages.base import drop_where, set_column
from stages.errors import ShardError
from stages.schema import DOCUMENT

NAMES: dict[str, tuple[str, ...]] = {
    "html": ("html", "raw_html"),
    "text": ("text", "content", "raw_content"),
    "id": ("id", "warc_record_id", "record_id"),
    "url": ("url", "uri", "warc_target_uri"),
    "timestamp": ("timestamp", "date", "warc_date"),
    **{name: (name,) for name in ("dump", "segment", "language", "language_score", "image_urls", "drop")},
    **{name: (name,) for name in ("source", "offset", "length")},
}
REASON = "[a-z][a-z0-9_]{0,63}"  # a snake_case name short enough for a folder
_OPTIONS = {"html", "text", "id", "url", "timestamp"}


def wanted_names(column: str, options: SourceOptions) -> tuple[str, ...]:
    """The names that the input may use for a document column: the one that the options give, or the usual ones."""
    chosen = getattr(options, f"{column}_column") if column in _OPTIONS else None
    return NAMES[column] if chosen is None else (chosen,)


@dataclass(frozen=True)
class Mapping:
    """Which input column (by position) fills which document column, and the names of the others."""

    taken: dict[str, int]
    kept: tuple[tuple[int, str], ...]


def match_columns(schema: pa.Schema, key: str, options: SourceOptions) -> Mapping:
    """Map an input's schema. Raises ShardError if it has neither html nor text, or lacks a column the options name."""
    taken: dict[str, int] = {}
    for column in NAMES:
        names = wanted_names(column, options)
        places = [at for name in names for at, field in enumerate(schema) if field.name == name]
        usable = [at for at in places if _usable(column, schema.field(at).type)]
        if column in _OPTIONS and getattr(options, f"{column}_column") is not None and not usable:
            raise ShardError(
                f"{key} has no column {names[0]!r} for {column}; its columns are {', '.join(schema.names)}"
            )
        if usable:
            taken[column] = usable[0]
    if "html" not in taken and "text" not in taken:
        raise ShardError(
            f"{key} has no column for html or text (looked for {', '.join(NAMES['html'] + NAMES['text'])}); its "
            f"columns are {', '.join(schema.names)}: name one with --set source.text_column or source.html_column"
        )
    if not {"source", "offset"} <= taken.keys():
        taken = {column: at for column, at in taken.items() if column not in ("source", "offset", "length")}
    return Mapping(taken, _kept(schema, taken))


def _kept(schema: pa.Schema, taken: dict[str, int]) -> tuple[tuple[int, str], ...]:
    kept: list[tuple[int, str]] = []
    used = set(DOCUMENT.names)
    for at, name in enumerate(schema.names):
        if at not in taken.values():
            while name in used:
                name = f"input_{name}"
            used.add(name)
            kept.append((at, name))
    return tuple(kept)


def _usable(column: str, given: pa.DataType) -> bool:
    """Whether values of this type can be read as the document column."""
    if pa.types.is_dictionary(given):
        given = given.value_type
    wanted = DOCUMENT.field(column).type
    text = pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_string_view(given)
    binary = _is_bytes(given)
    number = _is_number(given)
    if pa.types.is_null(given):
        return True
    if pa.types.is_timestamp(wanted):
        return text or number or pa.types.is_timestamp(given) or pa.types.is_date(given)
    if pa.types.is_integer(wanted) or pa.types.is_floating(wanted):
        return number
    if pa.types.is_list(wanted):
        return _is_pairs(given)
    return text or binary or (column == "id" and pa.types.is_integer(given))


def _is_pairs(given: pa.DataType) -> bool:
    nested = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(test(given) for test in nested) or not any(test(given.value_type) for test in nested):
        return False
    leaf = given.value_type.value_type
    return bool(pa.types.is_string(leaf) or pa.types.is_large_string(leaf) or pa.types.is_null(leaf))


def to_documents(given: pa.Table, mapping: Mapping, key: str, first_row: int, options: SourceOptions) -> pa.Table:
    """Convert a batch of the input to documents. `first_row` is the number of its first row in the file."""
    columns = {column: _cast(column, given.column(at)) for column, at in mapping.taken.items()}
    rows = given.num_rows
    docs = pa.table([columns.get(field.name, pa.nulls(rows, field.type)) for field in DOCUMENT], schema=DOCUMENT)
    if "html" in mapping.taken and _is_bytes(given.column(mapping.taken["html"]).type):
        docs = _decode_html(docs, options)
    docs = _with_places(docs, key, first_row)
    docs = finish(docs, key, options)
    for at, name in mapping.kept:
        docs = docs.append_column(name, given.column(at))
    return docs


def finish(docs: pa.Table, key: str, options: SourceOptions) -> pa.Table:
    """Fill in missing ids, and set a reason for each row that is not a usable page; such rows lose html and text."""
    docs = _with_ids(docs, key)
    size = {name: pc.fill_null(pc.binary_length(docs.column(name)), 0) for name in ("html", "text")}
    blank = pc.and_(_blank(docs.column("html")), _blank(docs.column("text")))
    large = pc.or_(*(pc.greater(length, options.max_bytes) for length in size.values()))
    reasons = pc.if_else(large, "too_large", pc.if_else(blank, "empty_payload", pa.scalar(None, pa.string())))
    docs = set_column(docs, "drop", _reasons(docs.column("drop")))
    unusable = pc.and_(pc.is_valid(reasons), pc.is_null(docs.column("drop")))
    for name in ("html", "text") if pc.any(unusable).as_py() else ():  # it copies, and nearly all batches are usable
        column = docs.column(name)
        docs = set_column(docs, name, pc.if_else(unusable, pa.scalar(None, column.type), column))
    return drop_where(docs, reasons)


def _reasons(given: pa.ChunkedArray) -> pa.ChunkedArray:
    """The input's reasons, which may be any text, as names."""
    good = pc.match_substring_regex(given, f"^{REASON}$")
    return pc.if_else(pc.fill_null(good, True), given, pa.scalar("other_reason", given.type))


def _blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """True for null and for white space only."""
    return pc.invert(pc.fill_null(pc.match_substring_regex(column, r"\S"), False))


def _with_ids(docs: pa.Table, key: str) -> pa.Table:
    ids = docs.column("id").to_pylist()
    missing = [row for row, value in enumerate(ids) if not value]
    for row in missing:
        content = docs.column("html")[row].as_py() or (docs.column("text")[row].as_py() or "").encode()
        ids[row] = content_id(key, docs.column("offset")[row].as_py() or 0, content)
    return set_column(docs, "id", pa.array(ids, pa.string())) if missing else docs


def _with_places(docs: pa.Table, key: str, first_row: int) -> pa.Table:
    """Take `source`, `offset` and `length` from rows that name a source, else use the key and the row's number."""
    ours = pc.is_null(docs.column("source"))
    numbers = pa.array(np.arange(first_row, first_row + docs.num_rows, dtype=np.int64))
    docs = set_column(docs, "offset", pc.if_else(ours, numbers, docs.column("offset")))
    docs = set_column(docs, "length", pc.if_else(ours, pa.scalar(None, pa.int64()), docs.column("length")))
    return set_column(docs, "source", pc.fill_null(docs.column("source"), key))


def _decode_html(docs: pa.Table, options: SourceOptions) -> pa.Table:
    """Decode html that came as bytes like that of a crawled page: it may be one."""
    decoded = [None if page is None else decode(page) for page in docs.column("html").to_pylist()]
    bad = [page is not None and page.garbage > options.max_garbage for page in decoded]
    html = [None if page is None or spoilt else page.html for page, spoilt in zip(decoded, bad, strict=True)]
    docs = set_column(docs, "html", pa.array(html, pa.binary()))
    return drop_where(docs, pa.array(["undecodable_payload" if spoilt else None for spoilt in bad], pa.string()))


def _is_bytes(given: pa.DataType) -> bool:
    return bool(pa.types.is_binary(given) or pa.types.is_large_binary(given) or pa.types.is_binary_view(given))


def _cast(column: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert input values to the document column's type."""
    wanted = DOCUMENT.field(column).type
    if pa.types.is_dictionary(values.type):
        values = pc.cast(values, values.type.value_type)
    if pa.types.is_timestamp(wanted):
        return _timestamps(values)
    if wanted == pa.string() and _is_bytes(values.type):
        texts = [None if value is None else value.decode("utf-8", "replace") for value in values.to_pylist()]
        return pa.chunked_array([pa.array(texts, wanted)])
    return pc.cast(values, wanted, safe=False)


def _timestamps(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert timestamps (UTC if they have no zone), dates, strings of any precision or Unix times to ms in UTC."""
    wanted = DOCUMENT.field("timestamp").type
    if pa.types.is_timestamp(values.type) and values.type.tz is None:
        return pc.cast(pc.assume_timezone(values, "UTC"), wanted, safe=False)
    if pa.types.is_timestamp(values.type) or pa.types.is_null(values.type):
        return pc.cast(values, wanted, safe=False)
    if pa.types.is_date(values.type):
        return pc.cast(pc.assume_timezone(pc.cast(values, pa.timestamp("ms")), "UTC"), wanted)
    parse: Callable[[object], int | None] = unix_millis if _is_number(values.type) else lambda v: parse_date(str(v))
    parsed = [None if value is None else parse(value) for value in values.to_pylist()]
    return pa.chunked_array([pa.array(parsed, pa.int64()).cast(wanted)])


def _is_number(given: pa.DataType) -> bool:
    return bool(pa.types.is_integer(given) or pa.types.is_floating(given))


def unix_millis(value: object) -> int | None:
    """Milliseconds from a Unix time in s, ms, µs or ns, whichever its size suggests; None if it is not a Unix time."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e19:
        return None
    # 1e11 is the year 5138 in seconds and 1973 in milliseconds; the same holds for the finer units.
    for limit, unit in ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6)):
        if abs(value) < limit:
            return int(value * unit)
    return None

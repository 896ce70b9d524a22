"""Map the columns of tabular inputs to the columns of a document.

The usual names are recognised, also within structs, maps and columns of JSON (see `places`). Columns that match nothing
are kept; one with the name of a document column but another type is renamed to `input_<name>`.

Rows that come with a reason in `drop` keep it (it becomes `other_reason` if it is not a snake_case name, because
folders, tables and terminals show it). Where that column is empty or says no, the row is kept; where it only says yes,
the reason is `marked_by_input`. A row with neither html nor text gets `empty_payload`, one with more than
`max_bytes` of either gets `too_large`, html bytes that cannot be decoded get `undecodable_payload`. `source` and
`offset` are the input's if it has both (our own outputs), else the file's key and the row's number.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.sources.base import NoDocuments, SourceOptions, SourceReport
from refinedweb.sources.charset import decode
from refinedweb.sources.ids import content_id
from refinedweb.sources.lifting import ColumnPlace, Containers, is_bytes, located, taken, usable
from refinedweb.sources.places import NAMES, chosen_place, paths
from stages.base import drop_where, set_column
from stages.schema import DOCUMENT

MOST_COLUMNS = 10_000  # more are no columns of documents, and each costs memory in every batch
MOST_PREFIXES = 4  # of a name; a spreadsheet may have hundreds of columns without a name
REASON = "[a-z][a-z0-9_]{0,63}"  # a snake_case name short enough for a folder
KEPT_WORDS = ("", "0", "0.0", "false", "f", "no", "n", "off", "none", "null", "nan", "keep")  # of an input's `drop`
DROPPED_WORDS = ("1", "1.0", "true", "t", "yes", "y", "on", "drop")


def wanted_names(column: str, options: SourceOptions) -> tuple[str, ...]:
    """The names that the input may use for a document column: the one that the options give, or the usual ones."""
    chosen = chosen_place(column, options)
    return NAMES[column] if chosen is None else (chosen,)


@dataclass(frozen=True)
class Mapping:
    """Where the values of each document column are, the first place that has one in a row, and the other columns with
    their positions and names.
    """

    taken: dict[str, tuple[ColumnPlace, ...]]
    kept: tuple[tuple[int, str], ...]


def match_columns(schema: pa.Schema, key: str, options: SourceOptions) -> Mapping:
    """Map an input's schema. Raises ShardError if it has neither html nor text, or lacks a column the options name."""
    if len(schema) > MOST_COLUMNS:
        raise NoDocuments(f"{key} has {len(schema)} columns; documents have at most {MOST_COLUMNS}")
    places_of: dict[str, tuple[ColumnPlace, ...]] = {}
    for column in NAMES:
        chosen = chosen_place(column, options)
        places = [place for path in paths(column, chosen) for place in located(schema, path)]
        found = tuple(place for place in places if place.type is None or usable(column, place.type))
        if chosen is not None and not found:
            raise NoDocuments(f"{key} has no column {chosen!r} for {column}; its columns are {', '.join(schema.names)}")
        if found:
            places_of[column] = found
    if "html" not in places_of and "text" not in places_of:
        raise NoDocuments(
            f"{key} has no column for html or text (looked for {', '.join(NAMES['html'] + NAMES['text'])}); its "
            f"columns are {', '.join(schema.names)}: name one with --set source.text_column or source.html_column"
        )
    if not {"source", "offset"} <= places_of.keys():
        places_of = {column: at for column, at in places_of.items() if column not in ("source", "offset", "length")}
    return Mapping(places_of, _kept(schema, {found[0].at for found in places_of.values() if not found[0].rest}))


def _kept(schema: pa.Schema, taken: set[int]) -> tuple[tuple[int, str], ...]:
    kept: list[tuple[int, str]] = []
    used = set(DOCUMENT.names)
    numbers: Counter[str] = Counter()
    for at, name in enumerate(schema.names):
        if at not in taken:
            name = _free(name, used, numbers)
            used.add(name)
            kept.append((at, name))
    return tuple(kept)


def _free(name: str, used: set[str], numbers: Counter[str]) -> str:
    """The name, or one that nobody has: prefixed, or where many are called the same, numbered."""
    found = name
    for _ in range(MOST_PREFIXES):
        if found not in used:
            return found
        found = f"input_{found}"
    while found in used:
        numbers[name] += 1
        found = f"input_{numbers[name]}_{name}"
    return found


def to_documents(
    given: pa.Table, mapping: Mapping, key: str, first_row: int, options: SourceOptions, report: SourceReport
) -> pa.Table:
    """Convert a batch of the input to documents. `first_row` is the number of its first row in the file. The report
    learns which places had values.
    """
    containers = Containers(given)
    columns = {column: taken(column, places, containers, report) for column, places in mapping.taken.items()}
    rows = given.num_rows
    docs = pa.table([columns.get(field.name, pa.nulls(rows, field.type)) for field in DOCUMENT], schema=DOCUMENT)
    if "html" in mapping.taken and is_bytes(mapping.taken["html"][0].type):
        docs = _decode_html(docs, options)
    docs = _with_places(docs, key, first_row)
    docs = finish(docs, key, options)
    kept = [given.column(at) for at, _ in mapping.kept]
    return pa.table([*docs.columns, *kept], names=[*docs.column_names, *(name for _, name in mapping.kept)])


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
    """The input's reasons, which may be any text, as names. What means no keeps the row."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(given))
    given = pc.if_else(pc.is_in(words, value_set=pa.array(KEPT_WORDS)), pa.scalar(None, given.type), given)
    given = pc.if_else(pc.is_in(words, value_set=pa.array(DROPPED_WORDS)), pa.scalar("marked_by_input"), given)
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

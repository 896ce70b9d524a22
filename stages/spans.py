"""Spans of duplicated bytes, a list per document: as a column, as counts, and cut out of the text.

Bytes are counted from the start of the document's text. The spans of a document ascend and neither overlap nor touch.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Int64s, UInt64s
from stages.base import drop_where, set_column
from stages.dedup import ROW, SPANS
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import tables
from stages.kernels.cuts import TokenSpans, count_characters, cut_rows, fit_rows


def row_lists(records: pa.Table, addresses: UInt64s) -> pa.Array:
    """Records in the order of `addresses` (column `address`), as a list per document of their other columns."""
    fields = [field for field in records.schema if field.name != "address"]
    values = [records.column(field.name).combine_chunks() for field in fields]
    rows = np.arange(len(addresses) + 1)
    first = np.searchsorted(rows_of(addresses, records)[1], rows).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(first), pa.StructArray.from_arrays(values, fields=fields))


def rows_of(addresses: UInt64s, records: pa.Table) -> tuple[Int64s, Int64s]:
    """The numbers of the records whose `address` belongs to one of these documents, and the row of each."""
    wanted = records.column("address").to_numpy()
    if len(addresses) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.argsort(addresses, kind="stable")
    at = order[np.minimum(np.searchsorted(addresses, wanted, sorter=order), len(addresses) - 1)]
    number = np.flatnonzero(addresses[at] == wanted)
    return number, at[number]


def spans_column(rows: int, row: Int64s, start: Int64s, end: Int64s) -> pa.Array:
    """Spans sorted by (row, start) as a column of `rows` lists; rows without spans have an empty list."""
    first = np.searchsorted(row, np.arange(rows + 1)).astype(np.int32)
    pairs = pa.StructArray.from_arrays([pa.array(start, pa.int64()), pa.array(end, pa.int64())], ["start", "end"])
    return pa.ListArray.from_arrays(pa.array(first), pairs).cast(SPANS)


def flat(spans: pa.Array | pa.ChunkedArray) -> TokenSpans:
    """The spans of a column as arrays; a null list counts as an empty one."""
    lists = spans.combine_chunks() if isinstance(spans, pa.ChunkedArray) else spans
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
    pairs = lists.flatten()
    start, end = (pairs.field(k).to_numpy(zero_copy_only=False).astype(np.int64) for k in range(2))
    return TokenSpans(first, start, end)


def characters(text: pa.ChunkedArray, spans: pa.ChunkedArray | pa.Array) -> tuple[Int64s, Int64s]:
    """Characters other than white space: inside the spans, and in the whole text. int64[rows]; 0, 0 without spans."""
    offsets, data = utf8_views(text)
    inside, everything = np.zeros((2, len(offsets) - 1), np.int64)
    count_characters(offsets, data, flat(spans), tables(), inside, everything)
    return inside, everything


def of_whole_words(text: pa.ChunkedArray, spans: pa.Array) -> pa.Array:
    """The spans without the parts of words at their ends, so that no cut goes through a number or a word.

    A word is what stands between white space, or a letter of a script without spaces (see `stages.kernels.words`).
    Spans that have no whole word are left out.
    """
    offsets, data = utf8_views(text)
    of = flat(spans)
    row, start, end = np.empty((3, len(of.start)), np.int64)
    found = fit_rows(offsets, data, of, tables(), row, start, end)
    return spans_column(len(offsets) - 1, row[:found], start[:found], end[:found])


def cut_spans(text: pa.ChunkedArray, spans: pa.ChunkedArray | pa.Array, clean: bool) -> pa.Array:
    """The texts without their spans, in the column's type; nulls and texts without spans stay as they are.

    The pieces that remain are joined by the white space next to the cut: that of the side with more line feeds (the
    left side if equal), with at most two line feeds; at the ends of the text by nothing. So a line or paragraph that is
    cut leaves its neighbours a line or paragraph apart. If there was no white space, the pieces are joined without any,
    unless two words would fuse: then by the first white space of what was cut, or a space if that had none. So the
    tokens that remain are those that were not cut, and every byte that remains was in the text, in this order (except
    for the space of the last case).

    `clean`: the white space is one character, or one or two line feeds; and where there was none, a space comes between
    all pieces but those that a script without spaces would write without one.
    """
    offsets, data = utf8_views(text)
    of = flat(spans)
    out = np.empty(int(offsets[-1] - offsets[0]) + len(of.start), np.uint8)
    ends = np.zeros(len(offsets), np.int64)
    cut_rows(offsets, data, of, tables(), clean, out, ends)
    joined = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]]))
    valid = pc.is_valid(text)
    whole = valid.combine_chunks() if isinstance(valid, pa.ChunkedArray) else valid
    return pc.if_else(whole, joined, pa.scalar(None, pa.large_string())).cast(text.type)


def decided(docs: pa.Table, decisions: pa.Table) -> tuple[pa.Table, pa.Array]:
    """`docs` with `drop` set as decided, and the decided spans of each (`stages.dedup.DECISION`, rows by `@row`)."""
    at = pc.index_in(docs.column(ROW), value_set=decisions.column("row").combine_chunks())
    docs = drop_where(docs, decisions.column("reason").take(at))
    if "kept_id" in decisions.column_names:
        docs = set_column(docs, "kept_id", decisions.column("kept_id").take(at))
    spans = decisions.column("spans").take(at)
    return docs, spans_column(docs.num_rows, *_by_row(flat(spans)))


def _by_row(spans: TokenSpans) -> tuple[Int64s, Int64s, Int64s]:
    row: Int64s = np.repeat(np.arange(len(spans.first) - 1), np.diff(spans.first))
    return row, spans.start, spans.end


def with_cut_text(docs: pa.Table, spans: pa.Array, clean: bool) -> pa.Table:
    """`docs`, with the texts of those that stay cut; a table without texts is returned as it is."""
    if "text" not in docs.column_names:
        return docs
    text, stays = docs.column("text"), docs.column("drop").is_null()
    return set_column(docs, "text", pc.if_else(stays, cut_spans(text, spans, clean), text))


def decisions_of(docs: pa.Table, reasons: pa.Array, spans: pa.Array) -> pa.Table:
    """The decisions about a table in memory, as `Global.apply` takes them; rows without spans are not in them."""
    table = pa.table({"row": np.arange(docs.num_rows), "reason": reasons, "spans": spans})
    return table.filter(pc.greater(pc.list_value_length(spans), 0))


def with_rows(docs: pa.Table) -> pa.Table:
    """`docs` with their row numbers in the column `@row`."""
    return set_column(docs, ROW, pa.array(np.arange(docs.num_rows)))

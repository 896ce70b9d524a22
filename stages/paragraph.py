"""Exact paragraph deduplication: of several paragraphs that read the same, only the first stays.

The phases are pure functions: `sign`, `copies`, `spans`. The engine partitions the output of `sign` by the high bits of
its first column. A paragraph is identified by two polynomials modulo 2^61 - 1 (see `stages.kernels.modular`): two given
different paragraphs of n bytes collide with probability at most (n / 7 / 2^61)^2.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import UInt64s
from stages.base import measure_column, set_column, stage
from stages.dedup import is_old, seniority
from stages.kernels.buffers import utf8_views
from stages.kernels.dialects import Dialect, check_dialect
from stages.kernels.groups import first_of, grouped
from stages.kernels.paragraphs import paragraphs
from stages.spans import characters, decided, row_lists, rows_of, spans_column, with_cut_text
from stages.tokens import row_blocks

_SPAN = (("start", pa.uint32()), ("end", pa.uint32()))  # in bytes of the document's text
SIGNED = pa.schema([("key", pa.uint64()), ("check", pa.uint64()), ("address", pa.uint64()), *_SPAN])
COPIES = pa.schema([("address", pa.uint64()), *_SPAN, ("other", pa.uint64())])  # `other`: where the first copy is


@stage("paragraph_v1")
class Paragraph:
    """Cuts every paragraph that occurred before, in the order of the input, in this document or another, and removes
    documents of which nothing is left: `only_duplicated_paragraphs`. `paragraph_v2` is its successor.

    A paragraph is a line: the text between line feeds. Paragraphs are the same if they are equal once normalised: lower
    case, every digit `0`, no accents and no punctuation (Unicode's Mn and P), white space collapsed. Paragraphs that
    then have fewer than `min_words` words (separated by white space), such as blank lines and rules of dashes, are
    never cut.
    `index`: earlier runs, whose paragraphs occurred before all of this one.

    Called on documents, the stage only signs them (`paragraph_v1.paragraphs`) and drops nothing: the verdict needs the
    whole corpus.
    Source: CCNet (Wenzek et al. 2020, arXiv 1911.00359), section 3.1, for paragraphs and normalisation
    (its code leaves accents and ASCII punctuation); Dolma (Soldaini et al. 2024, arXiv 2402.00159) for keeping the
    first copy and for `min_words`. Dolma's Bloom filter loses a few paragraphs that are not copies; this is exact.
    """

    name: ClassVar[str]
    clean: ClassVar[bool] = False  # whether seams are clean (see `stages.spans.cut_spans`)
    reads: ClassVar[tuple[str, ...]] = ("text",)
    min_words: int = 1
    index: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.min_words < 1:
            raise ValueError(f"min_words must be at least 1, not {self.min_words}")

    def dialect(self) -> Dialect:
        """How paragraphs are normalised."""
        return "paper"

    def __call__(self, docs: pa.Table) -> pa.Table:
        rows = np.arange(docs.num_rows, dtype=np.uint64)
        lists = row_lists(sign(self, docs, rows), rows)
        return set_column(docs, measure_column(self.name, "paragraphs"), lists)

    def reasons(self, docs: pa.Table, found: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Why each document is removed, given its spans (`stages.dedup.SPANS`): a string, or null if it stays."""
        inside, everything = characters(docs.column("text"), found)
        goes = pa.array((everything > 0) & (inside == everything))
        return pc.if_else(goes, pa.scalar("only_duplicated_paragraphs"), pa.scalar(None, pa.string()))

    def apply(self, docs: pa.Table, decisions: pa.Table) -> pa.Table:
        """`Global.apply`: set `drop` as decided, and cut the text of the documents that stay."""
        return with_cut_text(*decided(docs, decisions), clean=self.clean)


@stage("paragraph_v2")
class ParagraphV2(Paragraph):
    """Cuts every paragraph that occurred before, in the order of the input, in this document or another, and removes
    documents of which nothing is left: `only_duplicated_paragraphs`.

    A paragraph is a line: the text between line feeds. Paragraphs are the same if they are equal once normalised.
    Paragraphs that then have fewer than `min_words` words (separated by white space), such as blank lines and rules of
    dashes, are never cut.

    `normalise`: "text" takes away case, accents, invisible characters and punctuation, but not what tells numbers
    apart, so the lines of a table stay (see `minhash_v2`). "paper" also takes every digit for `0`, marks of all scripts
    and the points of numbers, as `paragraph_v1` does.
    `index`: earlier runs, whose paragraphs occurred before all of this one.

    Called on documents, the stage only signs them (`paragraph_v2.paragraphs`) and drops nothing: the verdict needs the
    whole corpus.
    Source: CCNet (Wenzek et al. 2020, arXiv 1911.00359), section 3.1, and Dolma (Soldaini et al. 2024, arXiv
    2402.00159), as for `paragraph_v1`. The normalisation "text" is ours.
    """

    clean: ClassVar[bool] = True
    normalise: Literal["text", "paper"] = "text"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_dialect(self.normalise, ("text", "paper"))

    def dialect(self) -> Dialect:
        """How paragraphs are normalised."""
        return self.normalise


def sign(stage: Paragraph, docs: pa.Table, addresses: UInt64s) -> pa.Table:
    """Every paragraph (`SIGNED`), in the order of rows. `addresses`: uint64[rows]."""
    offsets, data = utf8_views(docs.column("text"))
    parts = [SIGNED.empty_table()]
    for row, end in row_blocks(offsets):
        found = paragraphs(offsets[row : end + 1], data, stage.min_words, stage.dialect())
        columns = found.key, found.check, addresses[row + found.row], found.start, found.end
        parts.append(pa.Table.from_arrays(list(map(pa.array, columns)), schema=SIGNED))
    return pa.concat_tables(parts).combine_chunks()


def copies(signed: pa.Table) -> pa.Table:
    """The records, of all those of a range of keys, that are not the first of their paragraph (`COPIES`).

    Documents of earlier runs come first, and nothing of them is cut.
    """
    key, check, address, start = (_values(signed, name) for name in SIGNED.names[:4])
    groups = grouped((key, check, check), seniority(address), start)
    later = (groups.first[groups.leader] != np.arange(len(address))) & ~is_old(address)
    signed = signed.append_column("other", pa.array(first_of(groups, address)))
    found = signed.select(COPIES.names).filter(pa.array(later)).combine_chunks()
    return found.take(pa.array(np.lexsort((_values(found, "start"), _values(found, "address")))))


def spans(docs: pa.Table, addresses: UInt64s, copies: pa.Table) -> pa.Array:
    """The bytes to cut from these documents, a list per row. Copies in other documents are ignored."""
    number, row = rows_of(addresses, copies)
    start, end = (_values(copies, name)[number].astype(np.int64) for name in ("start", "end"))
    order = np.lexsort((start, row))
    return spans_column(docs.num_rows, row[order], start[order], end[order])


def duplicate_spans(stage: Paragraph, docs: pa.Table) -> pa.Array:
    """Run all phases over one table in memory that is the whole corpus."""
    rows = np.arange(docs.num_rows, dtype=np.uint64)
    return spans(docs, rows, copies(sign(stage, docs, rows)))


def _values(table: pa.Table, name: str) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = table.column(name).to_numpy()
    return values

"""Exact substring deduplication as a stage: its parameters, its signature, its verdict, and what it does to documents.

`stages.substring.phases` explains how duplicated spans are found, and why none is missed.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.assets import Asset
from stages.base import measure_column, set_column, stage
from stages.spans import characters, decided, row_lists, with_cut_text
from stages.substring.phases import SpanRules, sign

DUPLICATE_SPANS = "duplicate_spans"
MOST_TOKENS = 2**16 - 1  # tokens of a window: runs count windows in 16 bits


@stage("substring_v1")
class Substring:
    """Finds every span of at least `length` tokens that occurs more than once in the corpus; `mode` says what happens:

    `cut`           removes the spans, and documents with fewer than `min_left` characters outside spans:
                    `mostly_duplicated_text`
    `mask`          leaves the text, and adds the column `duplicate_spans` (bytes of the text, start and end)
    `drop_partial`  removes documents with more than `max_share` of their characters in spans: `partly_duplicated_text`
    `drop_any`      removes documents with a span: `has_duplicated_text`

    `keep_first`: the first copy of a span, in the order of the input, stays (in the paper none does). `tokens`: a local
    `tokenizer.json` (Hugging Face); without it, tokens are words, punctuation marks and letters of scripts without
    spaces (see `stages.tokens`). White space does not count as characters. `length` is 1 to 65535 tokens.
    `index`: earlier runs, whose spans count as occurrences, too; their documents stay as they are.
    `substring_v2` is its successor, whose cuts do not go through words.

    Called on documents, the stage only signs them (`substring_v1.fingerprints`) and drops nothing: the verdict needs
    the whole corpus.
    Source: Penedo et al. 2023 (RefinedWeb), section 3.3 and appendix G.3.2; Lee et al. 2022 (arXiv 2107.06499).
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ("text",)
    length: int = 50
    tokens: Asset | None = None
    mode: Literal["cut", "mask", "drop_partial", "drop_any"] = "cut"
    keep_first: bool = False
    min_left: int = 20
    max_share: float = 0.2
    index: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MOST_TOKENS:
            raise ValueError(f"length must be 1 to {MOST_TOKENS} tokens, not {self.length}")
        if self.mode not in ("cut", "mask", "drop_partial", "drop_any"):
            raise ValueError(f'mode must be "cut", "mask", "drop_partial" or "drop_any", not {self.mode!r}')
        if not (self.min_left >= 0 and self.max_share >= 0):
            raise ValueError(f"min_left and max_share must be at least 0, not {self.min_left} and {self.max_share}")

    def rules(self) -> SpanRules:
        """What becomes of runs of duplicated windows."""
        return SpanRules()

    def __call__(self, docs: pa.Table) -> pa.Table:
        rows = np.arange(docs.num_rows, dtype=np.uint64)
        lists = row_lists(sign(self, docs, rows), rows)
        return set_column(docs, measure_column(self.name, "fingerprints"), lists)

    def reasons(self, docs: pa.Table, found: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Why each document is removed, given its spans (`stages.dedup.SPANS`): a string, or null if it stays."""
        inside, everything = characters(docs.column("text"), found)
        has_span = pc.greater(pc.fill_null(pc.list_value_length(found), 0), 0).to_numpy(zero_copy_only=False)
        rules = {
            "cut": ("mostly_duplicated_text", has_span & (everything - inside < self.min_left)),
            "mask": (None, np.zeros(docs.num_rows, bool)),
            "drop_partial": ("partly_duplicated_text", inside > self.max_share * everything),
            "drop_any": ("has_duplicated_text", has_span),
        }
        reason, goes = rules[self.mode]
        return pc.if_else(pa.array(goes), pa.scalar(reason, pa.string()), pa.scalar(None, pa.string()))

    def apply(self, docs: pa.Table, decisions: pa.Table) -> pa.Table:
        """`Global.apply`: set `drop` as decided; cut the text of documents that stay (`cut`) or add spans (`mask`)."""
        docs, found = decided(docs, decisions)
        if self.mode == "mask":
            return set_column(docs, DUPLICATE_SPANS, found)
        return with_cut_text(docs, found, self.rules().whole_words) if self.mode == "cut" else docs


@stage("substring_v2")
class SubstringV2(Substring):
    """Finds every span of at least `length` tokens that occurs more than once in the corpus; `mode` says what happens:

    `cut`           removes the spans, and documents with fewer than `min_left` characters outside spans:
                    `mostly_duplicated_text`
    `mask`          leaves the text, and adds the column `duplicate_spans` (bytes of the text, start and end)
    `drop_partial`  removes documents with more than `max_share` of their characters in spans: `partly_duplicated_text`
    `drop_any`      removes documents with a span: `has_duplicated_text`

    `ends`: with "words", a span is shortened to its whole words, so that nothing is left of a number or of `don't` but
    the whole; words are what stands between white space, and letters of scripts without spaces. What remains is joined
    by one space or one or two line feeds. With "tokens", a span ends after any token, as in `substring_v1`.
    `min_bytes`: spans of fewer bytes are none; with a small `length`, bytes decide instead of tokens.
    `merge_gap`: two spans with fewer tokens than this between them are one.
    `length`, `tokens`, `keep_first`, `min_left`, `max_share` and `index` are those of `substring_v1`.

    Called on documents, the stage only signs them (`substring_v2.fingerprints`) and drops nothing: the verdict needs
    the whole corpus.
    Source: Penedo et al. 2023 (RefinedWeb), section 3.3 and appendix G.3.2; Lee et al. 2022 (arXiv 2107.06499). Whole
    words are ours; bytes and gaps are as in Dolma 3 (Olmo Team 2025).
    """

    ends: Literal["words", "tokens"] = "words"
    min_bytes: int = 0
    merge_gap: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ends not in ("words", "tokens"):
            raise ValueError(f'ends must be "words" or "tokens", not {self.ends!r}')
        if not (self.min_bytes >= 0 and self.merge_gap >= 0):
            raise ValueError(f"min_bytes and merge_gap must be at least 0, not {self.min_bytes} and {self.merge_gap}")

    def rules(self) -> SpanRules:
        """What becomes of runs of duplicated windows."""
        return SpanRules(self.merge_gap, self.min_bytes, self.ends == "words")

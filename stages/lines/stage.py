"""Line-wise corrections: removes page furniture that extraction left as lines of their own.

Source: RefinedWeb (Penedo et al. 2023, arXiv 2306.01116, section 3.2 and appendix G.2); constants and the core of the
patterns from DataComp-LM's reverse-engineered configuration (`refinedweb.yaml`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bools, Int64s
from stages.base import Limit, drop_where, measure_column, set_column, stage, verdicts
from stages.kernels.buffers import utf8_views
from stages.lines.kernel import LineTable, join_lines, scan_lines
from stages.lines.patterns import counter_pattern, edit_patterns, edited

_COUNTER_CHARACTERS = 100  # characters of the longest line that may consist of counters only


@stage("lines_v1")
class LineCorrections:
    """Rewrites `text` line by line, then drops documents that were mostly furniture.

    Left out: lines with more than `max_uppercase_fraction` of their characters (inner white space included) in upper
    case; lines of digits only; lines of counters only ("3 likes", "1.2K followers"; `counters`); lines of fewer than
    `min_line_words` words. Blank lines stay, but only one of those that meet where a line was left out.
    Edited, in lines of at most `edit_max_words` words: "sign-in" at the start, "read more…" at the end, "items in cart"
    anywhere (the patterns are in `stages/wordlists/line_edits.txt`); a line with nothing left is left out.
    Then dropped: `no_words_left` if no word is left; `too_many_words_removed` if more than `max_removed_fraction` of
    the words were removed (None = no limit). A text with nothing to correct is passed on unchanged.

    Words are separated by white space and contain a letter or number. In scripts without spaces each letter is a word
    (`unspaced_letters`); otherwise every line in them would be a single word.
    Measures: `removed_words_fraction` (0 for a text without words), `words_left`.
    Source: RefinedWeb, arXiv 2306.01116, section 3.2 and appendix G.2; constants from DataComp-LM's `refinedweb.yaml`.
    That configuration does not treat a line as numeric if there is white space between its digits; this stage does.
    """

    max_uppercase_fraction: float = 0.5
    min_line_words: int = 2
    counters: bool = True
    edit_max_words: int = 10
    max_removed_fraction: float | None = 0.05
    unspaced_letters: bool = True

    def __post_init__(self) -> None:
        for name in ("max_uppercase_fraction", "max_removed_fraction"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must be a fraction from 0 to 1, not {value}")
        for name in ("min_line_words", "edit_max_words"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be a number of words, not {getattr(self, name)}")

    def __call__(self, docs: pa.Table) -> pa.Table:
        text, measures = self._corrected(docs)
        judged = drop_where(set_column(docs, "text", text), verdicts(measures, self.limits()))
        for name in measures.column_names:
            judged = set_column(judged, measure_column("lines_v1", name), measures.column(name))
        return judged

    def measure(self, docs: pa.Table) -> pa.Table:
        """`removed_words_fraction` (float64) and `words_left` (int64)."""
        return self._corrected(docs)[1]

    def limits(self) -> tuple[Limit, ...]:
        """The limits: first that of an empty text, whatever share of it was removed."""
        return (
            Limit("words_left", "no_words_left", min=1),
            Limit("removed_words_fraction", "too_many_words_removed", max=self.max_removed_fraction),
        )

    def _corrected(self, docs: pa.Table) -> tuple[pa.ChunkedArray, pa.Table]:
        """The corrected text and the measures."""
        text = docs.column("text")
        parts = [self._correct(chunk) for chunk in text.chunks]
        before, after = (np.concatenate([np.empty(0, np.int64), *(part[at] for part in parts)]) for at in (1, 2))
        fraction = (before - after) / np.maximum(before, 1)
        measures = pa.table({"removed_words_fraction": fraction, "words_left": after})
        return pa.chunked_array([part[0] for part in parts], text.type), measures

    def _correct(self, text: pa.Array) -> tuple[pa.Array, Int64s, Int64s]:
        """One chunk: its corrected text, and the words of each row before and after."""
        lines = scan_lines(text, self.unspaced_letters)
        kept = self._kept(text, lines)
        replaced, replacements = self._edits(text, lines, kept)
        shorter = scan_lines(replacements, self.unspaced_letters)
        kept[replaced] = shorter.visible > 0
        words = np.where(kept, lines.words, 0)
        words[replaced] = shorter.words
        before, after = (np.diff(np.append(0, np.cumsum(each))[lines.first]) for each in (lines.words, words))
        changed = len(replaced) > 0 or not kept.all()
        return join_lines(text, lines, kept, replaced, replacements) if changed else text, before, after

    def _kept(self, text: pa.Array, lines: LineTable) -> Bools:
        """Which lines stay: those that no rule leaves out, and blank ones."""
        upper = lines.upper / np.maximum(lines.characters, 1) > self.max_uppercase_fraction
        out = upper | (lines.digits == lines.visible) | (lines.words < self.min_line_words)
        kept: Bools = ~out | (lines.visible == 0)
        if self.counters:
            candidates = np.flatnonzero(kept & (lines.digits > 0) & (lines.characters <= _COUNTER_CHARACTERS))
            counter = counter_pattern()
            kept[candidates] = [counter.fullmatch(line) is None for line in read_lines(text, lines, candidates)]
        return kept

    def _edits(self, text: pa.Array, lines: LineTable, kept: Bools) -> tuple[Int64s, pa.Array]:
        """The numbers of the lines that an edit changes, and what they become."""
        candidates = np.flatnonzero(kept & (lines.visible > 0) & (lines.words <= self.edit_max_words))
        edits = edit_patterns()
        olds = list(read_lines(text, lines, candidates))
        news = [edited(line, edits) for line in olds]
        changed = [at for at, (old, new) in enumerate(zip(olds, news, strict=True)) if old != new]
        return candidates[changed], pa.array([news[at] for at in changed], pa.string())


def read_lines(text: pa.Array, lines: LineTable, wanted: Int64s) -> Iterator[str]:
    """The wanted lines as strings, decoded one by one."""
    data = utf8_views(text)[1].data
    for start, end in zip(lines.start[wanted].tolist(), lines.end[wanted].tolist(), strict=True):
        yield str(data[start:end], "utf-8")

"""Stages whose dialect `datatrove` decides as datatrove 0.10.1 does: its words are tokens, punctuation among them.

The first versions of these stages take what lies between white space for a word in this dialect, too. Here the counts
and fractions of words are those of `stages.english_tokens`. Lines, paragraphs and symbols are counted as before.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Int64s
from stages.base import judge, stage
from stages.english_tokens import tokens
from stages.fineweb import FineWeb
from stages.kernels.repetition import measure_repetition
from stages.quality import Quality
from stages.repetition import Repetition

_OF_WORDS = ("all_words", "words", "all_characters", "characters", "alphabetic_words", "stop_words")


def spaced(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """The tokens of each text with a space between them, so that each is a word of the kernels."""
    texts = [None if one is None else " ".join(tokens(one)) for one in text.to_pylist()]
    return pa.chunked_array([pa.array(texts, text.type)])


@stage("quality_v2")
class QualityOfTokens(Quality):
    """As `quality_v1`, but `dialect="datatrove"` counts tokens of English, as datatrove 0.10.1 does by spaCy's rules.

    Punctuation is a token, and `don't` is two. So the share of tokens with a letter, which must be 0.8, is smaller than
    that of words: about one document of ten is judged otherwise than by `quality_v1`. The reasons are `too_few_words`,
    `too_many_words`, `words_too_short`, `words_too_long`, `too_many_hashes`, `too_many_ellipses`,
    `too_many_bullet_lines`, `too_many_ellipsis_lines`, `too_few_alphabetic_words` and `too_few_stop_words`.
    `dialect="gopher"` decides as `quality_v1` does. Source: Gopher (Rae et al. 2021), section A.1; datatrove 0.10.1.
    """

    def _counts(self, docs: pa.Table, text: pa.ChunkedArray) -> tuple[dict[str, Int64s], Int64s]:
        of, known = super()._counts(docs, text)
        if self.dialect == "datatrove":
            words, _ = super()._counts(docs, spaced(text))
            of |= {name: words[name] for name in _OF_WORDS}
        return of, known

    def __call__(self, docs: pa.Table) -> pa.Table:
        return judge(self, docs)


@stage("repetition_v2")
class RepetitionOfTokens(Repetition):
    """As `repetition_v1`, but with `dialect="datatrove"` n-grams are those of English tokens, punctuation among them.

    The reasons are `empty_text` and those of the measures: `duplicate_lines`, `duplicate_paragraphs`,
    `duplicate_line_characters`, `duplicate_paragraph_characters`, `top_2gram`, `top_3gram`, `top_4gram`,
    `duplicate_5grams`, `duplicate_6grams`, `duplicate_7grams`, `duplicate_8grams`, `duplicate_9grams` and
    `duplicate_10grams`. `dialect="gopher"` decides as `repetition_v1` does. Source: Gopher (Rae et al. 2021), section
    A.1 and Table A1; datatrove 0.10.1.
    """

    def measure(self, docs: pa.Table) -> pa.Table:
        """As those of `repetition_v1`; the fractions of n-grams are of the characters of the text."""
        plain = super().measure(docs)
        if self.dialect != "datatrove":
            return plain
        names = plain.column_names
        of = measure_repetition(spaced(docs.column("text")), True, self.unspaced_letters)
        share = of[:, names.index("characters")] / np.maximum(plain.column("characters").to_numpy(), 1)
        for at, name in enumerate(names):
            if name.endswith(("gram", "grams")):
                plain = plain.set_column(at, name, pa.array(of[:, at] * share))
        return plain

    def __call__(self, docs: pa.Table) -> pa.Table:
        return judge(self, docs)


@stage("fineweb_v2")
class FineWebOfTokens(FineWeb):
    """As `fineweb_v1`, but `new_lines` is the number of line feeds per English token, as in datatrove 0.10.1.

    The reasons are `no_lines`, `too_few_punctuated_lines`, `too_many_short_lines`, `duplicate_line_characters` and
    `too_many_new_lines`. Lines that end at CR and LF are as if they ended at LF alone: the carriage return is not a
    character of the line, so a text from Windows is judged like any other. Source: FineWeb (Penedo et al. 2024),
    section 3.6; datatrove 0.10.1.
    """

    def measure(self, docs: pa.Table) -> pa.Table:
        """As those of `fineweb_v1`."""
        text = pc.replace_substring(docs.column("text"), "\r\n", "\n")
        lines = super().measure(docs.set_column(docs.schema.get_field_index("text"), "text", text))
        texts = text.to_pylist()
        words = np.array([1 if one is None else len(tokens(one)) for one in texts], np.int64)
        feeds = np.array([0 if one is None else one.count("\n") for one in texts], np.int64)
        at = lines.schema.get_field_index("new_lines")
        return lines.set_column(at, "new_lines", pa.array(feeds / np.maximum(words, 1)))

    def __call__(self, docs: pa.Table) -> pa.Table:
        return judge(self, docs)

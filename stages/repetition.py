"""Repetition within a document: Gopher's thirteen limits, in two dialects.

Source: Rae et al. 2021 (Gopher, arXiv 2112.11446), section A.1 and Table A1. RefinedWeb uses them unchanged
(Penedo et al. 2023, arXiv 2306.01116, section 3.2). The second dialect is what datatrove 0.10.1 computes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import pyarrow as pa

from stages.base import Limit, judge, stage
from stages.kernels.repetition import MEASURES, measure_repetition


@stage("repetition_v1")
class Repetition:
    """Drops documents that repeat themselves: those with a fraction greater than its `max_` parameter.

    The reasons are named after the measures, in the order in which they are checked (`empty_text` comes first):
    `duplicate_lines`, `duplicate_paragraphs`                        fraction of lines, of paragraphs
    `duplicate_line_characters`, `duplicate_paragraph_characters`    fraction of characters in them
    `top_2gram`, `top_3gram`, `top_4gram`                            characters of the most frequent n-gram of words
    `duplicate_5grams`, `duplicate_6grams`, `duplicate_7grams`,      characters in n-grams that occur more than once
    `duplicate_8grams`, `duplicate_9grams`, `duplicate_10grams`
    A line ends at a run of line feeds, a paragraph at a run of two or more. `characters` is the denominator of the
    fractions of characters.

    `dialect="gopher"` (as the paper): a line or paragraph is taken without outer white space, and every copy of one
    that occurs more than once counts; characters are those of words. The top n-gram is the one that occurs most often
    (at least twice), and of several the one that covers most; its fraction is what all its occurrences cover. Duplicate
    n-grams cover the union of all occurrences of all n-grams that occur more than once. No character counts twice, so
    no fraction is above 1. (DataComp-LM multiplies the length of a top n-gram by its count. That gives the same number
    unless an n-gram overlaps itself, as in `ha ha ha`.)
    `dialect="datatrove"`: only second and later copies count; lines and paragraphs are taken as they are; characters
    are all characters of the text; a top n-gram counts as its length, with its spaces, times its count, even if that is
    1; duplicate n-grams are found by a scan from the left that jumps over each n-gram that it has met before.

    Words are separated by white space (datatrove: tokens of the language's tokenizer). Scripts without spaces (Chinese,
    Japanese, Thai …) therefore have about one word per line, and little but their lines and paragraphs is measured.
    `unspaced_letters` makes each of their letters a word of its own.
    Source: Gopher (Rae et al. 2021), section A.1 and Table A1.
    """

    name: ClassVar[str]
    dialect: Literal["gopher", "datatrove"] = "gopher"
    max_duplicate_lines: float = 0.30
    max_duplicate_paragraphs: float = 0.30
    max_duplicate_line_characters: float = 0.20
    max_duplicate_paragraph_characters: float = 0.20
    max_top_2gram: float = 0.20
    max_top_3gram: float = 0.18
    max_top_4gram: float = 0.16
    max_duplicate_5grams: float = 0.15
    max_duplicate_6grams: float = 0.14
    max_duplicate_7grams: float = 0.13
    max_duplicate_8grams: float = 0.12
    max_duplicate_9grams: float = 0.11
    max_duplicate_10grams: float = 0.10
    unspaced_letters: bool = False

    def __post_init__(self) -> None:
        if self.dialect not in ("gopher", "datatrove"):
            raise ValueError(f'dialect must be "gopher" or "datatrove", not {self.dialect!r}')
        for name in MEASURES[1:]:
            if not getattr(self, f"max_{name}") >= 0:
                raise ValueError(f"max_{name} must be a fraction of at least 0, not {getattr(self, f'max_{name}')}")

    def measure(self, docs: pa.Table) -> pa.Table:
        """`characters` and thirteen fractions (float64). A document without words repeats nothing: 0."""
        measured = measure_repetition(docs.column("text"), self.dialect == "datatrove", self.unspaced_letters)
        return pa.table({name: measured[:, column] for column, name in enumerate(MEASURES)})

    def limits(self) -> tuple[Limit, ...]:
        """The limits of Table A1, after that of an empty text."""
        fractions = (Limit(name, name, max=getattr(self, f"max_{name}")) for name in MEASURES[1:])
        return (Limit("characters", "empty_text", min=1), *fractions)

    def __call__(self, docs: pa.Table) -> pa.Table:
        return judge(self, docs)

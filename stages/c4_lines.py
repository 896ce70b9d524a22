"""C4's clean-up as the published code and datatrove 0.10.1 have it (`c4_v1` reads the paper)."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa

from stages.base import stage
from stages.c4 import C4, CITATION, POLICY, Cleaned
from stages.english_tokens import sentences, tokens
from stages.kernels.classes import sentence_ends

ALL_SCRIPTS = (*map(chr, sentence_ends()), *"\"'”’»›」』՝")  # and the quotation marks that close


@stage("c4_v2")
class C4OfCode(C4):
    """Rewrites `text` to the lines that pass, and drops documents, in the order of the published code.

    A line (`str.splitlines`, without outer white space) is removed, in this order,
    - if a word in it has more than `max_word_length` characters,
    - if, without its citation marks, it does not end with one of `end_marks`, or ends with `...`; not if
      `require_end_mark` is false, as in the pipeline that made FineWeb,
    - if it has fewer than `min_words_per_line` words,
    - if it mentions Javascript or a phrase of `policy`.
    A document is dropped as `lorem_ipsum` or `curly_bracket` (a `{`) if a line has one that was not removed by an
    earlier rule, and as `too_few_sentences` if the remaining lines have fewer than `min_sentences`. Sentences are those
    of English tokens (`stages.english_tokens`). `end_marks` are those of datatrove: the apostrophe is one, the curly
    quotation mark is not; `all_scripts` adds the sentence ends of all scripts, and quotation marks that close.
    The text of a dropped document stays as it was.
    Source: C4 (Raffel et al. 2020), section 2.2, and its code; datatrove 0.10.1.
    """

    name: ClassVar[str]
    end_marks: tuple[str, ...] = (".", "?", "!", '"', "'")
    policy: tuple[str, ...] = POLICY
    require_end_mark: bool = True
    all_scripts: bool = False

    def _clean(self, text: str) -> Cleaned:
        kept: list[str] = []
        count = lorem = curly = 0
        for line in text.splitlines():
            words, line = line.split(), line.strip()
            if len(line) > self.max_word_length and max(map(len, words)) > self.max_word_length:
                continue
            line = CITATION.sub("", line) if self.remove_citations and "[" in line else line
            if len(words) < self.min_words_per_line or (self.require_end_mark and not self._ends(line)):
                continue
            lower = line.lower()
            lorem += "lorem ipsum" in lower
            if "javascript" in lower:
                continue
            curly += "{" in line
            if not any(phrase in lower for phrase in self.policy):
                count += sentences(tokens(line))
                kept.append(line)
        return Cleaned("\n".join(kept).strip(), count, lorem, curly)

    def _ends(self, line: str) -> bool:
        marks = ALL_SCRIPTS if self.all_scripts else self.end_marks
        return line.endswith(marks) and not line.endswith("...")

    def __call__(self, docs: pa.Table) -> pa.Table:
        return super().__call__(docs)

"""C4's clean-up: keeps the lines that are sentences, and drops the documents that have few of them.

Source: Raffel et al. 2020 (T5, JMLR 21:140), section 2.2. The rules that only the published code has (policy lines,
citation marks, words of over 1,000 characters) are taken from the code. The list of bad words is not part of this
stage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from stages.base import Limit, drop_where, measure_column, set_column, stage, verdicts
from stages.kernels.classes import sentence_ends

POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
# In scripts with spaces a sentence end needs white space (or the end of the line) after it; the signs of others do not.
_MARKS = frozenset(".!?…")
_RUN = r"[.!?…\"'”’»)\]]"  # marks and what closes after them, as a whole: trying parts of a run takes quadratic time
_SPACED_END = re.compile(rf"(?<!{_RUN}){_RUN}++(?=\s++(?P<next>\S)|\s*+$)")
_OTHER_END = re.compile(f"[{re.escape(''.join(chr(end) for end in sentence_ends() if end > 0x7F))}]+")


@dataclass(frozen=True)
class Cleaned:
    """What is left of a document, and what was found in the whole of it."""

    text: str
    sentences: int
    lorem_ipsum: int
    curly_brackets: int


@stage("c4_v1")
class C4:
    """Rewrites `text` to the lines that pass, and drops documents.

    A line (`str.splitlines`, without outer white space) is removed
    - if a word in it has more than `max_word_length` characters,
    - if, without its citation marks (`[1]`, `[edit]`, `[citation needed]`), it does not end with one of `end_marks`, or
      ends with `...`,
    - if it has fewer than `min_words_per_line` words (separated by white space; citation marks included),
    - if it mentions Javascript or a phrase of `policy` (terms of use, cookies), in upper or lower case.
    A document is dropped as `lorem_ipsum` or `curly_bracket` if its text, before lines are removed, has one, and as
    `too_few_sentences` if the remaining lines have fewer than `min_sentences`. The text of a dropped document stays as
    it was.

    A sentence ends at `.`, `!`, `?` or `…` followed by white space and not a lower-case letter, at the end of its line,
    or at another script's sentence end (the paper counts with NLTK's Punkt, which also knows abbreviations). The
    paper's first version has 3 words per line and 5 sentences, which are the defaults here and in datatrove; its last
    version and the published data set have 5 and 3. The published code looks for brackets and lorem ipsum only in lines
    that end well. Other languages may need other `end_marks` (`。！？` in Chinese, `।` in Hindi).
    Source: C4 (Raffel et al. 2020), section 2.2.
    """

    name: ClassVar[str]
    min_words_per_line: int = 3
    min_sentences: int = 5
    max_word_length: int = 1000
    end_marks: tuple[str, ...] = (".", "?", "!", '"', "”")
    policy: tuple[str, ...] = POLICY
    remove_citations: bool = True

    def __post_init__(self) -> None:
        for name in ("min_words_per_line", "min_sentences", "max_word_length"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        if not self.end_marks or "" in self.end_marks:
            raise ValueError("end_marks needs at least one mark, and none of them empty")

    def measure(self, docs: pa.Table) -> pa.Table:
        """`lorem_ipsum`, `curly_brackets` (counts in the whole text), `sentences` in the remaining lines (int64)."""
        return _measures(self._clean_all(docs))

    def limits(self) -> tuple[Limit, ...]:
        """In the order of the checks."""
        return (
            Limit("lorem_ipsum", "lorem_ipsum", max=0),
            Limit("curly_brackets", "curly_bracket", max=0),
            Limit("sentences", "too_few_sentences", min=self.min_sentences),
        )

    def __call__(self, docs: pa.Table) -> pa.Table:
        cleaned = self._clean_all(docs)
        measures = _measures(cleaned)
        judged = drop_where(docs, verdicts(measures, self.limits()))
        before = docs.column("text")
        text = pa.chunked_array([pa.array([one.text for one in cleaned], before.type)])
        kept = pc.and_(pc.is_null(judged.column("drop")), pc.is_valid(before))
        judged = set_column(judged, "text", pc.if_else(kept, text, before))
        for name in measures.column_names:
            judged = set_column(judged, measure_column(self.name, name), measures.column(name))
        return judged

    def _clean_all(self, docs: pa.Table) -> list[Cleaned]:
        return [self._clean(text or "") for text in docs.column("text").to_pylist()]

    def _clean(self, text: str) -> Cleaned:
        lines = [line for line in map(self._line, text.splitlines()) if line is not None]
        return Cleaned(
            text="\n".join(lines).strip(),
            sentences=sum(map(count_sentences, lines)),
            lorem_ipsum=text.lower().count("lorem ipsum"),
            curly_brackets=text.count("{") + text.count("}"),
        )

    def _line(self, line: str) -> str | None:
        """The line as it is kept, or None if it is removed."""
        words = line.split()
        line = line.strip()
        if len(line) > self.max_word_length and max(map(len, words)) > self.max_word_length:
            return None
        if self.remove_citations and "[" in line:
            line = CITATION.sub("", line)
        if not line.endswith(self.end_marks) or line.endswith("..."):
            return None
        lower = line.lower()
        if len(words) < self.min_words_per_line or "javascript" in lower:
            return None
        return None if any(phrase in lower for phrase in self.policy) else line


def count_sentences(line: str) -> int:
    """The number of sentence ends in a line; a line without any is one sentence."""
    found = (end for end in _SPACED_END.finditer(line) if not (end["next"] or "").islower())
    ends = sum(not _MARKS.isdisjoint(end[0]) for end in found)
    if not line.isascii():
        ends += len(_OTHER_END.findall(line))
    return max(ends, 1)


def _measures(cleaned: list[Cleaned]) -> pa.Table:
    names = ("lorem_ipsum", "curly_brackets", "sentences")
    return pa.table({name: pa.array([getattr(one, name) for one in cleaned], pa.int64()) for name in names})

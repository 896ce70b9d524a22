"""Finds the places in a text that it was removed for, as spans of characters. Not every reason has such places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Span = tuple[int, int]

MOST_SHOWN = 700  # characters of an excerpt
AROUND = 160  # characters shown before the first mark
LONG_WORD = 20  # characters: what is marked if a text's words are too long on average
WORD = re.compile(r"\S+")
# Both begin where a line or a paragraph does: tried from every blank of a long run, they would take its square.
LINE = re.compile(r"^[^\S\n]*+\S[^\n]*+", re.M)
PARAGRAPH = re.compile(r"(?:\A|(?<=\n)(?=\n))(?:[^\S\n]|\n(?!\n))*+\S(?:[^\n]++|\n(?!\n))*+")
ELLIPSIS_END = re.compile(r"(?:…|(?<!\.)\.\.\.++)[ \t]*+$", re.M)
ELLIPSIS = re.compile(r"…|\.\.\.+")
BULLETS = re.compile(r"^[ \t]*[•‣▶◀◦■□▪▫–*-]", re.M)
GRAMS = re.compile(r"(top|duplicate)_(\d+)grams?")


@dataclass(frozen=True)
class Piece:
    """A part of an excerpt. `marked`: whether it is what the document was removed for."""

    text: str
    marked: bool = False


def spans(reason: str, text: str) -> list[Span]:
    """The offending places of `text`, in order and without overlaps; none if the reason has no place in the text."""
    grams = GRAMS.fullmatch(reason)
    if grams is not None:
        found = (_top_gram if grams[1] == "top" else _repeated_grams)(text, int(grams[2]))
    else:
        rule = RULES.get(reason)
        found = [] if rule is None else list(rule(text))
    return _joined(found)


def excerpt(text: str, marked: Sequence[Span], most: int = MOST_SHOWN) -> tuple[list[Piece], int]:
    """Up to `most` characters of the text in pieces, from a little before the first mark, and how many are left out."""
    start = max(0, marked[0][0] - AROUND) if marked and marked[0][0] > most // 2 else 0
    end = min(len(text), start + most)
    pieces = [Piece("… ")] if start else []
    at = start
    for first, last in marked:
        first, last = max(first, at), min(last, end)
        if first < last:
            pieces += [Piece(text[at:first]), Piece(text[first:last], True)]
            at = last
    pieces.append(Piece(text[at:end] + (" …" if end < len(text) else "")))
    return [piece for piece in pieces if piece.text], len(text) - (end - start)


def _joined(found: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _all(pattern: re.Pattern[str]) -> Callable[[str], Iterable[Span]]:
    return lambda text: [found.span() for found in pattern.finditer(text)]


def _repeated(pattern: re.Pattern[str]) -> Callable[[str], Iterable[Span]]:
    """A rule that finds every copy of what occurs more than once."""

    def rule(text: str) -> Iterable[Span]:
        found = list(pattern.finditer(text))
        counts = Counter(match[0].strip() for match in found)
        return [match.span() for match in found if counts[match[0].strip()] > 1]

    return rule


def _grams(text: str, n: int) -> tuple[list[Span], list[str]]:
    words = [match.span() for match in WORD.finditer(text)]
    forms = [text[a:b].strip(".,;:!?\"'()[]").lower() for a, b in words]
    return words, [" ".join(forms[at : at + n]) for at in range(len(words) - n + 1)]


def _top_gram(text: str, n: int) -> list[Span]:
    words, grams = _grams(text, n)
    if not grams:
        return []
    counts = Counter(grams)
    best = max(counts, key=lambda gram: (counts[gram], len(gram), gram))
    return [(words[at][0], words[at + n - 1][1]) for at, gram in enumerate(grams) if gram == best and counts[best] > 1]


def _repeated_grams(text: str, n: int) -> list[Span]:
    words, grams = _grams(text, n)
    counts = Counter(grams)
    return [(words[at][0], words[at + n - 1][1]) for at, gram in enumerate(grams) if counts[gram] > 1]


def _letterless(text: str) -> Iterable[Span]:
    return [found.span() for found in WORD.finditer(text) if not any(c.isalpha() for c in found[0])]


def _longest(text: str) -> Iterable[Span]:
    return [found.span() for found in WORD.finditer(text) if len(found[0]) > LONG_WORD]


def _ellipsis_ends(text: str) -> Iterable[Span]:
    return [found.span() for found in ELLIPSIS_END.finditer(text)]


RULES: dict[str, Callable[[str], Iterable[Span]]] = {
    "duplicate_lines": _repeated(LINE),
    "duplicate_line_characters": _repeated(LINE),
    "duplicate_paragraphs": _repeated(PARAGRAPH),
    "duplicate_paragraph_characters": _repeated(PARAGRAPH),
    "too_many_hashes": _all(re.compile("#")),
    "too_many_ellipses": _all(ELLIPSIS),
    "too_many_bullet_lines": _all(BULLETS),
    "too_many_ellipsis_lines": _ellipsis_ends,
    "too_few_alphabetic_words": _letterless,
    "words_too_long": _longest,
    "lorem_ipsum": _all(re.compile("lorem ipsum", re.I)),
    "curly_bracket": _all(re.compile(r"\{")),
}

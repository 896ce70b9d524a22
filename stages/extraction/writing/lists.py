"""Markers of list items: dashes, or numbers by `start`, `value`, `type` and `reversed`."""

from __future__ import annotations

import re

from classifiers.blocks.html.names import TAGS, listed
from stages.extraction.images import attributes_of
from stages.extraction.writing.outline import Outline

OL, DT, DD = (TAGS[name] for name in ("ol", "dt", "dd"))
DASH = "-"
_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        listed("m cm d cd c xc l xl x ix v iv i"),
        strict=True,
    )
)
_LETTERS, _MOST_ROMAN = 26, 3999
_INTEGER = re.compile(r"[+-]?\d{1,9}(?!\d)", re.ASCII)
_MOST = 999_999_999  # CommonMark reads at most nine digits


class Markers:
    """The markers of a page's items, each list numbered when its first item is asked for."""

    def __init__(self, outline: Outline, markdown: bool) -> None:
        self.outline = outline
        self.markdown = markdown
        self.known: dict[int, str] = {}

    def of(self, item: int) -> str:
        """The marker of an item, without the space after it; empty for a term of a definition list."""
        outline = self.outline
        if outline.tag[item] == DT:
            return ""
        above = outline.parent[item]
        if outline.tag[item] == DD or outline.tag[above] != OL:
            return DASH
        if item not in self.known:
            self._number(above)
        return self.known.get(item, DASH)

    def _number(self, above: int) -> None:
        items = self.outline.items_of[above]
        attributes = attributes_of(self.outline.start_tag(above))
        backwards = "reversed" in self.outline.start_tag(above).lower()
        number = _integer(attributes.get("start", ""), len(items) if backwards else 1)
        kind = attributes.get("type", "1")
        for item in items:
            start = self.outline.start_tag(item)
            if "value" in start.lower():
                number = _integer(attributes_of(start).get("value", ""), number)
            self.known[item] = self._written(number, kind) + "."
            number += -1 if backwards else 1

    def _written(self, number: int, kind: str) -> str:
        """The number; letters and Roman numerals in plain text, as Markdown has none, nor negative ones."""
        if self.markdown:
            return str(min(max(number, 0), _MOST))
        if kind in ("a", "A") and number > 0:
            letters = _letters(number)
            return letters.upper() if kind == "A" else letters
        if kind in ("i", "I") and 0 < number <= _MOST_ROMAN:
            roman = _roman(number)
            return roman.upper() if kind == "I" else roman
        return str(number)


def _integer(text: str, otherwise: int) -> int:
    digits = text.strip()
    bare = digits.lstrip("+-")
    return (
        int(digits)
        if bare.isdecimal() and bare.isascii() and len(bare) < 10 and len(digits) - len(bare) < 2
        else otherwise
    )


def _letters(number: int) -> str:
    found = ""
    while number > 0:
        number, letter = divmod(number - 1, _LETTERS)
        found = chr(ord("a") + letter) + found
    return found


def _roman(number: int) -> str:
    found = ""
    for value, letters in _ROMAN:
        while number >= value:
            found, number = found + letters, number - value
    return found

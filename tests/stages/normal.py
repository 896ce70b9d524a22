"""The dialects of normalisation in plain Python: slow and obvious. The kernel is compared with these."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from stages.kernels.classes import DATATROVE_MARKS, fold
from stages.kernels.dialects import (
    DECIMAL,
    HASH,
    JOINER,
    PERCENT,
    POINT,
    SIGN,
    Dialect,
    context_of,
    is_accent,
    is_joining,
    is_unseen,
)


def paper(text: str) -> str:
    """Lower case one for one, NFD of each code point, no Mn, no P, single spaces, and none at the ends."""
    kept = [
        part
        for character in fold(text)
        for part in unicodedata.normalize("NFD", character)
        if unicodedata.category(part) != "Mn" and unicodedata.category(part)[0] != "P"
    ]
    return " ".join("".join(kept).split())


def unicode(text: str) -> str:
    """Canonically decomposed, with single spaces, and none at the ends."""
    return " ".join(unicodedata.normalize("NFD", text).split())


def text(text: str) -> str:
    """Lower case, no accents, nothing unseen; a space for punctuation that is no part of a word; canonical order."""
    parts = [part for character in fold(text) for part in unicodedata.normalize("NFD", character)]
    parts = [part for part in parts if not (is_accent(part) or is_unseen(part))]
    out = ""
    for at, part in enumerate(parts):
        kind = context_of(part)
        if kind == 0:
            out += " " if unicodedata.category(part)[0] == "P" or part.isspace() else part
        elif belongs(kind, out[-1:], _following(parts[at + 1 :], kind)):
            out += part
        elif kind != JOINER:
            out += " "
    return unicode(out)


NUMBER = re.compile(r"\d+(?:[.,\u060c\u066b\u2396\u2397\u2398]\d+)?")
MARKS = str.maketrans(DATATROVE_MARKS, " " * len(DATATROVE_MARKS))


def datatrove(text: str) -> str:
    """What datatrove 0.10.1 compares: numbers as `0`, lower case, a space for its punctuation, no Mn."""
    parts = unicodedata.normalize("NFD", fold(NUMBER.sub("0", text)).translate(MARKS))
    return " ".join("".join(part for part in parts if unicodedata.category(part) != "Mn").split())


def _following(parts: Sequence[str], kind: int) -> str:
    return next((part for part in parts if kind == JOINER or context_of(part) != JOINER), "")


def belongs(kind: int, before: str, after: str) -> bool:
    """Whether a sign of this kind is part of a word, given what it stands between (nothing, at an end)."""
    leads = is_digit(after) and not in_word(before)
    return {
        POINT: is_digit(before) and is_digit(after),
        DECIMAL: leads or (is_digit(before) and is_digit(after)),
        SIGN: leads,
        HASH: leads or (in_word(before) and not in_word(after)),
        PERCENT: leads or is_digit(before),
        JOINER: in_word(before) and in_word(after) and is_joining(before) and is_joining(after),
    }[kind]


def is_digit(character: str) -> bool:
    return character != "" and unicodedata.category(character) == "Nd"


def in_word(character: str) -> bool:
    return character != "" and unicodedata.category(character)[0] in "LMN"


PLAIN: dict[Dialect, Callable[[str], str]] = {
    "paper": paper, "text": text, "unicode": unicode, "datatrove": datatrove,
}  # fmt: skip

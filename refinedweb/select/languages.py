"""The codes of languages that Common Crawl's index has, from what a user writes."""

from __future__ import annotations

from stages.errors import ConfigError, nearest
from stages.language_codes import MEANT, THREE_LETTERS


def three_letters(code: str) -> str:
    """The ISO 639-3 code of a language. Raises ConfigError if it is not a code."""
    lower = code.strip().lower()
    if len(lower) == 3 and lower.isascii() and lower.isalpha():
        return THREE_LETTERS.get(MEANT.get(lower, ""), lower)
    if lower not in THREE_LETTERS:
        two = MEANT.get(lower)
        meant = f"did you mean {two!r}?" if two else nearest(lower, list(THREE_LETTERS))
        raise ConfigError(f"--language {code!r}: give an ISO 639 code such as is or isl: {meant}")
    return THREE_LETTERS[lower]

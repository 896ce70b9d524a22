"""The counts of `quality_v1`: their names, and their columns in a row of the result."""

from __future__ import annotations

COUNTS = (
    "all_words",
    "words",  # without those made of punctuation only
    "all_characters",  # of all words
    "characters",  # of the words that count
    "alphabetic_words",  # with at least one letter
    "stop_words",  # different ones
    "hashes",
    "ellipses",
    "lines",
    "bullet_lines",
    "ellipsis_lines",
)
(
    ALL_WORDS, WORDS, ALL_CHARACTERS, CHARACTERS, ALPHABETIC_WORDS, STOP_WORDS, HASHES, ELLIPSES, LINES, BULLET_LINES,
    ELLIPSIS_LINES,
) = range(len(COUNTS))  # fmt: skip

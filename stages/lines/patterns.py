"""The patterns of `lines_v1`, compiled once per process from the data files in `stages/wordlists`.

All take time linear in the line: repetitions are possessive, and the phrase of an edit is searched as a plain string
before a regular expression locates it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from stages.errors import ConfigError
from stages.wordlists import FOLDER, read_list

_NUMBER = r"\d(?:[.,'’\s]?\d)*+\+?"
_UNIT = r"(?:\s?(?:(?:[kmb]|tsd|mio|mil|mln|tys|тыс|млн|rb|jt)(?!\w)\.?|[万萬千만천]))?+"
_PLACES = ("prefix", "suffix", "anywhere")
_MARKS = ".…[]»›→> "
_ENDING = r"\s?(?:\.{2,}|…|\[\s?(?:…|\.{3})\s?\]|[»›→>]++)"
_SENTENCE_END = r"(?:^|(?<=[.!?…»”\"。！？]))\s*+"


class Edits(NamedTuple):
    """The lower-case phrases for each place, and one expression per place that finds them in a line as written."""

    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    anywheres: tuple[str, ...]
    prefix: re.Pattern[str]
    suffix: re.Pattern[str]
    anywhere: re.Pattern[str]


@lru_cache(maxsize=1)
def counter_pattern() -> re.Pattern[str]:
    """Matches, as a whole, a line of counters only: numbers with the nouns of `line_counters.txt`."""
    noun = _either(read_list(FOLDER / "line_counters.txt"))
    number = f"{_NUMBER}{_UNIT}"
    return re.compile(rf"\W*+(?:(?:{number}\s*+{noun}|{noun}\W*+{number})(?!\w)\W*+)+", re.IGNORECASE)


@lru_cache(maxsize=1)
def edit_patterns() -> Edits:
    """The phrases of `line_edits.txt`. Raises ConfigError for a line that is not a place followed by a phrase."""
    found: dict[str, list[str]] = {place: [] for place in _PLACES}
    for entry in read_list(FOLDER / "line_edits.txt"):
        place, _, phrase = entry.partition(" ")
        if place not in found or not phrase:
            raise ConfigError(f"line_edits.txt: {entry!r} is not a place ({', '.join(_PLACES)}) and a phrase")
        found[place].append(phrase.lower())
    prefix, suffix, anywhere = (_either(found[place]) for place in _PLACES)
    return Edits(
        tuple(found["prefix"]),
        tuple(found["suffix"]),
        tuple(found["anywhere"]),
        re.compile(rf"{prefix}(?!\w)\s*+", re.IGNORECASE),
        re.compile(rf"(?:(?<!\w){suffix}{_ENDING}|{_SENTENCE_END}{suffix})\Z", re.IGNORECASE),
        re.compile(rf"\s?(?<!\w)(?:\d{{1,4}}\s)?{anywhere}(?!\w)", re.IGNORECASE),
    )


def edited(line: str, edits: Edits) -> str:
    """The line without the phrases and the surrounding white space; the line itself if it has none of the phrases."""
    cut = bare = line.strip()
    low = bare.lower()
    if low.startswith(edits.prefixes) and (found := edits.prefix.match(cut)):
        cut = cut[found.end() :]
    if low.rstrip(_MARKS).endswith(edits.suffixes) and (found := edits.suffix.search(cut)):
        cut = cut[: found.start()].rstrip()
    if any(phrase in low for phrase in edits.anywheres):
        cut = edits.anywhere.sub("", cut).strip()
    return line if cut == bare else cut


def _either(phrases: list[str] | tuple[str, ...]) -> str:
    longest_first = sorted(phrases, key=len, reverse=True)
    return "(?:" + "|".join(r"\s".join(map(re.escape, phrase.split())) for phrase in longest_first) + ")"

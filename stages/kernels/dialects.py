"""What each dialect of normalisation makes of each code point: the tables of `stages.kernels.normalise`.

`paper`    RefinedWeb, appendix G.3.1: lower case, canonically decomposed (NFD), without categories Mn and P. So
           `Été—d'or` becomes `etedor`, and `3.14` becomes `314`. Decomposition is per code point: marks are not
           reordered.
`text`     Different texts stay different. Lower case and NFD, too, but punctuation becomes a space, except where it is
           part of a number or a name (`CONTEXTS`). Marks go only where they are accents; what nobody sees goes.
`unicode`  NFD and nothing else. So texts are equal if they are canonically equivalent: if their NFC is equal.
`datatrove`  as `simplify_text` of datatrove 0.10.1: numbers are `0` (see `numbers`), then lower case, a space for each
           of its punctuation marks, and NFD without category Mn.

In all of them a run of white space (`str.isspace`) is one space, and there is none at the ends.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int32s, UInt16s
from classifiers.kernels.utf8 import REPLACEMENT
from stages.kernels.classes import DATATROVE_MARKS, DIGIT, LETTER, MARK, NUMBER, UNSPACED, fold, paged, tables

Dialect = Literal["text", "paper", "unicode", "datatrove"]
BLANK, GONE = np.uint8(0x20), np.uint8(0xFD)  # bytes: the space, and one that stands for "nothing is written"
LOOK, AHEAD = np.uint8(0xFE), np.uint8(0xFF)  # look at both neighbours; look at them if a digit comes next
# A code is: start in the pool << 13 | flags | context << 8 | size. Two of the sizes occur for no entry of the pool:
# that of a character that stays the same, and that of white space.
SIZE, SAME, SPACE = 15, 15, 14
# The flags: a combining mark; a letter that is a word of its own; a decimal digit; a letter, mark or number; one that
# joiners may stand next to; a character that canonical order may move.
IS_MARK, ALONE, IS_DIGIT, IN_WORD, JOINS, MOVES, CONTEXT, START = 16, 32, 64, 128, 2048, 4096, 8, 13
# What a sign is, and so when it stays. `C#`, `3.14`, `.5`, `-5` and `5%` keep theirs; `a-5`, `1.` and `#a` do not.
POINT, DECIMAL, SIGN, HASH, PERCENT, JOINER = range(1, 7)
CONTEXTS = {
    POINT: ",:/\u066b\u066c\uff0c\uff0e\uff0f\uff1a",  # between two digits
    DECIMAL: ".",  # before a digit, if no letter is before it
    SIGN: "-",  # before a digit, if no letter or digit is before it
    HASH: "#",  # as a sign, and after a letter or digit if none comes next
    PERCENT: "%\u2030\u066a\uff05",  # after a digit, and as a sign
    JOINER: "\u200c\u200d",  # between letters of scripts in which it changes a word
}
_MARKS = frozenset(DATATROVE_MARKS)
_CONTEXT_OF = {sign: kind for kind, signs in CONTEXTS.items() for sign in signs}
_ALTERED = {"Mn", "Mc", "Me", "Cf", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps"}  # categories of which some are left out
# Code points that may change. In the other blocks (Han, private use) every character stays as it is.
_SPANS = (
    range(0x3400),
    range(0x4DC0, 0x4E00),
    range(0xA000, 0x20000),
    range(0x2F800, 0x30000),
    range(0xE0000, 0xE0200),
)
# The marks that are accents: of Latin, Greek and Cyrillic, and the points of Hebrew and Arabic. U+0338 makes `≠` of
# `=`, and U+0653 to U+0655 make other letters (hamza); they stay.
_ACCENTS = (
    range(0x300, 0x338), range(0x339, 0x370), range(0x483, 0x488), range(0x591, 0x5C8), range(0x610, 0x61B),
    range(0x64B, 0x653), range(0x656, 0x660), range(0x670, 0x671), range(0x6D6, 0x6EE), range(0x898, 0x900),
    range(0x1AB0, 0x1B00), range(0x1DC0, 0x1E00), range(0x20D0, 0x2100), range(0x2DE0, 0x2E00), range(0xA66F, 0xA6A0),
    range(0xFB1E, 0xFB1F), range(0xFE00, 0xFE10), range(0xFE20, 0xFE30), range(0xE0100, 0xE01F0),
)  # fmt: skip
# Characters of category Cf that are seen: numbers and years in Arabic, abbreviations in Syriac, hieroglyphs in groups.
_SEEN = (range(0x600, 0x606), range(0x6DD, 0x6DE), range(0x70F, 0x710), range(0x890, 0x892), range(0x8E2, 0x8E3),
         range(0x110BD, 0x110BE), range(0x110CD, 0x110CE), range(0x13430, 0x13440))  # fmt: skip
# Arabic to Malayalam and Sinhala, Mongolian, Arabic presentation forms, and the Indic scripts of the first plane.
_JOINING = (range(0x600, 0xE00), range(0x1800, 0x18B0), range(0xA840, 0xA880), range(0xFB50, 0xFE00),
            range(0xFE70, 0xFF00), range(0x11000, 0x12000))  # fmt: skip


class Normal(NamedTuple):
    """What replaces a character: `plain[byte]` (or GONE, LOOK, AHEAD), or `code[page[cp >> 8], cp & 255]`."""

    plain: Bytes
    page: UInt16s
    code: Int32s
    pool: Bytes  # UTF-8
    order: Bytes  # the canonical combining class of every code point that may have one


def _paper(lower: str) -> str:
    kept = (part for part in unicodedata.normalize("NFD", lower) if unicodedata.category(part) != "Mn")
    return "".join(part for part in kept if unicodedata.category(part)[0] != "P")


def _text(lower: str) -> str:
    parts = unicodedata.normalize("NFD", lower)
    if lower not in _CONTEXT_OF and any(unicodedata.category(part)[0] == "P" for part in parts):
        return " "
    return "".join(part for part in parts if not (is_accent(part) or is_unseen(part)))


def _unicode(character: str) -> str:
    return unicodedata.normalize("NFD", character)


def _datatrove(lower: str) -> str:
    if lower in _MARKS:
        return " "
    return "".join(part for part in unicodedata.normalize("NFD", lower) if unicodedata.category(part) != "Mn")


REPLACED: dict[Dialect, Callable[[str], str]] = {
    "paper": _paper, "text": _text, "unicode": _unicode, "datatrove": _datatrove,
}  # fmt: skip


def check_dialect(normalise: str, possible: Sequence[Dialect]) -> None:
    """Raises ValueError if the parameter `normalise` of a stage is none of the dialects that it has."""
    if normalise not in possible:
        *others, last = (f'"{dialect}"' for dialect in possible)
        raise ValueError(f"normalise must be {', '.join(others)} or {last}, not {normalise!r}")


def is_accent(character: str) -> bool:
    """Whether it is a mark that `text` leaves out: an accent, a point, or the choice of a glyph's variant."""
    return unicodedata.category(character)[0] == "M" and any(ord(character) in span for span in _ACCENTS)


def is_unseen(character: str) -> bool:
    """Whether it is a format character that nobody sees: a soft hyphen, a space of no width, a direction."""
    unseen = unicodedata.category(character) == "Cf" and character not in _CONTEXT_OF
    return unseen and not any(ord(character) in span for span in _SEEN)


def context_of(character: str) -> int:
    """The kind of sign that it is; 0 if it is none."""
    return _CONTEXT_OF.get(character, 0)


def is_joining(character: str) -> bool:
    """Whether its script is one in which a joiner changes a word."""
    return any(ord(character) in span for span in _JOINING)


@lru_cache(maxsize=4)
def normal(dialect: Dialect) -> Normal:
    """The tables, built once a process (about 0.1 s)."""
    codes, pool, order = _unchanged(dialect), bytearray(chr(REPLACEMENT).encode()), _classes()
    for point, left in _changed(dialect):
        kept = left.encode("utf-8", "replace")
        codes[point] = codes[point] & ~SIZE | len(pool) << START | (SPACE if left == " " else len(kept))
        pool += kept
        if dialect != "paper" and left and unicodedata.combining(left[0]):
            codes[point] |= MOVES
    codes[[*range(0xD800, 0xE000), REPLACEMENT]] = len(chr(REPLACEMENT).encode())
    page, code = paged(codes)
    plain = [_plain(byte, left, dialect) for byte, left in enumerate(_lower(range(128), dialect))]
    return Normal(np.array(plain, np.uint8), page, code, np.frombuffer(bytes(pool), np.uint8), order)


def _plain(byte: int, lower: str, dialect: Dialect) -> int:
    if dialect == "text" and (kind := context_of(chr(byte))):
        return int(LOOK if kind in (HASH, PERCENT) else AHEAD)
    left = " " if lower.isspace() else REPLACED[dialect](lower)
    return ord(left) if left else int(GONE)


def _lower(points: range, dialect: Dialect) -> str:
    text = "".join(map(chr, points))
    return text if dialect == "unicode" else fold(text)


def _changed(dialect: Dialect) -> Iterator[tuple[int, str]]:
    """The code points that do not stay the same, and what is left of each: " " for white space."""
    replaced = REPLACED[dialect]
    for span in _SPANS:
        for point, lower in zip(span, _lower(span, dialect), strict=True):
            alters = lower != chr(point) or unicodedata.category(lower) in _ALTERED or _composed(lower)
            alters = alters or (dialect == "datatrove" and lower in _MARKS)
            left = " " if lower.isspace() else replaced(lower) if alters else lower
            if left != chr(point) or left == " ":
                yield point, left


def _composed(character: str) -> bool:
    return not unicodedata.is_normalized("NFD", character)


def _unchanged(dialect: Dialect) -> Int32s:
    """The code of every code point, as if it stayed the same, with its flags."""
    page, flags = tables().page, tables().flags
    every = flags[page].ravel()
    codes = SAME | (every & MARK != 0) * IS_MARK | (every & UNSPACED != 0) * ALONE | (every & DIGIT != 0) * IS_DIGIT
    codes |= (every & (LETTER | MARK | NUMBER) != 0) * IN_WORD
    for span in _JOINING:
        codes[span.start : span.stop] |= JOINS
    if dialect == "text":
        for kind, signs in CONTEXTS.items():
            codes[[*map(ord, signs)]] |= kind << CONTEXT | (IS_MARK if kind == JOINER else 0)
    if dialect != "paper":
        codes[np.flatnonzero(_classes())] |= MOVES
    out: Int32s = codes.astype(np.int32)
    return out


@lru_cache(maxsize=1)
def _classes() -> Bytes:
    """The combining class of every code point below U+1F000; beyond, none has one."""
    return np.array([unicodedata.combining(chr(point)) for point in range(0x1F000)], np.uint8)

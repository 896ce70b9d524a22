"""What the normaliser makes of each code point: a table for its kernel, from Python's Unicode data.

A code point becomes its compatibility decomposition (NFKD) in folded case, so full-width, ligature and mathematical
letters become plain ones. Invisible characters go, and so do the marks that are written over Latin, Greek and Cyrillic
letters; marks of other scripts are part of their words. Hangul syllables stay whole.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

import numpy as np

from classifiers.kernels.arrays import Int32s

# Kinds of code points. A stop may end a sentence; a mask may stand for a letter; one that is alone is a word by itself;
# a look-alike is a letter that looks like a Latin one.
SPACE, LETTER, DIGIT, NOTHING, MASK, LINE, STOP, ALONE, LOOKALIKE = range(9)

POINTS = 0x110000  # Unicode's code points
_LINES = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_STOPS = ".!?\u3002\u2026"
_APOSTROPHES = "'\u2019\u02bc`\u00b4"
MASKS = "*#@$!-_%&?+"

# Scripts written without spaces, where every letter counts as a word.
_ALONE = (
    range(0x0E00, 0x0F00), range(0x1000, 0x10A0), range(0x1780, 0x1800), range(0x3005, 0x3008), range(0x3041, 0x3100),
    range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0x20000, 0x32000),
)  # fmt: skip
# In these blocks there is nothing to fold: letters are taken as they are.
_PLAIN_LETTERS = (range(0xAC00, 0xD7A4), range(0x17000, 0x18D00), range(0x13000, 0x14700))
_SPANS = (
    range(0x3400), range(0x4DC0, 0x4E00), range(0xA000, 0xAC00), range(0xD7A4, 0xD800), range(0xF900, 0x13000),
    range(0x16000, 0x17000), range(0x1AFF0, 0x20000), range(0x2F800, 0x2FA20), range(0xE0000, 0xE0200),
)  # fmt: skip
_MARKS = (
    range(0x300, 0x370), range(0x483, 0x48A), range(0x1AB0, 0x1B00), range(0x1DC0, 0x1E00), range(0x20D0, 0x2100),
    range(0xFE00, 0xFE10), range(0xFE20, 0xFE30), range(0xE0100, 0xE01F0),
)  # fmt: skip

# Letters of other alphabets that look like a Latin one.
LOOKALIKES = dict(zip("аевкмнорстухіјѕԁһԛԝɡαβειкορτυχνκ", "abbkmhopctyxijsdhqwgabeikoptuxvk", strict=True)) | {
    "е": "e", "р": "p", "с": "c", "у": "y", "х": "x", "в": "b", "τ": "t",
}  # fmt: skip


# One array: `letters[letters[point >> 8] + (point & 255)]` is the kind of a code point; or, if it is folded to others,
# -1 - (the place of the first in the array << COUNT_BITS | how many they are).
Letters: TypeAlias = Int32s
COUNT_BITS = 5  # U+FDFA is folded to 18 code points


@lru_cache(maxsize=1)
def letters() -> Letters:
    """The table, built once a process (about 0.2 s)."""
    codes, folded = np.zeros(POINTS, np.int32), dict[int, str]()
    for span in (*_PLAIN_LETTERS, *_ALONE):
        codes[span.start : span.stop] = LETTER if span in _PLAIN_LETTERS else ALONE
    for point in chain.from_iterable(_SPANS):
        found = _folded(chr(point))
        if found == chr(point):
            codes[point] = _kind(found)
        elif len(found) == 0:
            codes[point] = NOTHING
        else:
            folded[point] = found
            codes[point] = -len(folded)
    return _joined(codes, list(folded.values()))


def _joined(codes: Int32s, folded: Sequence[str]) -> Letters:
    """The array: where each 256 code points' codes start, the distinct codes of 256, what is folded to.

    `codes` has -n for the code point that is folded to the n-th of `folded`.
    """
    pages, page = np.unique(codes.reshape(-1, 256), axis=0, return_inverse=True)
    first = len(page) + pages.size
    places = first + np.cumsum([0, *map(len, folded)])[:-1]
    refers = np.array([-1 - (place << COUNT_BITS | len(text)) for place, text in zip(places, folded, strict=True)])
    pages = np.where(pages < 0, refers[np.maximum(-1 - pages, 0)], pages)
    return np.concatenate([len(page) + 256 * page.ravel(), pages.ravel(), [*map(ord, "".join(folded))]]).astype(
        np.int32
    )


def _folded(character: str) -> str:
    if unicodedata.category(character) == "Cf" or character in _APOSTROPHES or _is_mark(ord(character)):
        return ""
    if _kind(character) == LINE:
        return character
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(c for c in folded if not _is_mark(ord(c)))


def _is_mark(point: int) -> bool:
    return any(point in span for span in _MARKS)


def _kind(character: str) -> int:
    category = unicodedata.category(character)
    if character in _LINES:
        return LINE
    if character in _STOPS and character not in MASKS:
        return STOP
    if character in MASKS:
        return MASK
    if character in LOOKALIKES:
        return LOOKALIKE
    if any(ord(character) in span for span in _ALONE):
        return ALONE if category[0] in "LMN" else SPACE
    return {"L": LETTER, "M": LETTER, "N": DIGIT}.get(category[0], SPACE)


def lookalikes() -> Int32s:
    """Of the code points below its length: the Latin letter that each looks like, or 0."""
    table = np.zeros(max(map(ord, LOOKALIKES)) + 1, np.int32)
    for letter, latin in LOOKALIKES.items():
        table[ord(letter)] = ord(latin)
    return table

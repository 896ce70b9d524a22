"""Classes and lower case of every code point, as tables for the kernels.

Most come from `unicodedata`, so their Unicode version is that of the running Python. They are built once per process
(in about 0.1 s, at the first call) as two-level page tables with 256 code points per page.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, Int32s, UInt16s
from classifiers.kernels.jit import kernel

# Classes of a code point, one bit each.
SPACE = 1  # white space, as str.isspace and str.split define it
LETTER = 2  # category L
MARK = 4  # category M: combining marks
NUMBER = 8  # category N
DIGIT = 16  # category Nd
UPPER = 32  # category Lu or Lt
LOWER = 64  # category Ll
PUNCTUATION = 128  # category P
SYMBOL = 256  # category S, emoji among them
UNSPACED = 512  # letters of the scripts that are written without spaces between words
LINE_BREAK = 1024  # where str.splitlines splits
SENTENCE_END = 2048  # Unicode's property Sentence_Terminal, and the signs of Khmer
DATATROVE_PUNCTUATION = 4096  # characters that datatrove 0.10.1 does not count as part of a word
WORD_CHARACTER = LETTER | MARK | NUMBER

# Scripts without spaces, as blocks (Unicode, Blocks.txt). Only the letters in them are UNSPACED.
_UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x109F),  # Tibetan, Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1B7F),  # Tai Tham, Balinese
    (0x2E80, 0x312F),  # CJK radicals, Hiragana, Katakana, Bopomofo
    (0x31A0, 0xA4CF),  # Bopomofo and Katakana extensions, Han, Yi
    (0xA980, 0xA9FF),  # Javanese, Myanmar Extended-B
    (0xAA60, 0xAADF),  # Myanmar Extended-A, Tai Viet
    (0xF900, 0xFAFF),  # Han compatibility
    (0xFF66, 0xFF9F),  # halfwidth Katakana
    (0x1AFF0, 0x1B16F),  # Kana supplements
    (0x20000, 0x3FFFF),  # Han extensions
)
_LINE_BREAKS = (*range(0x0A, 0x0E), 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)  # as str.splitlines
# Unicode 15, PropList.txt, Sentence_Terminal; plus 17D4-17DA, which datatrove 0.10.1 has as well.
_SENTENCE_ENDS = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6
17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E
2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52
FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6
111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944
11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F
1DA88
"""
DATATROVE_MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«´»–—’“”„…∶━►、。〈〉《》「」【】！％（），．１：；？～" + "".join(
    map(chr, (*range(9), *range(11, 32), *range(127, 160)))
)
_CATEGORY = {"L": LETTER, "M": MARK, "N": NUMBER, "P": PUNCTUATION, "S": SYMBOL}
_EXACT = {"Nd": DIGIT, "Lu": UPPER, "Lt": UPPER, "Ll": LOWER}
_ASSIGNED = (range(0x40000), range(0xE0000, 0xE1000))  # outside these: unassigned or private use


class CharacterTables(NamedTuple):
    """Two-level tables: `values[page[cp >> 8], cp & 255]`."""

    page: UInt16s
    flags: UInt16s
    fold_page: UInt16s
    fold: Int32s


@lru_cache(maxsize=1)
def tables() -> CharacterTables:
    """Classes and case folding of every code point. Every call returns the same arrays."""
    page, flags = paged(_flags())
    fold_page, fold = paged(_fold_distances())
    return CharacterTables(page, flags.astype(np.uint16), fold_page, fold)


def sentence_ends() -> list[int]:
    """The code points that end a sentence in any script, ascending."""
    spans = [[int(end, 16) for end in span.split("-")] for span in _SENTENCE_ENDS.split()]
    return [point for span in spans for point in range(span[0], span[-1] + 1)]


def _flags() -> Int32s:
    flags = np.zeros(0x110000, dtype=np.int32)
    for assigned in _ASSIGNED:
        categories = list(map(unicodedata.category, map(chr, assigned)))
        bits = {name: _CATEGORY.get(name[0], 0) | _EXACT.get(name, 0) for name in set(categories)}
        flags[assigned.start : assigned.stop] = [bits[name] for name in categories]
    flags[[point for point in range(0x3001) if chr(point).isspace()]] |= SPACE
    flags[list(_LINE_BREAKS)] |= LINE_BREAK
    ends = sentence_ends()
    flags[ends] |= SENTENCE_END | DATATROVE_PUNCTUATION
    flags[[ord(mark) for mark in DATATROVE_MARKS]] |= DATATROVE_PUNCTUATION
    for first, last in _UNSPACED_BLOCKS:
        block = flags[first : last + 1]
        block[(block & LETTER) != 0] |= UNSPACED
    return flags


def fold(text: str) -> str:
    """Lower case, one character for each (the first of several); a final sigma folds to sigma."""
    return "".join(character.lower()[0] for character in text).replace("ς", "σ")


def _fold_distances() -> Int32s:
    distances = np.zeros(0x110000, dtype=np.int32)
    points = np.arange(0x1F000, dtype=np.int32)  # no later script has cases; 0xD800-0xDFFF are not characters
    everything = "".join(map(chr, points))
    distances[:0x1F000] = np.array([ord(character) for character in fold(everything)], np.int32) - points
    return distances


def paged(values: Int32s) -> tuple[UInt16s, Int32s]:
    """The page number of each block of 256 code points, and the distinct pages."""
    distinct: dict[bytes, int] = {}
    pages = values.reshape(-1, 256)
    index = [distinct.setdefault(page.tobytes(), len(distinct)) for page in pages]
    return np.array(index, dtype=np.uint16), np.frombuffer(b"".join(distinct), np.int32).reshape(-1, 256).copy()


@kernel
def flags_of(tables: CharacterTables, point: Int) -> Int:
    """The classes of a code point, as a bit set."""
    return np.int64(tables.flags[np.int64(tables.page[point >> 8]), point & 255])


@kernel
def folded(tables: CharacterTables, point: Int) -> Int:
    """The lower case of a code point (simple folding: one code point for each)."""
    return point + np.int64(tables.fold[np.int64(tables.fold_page[point >> 8]), point & 255])

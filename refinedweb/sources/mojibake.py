"""Measure how odd decoded text looks: a wrong charset puts letters and symbols where no language has them."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice

_FOREIGN = re.compile(r"[^\x00-\x7f]")
_FOREIGN_LETTER = re.compile(r"[^\W\d_\x00-\x7f]")
_LONE = re.compile("(?<![\udc80-\udcff])[\udc80-\udcff](?![\udc80-\udcff]|$)")
_BROKEN = re.compile("[\udc80-\udcff]")
_WINDOWS_1252 = {0xDC00 + byte: bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}
# Every 8th of the first 4,000 non-ASCII characters is judged: 500, enough to distinguish 5 % of odd ones from 30 %.
_SPAN, _STEP = 4_000, 8
_COUNTED = 200_000  # characters whose letters are counted
# Symbols that follow words, and symbols within or before words in some language (middle dot, soft hyphen, apostrophes,
# joiners).
_AFTER = frozenset("…®™©°ºª†‡")
_INSIDE = frozenset("¡¿·\u00ad\u2019\u2018\u02bc\u200c\u200d\u05f3\u05f4\u30fb")


@lru_cache(maxsize=1 << 16)
def _kind(char: str) -> tuple[str, str]:
    """(Unicode category, script) of a character; the script is the first word of its Unicode name."""
    return unicodedata.category(char), unicodedata.name(char, "").partition(" ")[0]


def oddity(text: str) -> float:
    """Share (0 to 1) of the non-ASCII characters of `text` that real text does not have there; 0 if there are none.

    These are odd: U+FFFD, control, private and unassigned characters; a third accented Latin letter in a row; a symbol
    within a word or next to an accented letter; an upper-case letter directly after a lower-case one; scripts mixed
    within a word.
    """
    places = [m.start() for m in islice(_FOREIGN.finditer(text), 0, _SPAN, _STEP)]
    return sum(_odd(text, at) for at in places) / max(1, len(places))


def foreign_letters(text: str) -> int:
    """How many of the first 200,000 characters are letters outside ASCII."""
    return len(_FOREIGN_LETTER.findall(text, 0, _COUNTED))


def mend(body: bytes) -> str:
    """Decode mostly valid UTF-8: a lone stray byte is windows-1252 (pasted in), longer breaks become U+FFFD."""
    text = body.decode("utf-8", "surrogateescape")
    text = _LONE.sub(lambda m: _WINDOWS_1252[ord(m[0])], text)
    return _BROKEN.sub("\ufffd", text)


def _odd(text: str, at: int) -> bool:
    """Whether real text does not have the character in such a place."""
    category, script = _kind(text[at])
    if category in ("Cc", "Cn", "Co", "Cs") or text[at] == "\ufffd":
        return True
    before, after = text[at - 1 : at] or " ", text[at + 1 : at + 2] or " "
    if category[0] == "L":
        return _odd_letter(text, at, category, script, before)
    if text[at] in "‚„":  # they open words; in shift_jis, two thirds of Japanese characters begin with their bytes
        return _alphabetic(before) or (before > "\x7f" and not before.isspace())
    if category[0] not in "SNP" or category in ("Pd", "Ps", "Pi", "Pe", "Pf") or text[at] in _INSIDE:
        return False
    return _misplaced(text[at], before, after)


def _misplaced(char: str, before: str, after: str) -> bool:
    """Whether the symbol is between letters of an alphabet, or directly next to an accented one."""
    left, right = _alphabetic(before), _alphabetic(after)
    if left and right:
        return True
    return (left and before > "\x7f" and char not in _AFTER) or (right and after > "\x7f")


def _alphabetic(char: str) -> bool:
    return _kind(char)[0] in ("Lu", "Ll", "Lt")


def _odd_letter(text: str, at: int, category: str, script: str, before: str) -> bool:
    """Whether a letter is odd after the letters before it."""
    category_before, script_before = _kind(before)
    if category == "Lu" and category_before == "Ll":
        return True
    if category[0] == "L" and category_before in ("Lu", "Ll") and script != script_before:
        return category in ("Lu", "Ll")
    if script != "LATIN" or before < "\x80" or script_before != "LATIN":
        return False
    second = text[at - 2 : at - 1]
    return second >= "\x80" and _kind(second)[1] == "LATIN"

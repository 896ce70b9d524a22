"""Words in disguise: masks (`f*ck`), digits (`sh1t`), repeated letters, Latin letters mixed with look-alikes.

A word is a row of code points. It is folded only if that gives a word of the list, `disguises`. The list is one array:
`disguises[n]` to `disguises[n + 1]` are the places in it where the words of n ASCII letters stand, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifiers.kernels.arrays import Int, Int32s, Int64s
from classifiers.kernels.jit import kernel
from classifiers.normalise.letters import lookalikes

# What a word that was read has in it.
HAS_DIGIT, HAS_MASK, HAS_LATIN, HAS_LOOKALIKE, REPEATS = 1, 2, 4, 8, 16
STAR, DOLLAR, COMMERCIAL_AT, BANG, HASH, PERCENT, AND, PLUS, DASH, QUESTION, UNDERSCORE = map(ord, "*$@!#%&+-?_")

_LOOKALIKE = lookalikes()
_A, _E, _I, _L, _O, _S, _T = map(ord, "aeilost")
_0, _1, _3, _4, _5, _7 = map(ord, "013457")


def table_of(words: Sequence[bytes], longest: int) -> Int32s:
    """The array of a list of words, each of at most `longest` letters."""
    by_size = [[word for word in words if len(word) == size] for size in range(longest + 1)]
    places = np.cumsum([longest + 2, *(size * len(group) for size, group in enumerate(by_size))])
    return np.array([*places, *b"".join(word for group in by_size for word in group)], np.int32)


@kernel
def is_mask(point: Int) -> bool:
    """Whether a sign may stand for a letter."""
    return bool(point in (BANG, HASH, DOLLAR, PERCENT, AND, STAR, PLUS, DASH, QUESTION, COMMERCIAL_AT, UNDERSCORE))


@kernel
def undisguised(token: Int64s, size: Int, flags: Int, disguises: Int32s) -> Int:
    """Rewrite a disguised word with Latin letters in place; returns its size, negative if it had masks or digits."""
    if flags & HAS_LOOKALIKE:
        for k in range(size):
            if token[k] < len(_LOOKALIKE) and _LOOKALIKE[token[k]] > 0:
                token[k] = _LOOKALIKE[token[k]]
    if flags & (REPEATS | HAS_LOOKALIKE):  # letters that became equal may repeat too
        size = _shortened(token, size, disguises)
    if flags & (HAS_MASK | HAS_DIGIT):
        for start in range(disguises[size], disguises[size + 1], size):
            if _spells(token, size, disguises, start):
                for k in range(size):
                    token[k] = disguises[start + k]
                return -size
    return size


@kernel
def _shortened(token: Int64s, size: Int, disguises: Int32s) -> Int:
    """Write letters that repeat three times or more once, if that gives a word of the list, and else twice."""
    squeezed = _squeezed(token, size, 1)
    if not listed(squeezed, 0, len(squeezed), disguises):
        squeezed = _squeezed(token, size, 2)
    for k in range(len(squeezed)):
        token[k] = squeezed[k]
    return len(squeezed)


@kernel
def _squeezed(token: Int64s, size: Int, keep: Int) -> Int64s:
    out, written, at = np.zeros(size, np.int64), 0, 0
    while at < size:
        end = at
        while end < size and token[end] == token[at]:
            end += 1
        count = end - at if end - at < 3 else keep
        for _ in range(count):
            out[written] = token[at]
            written += 1
        at = end
    return out[:written]


@kernel
def listed(points: Int64s, first: Int, size: Int, disguises: Int32s) -> bool:
    """Whether the `size` code points from `first` on are a word of the list."""
    for start in range(disguises[size], disguises[size + 1], size):
        same = True
        for k in range(size):
            same = same and points[first + k] == disguises[start + k]
        if same:
            return True
    return False


@kernel
def _spells(token: Int64s, size: Int, disguises: Int32s, start: Int) -> bool:
    """Whether letters, digits and masks spell the word that starts at this place of the list.

    A digit or sign stands for the letter it looks like, any other mask for one letter. Words of three letters need
    their first letter and take no digits (`a55`) and no mask at their end (`as*`): too much else looks so.
    """
    true, digits = 0, 0
    for k in range(size):
        point, letter = token[k], disguises[start + k]
        if point == letter:
            true += 1
        elif _looks_like(point, letter):
            digits += 48 <= point <= 57
        elif not (k > 0 and point in (STAR, HASH, DASH, UNDERSCORE, PERCENT, AND, QUESTION, BANG)):
            return False
    if size <= 3:
        last = disguises[start + size - 1]
        return bool(true >= 1 and digits == 0 and (token[size - 1] == last or token[size - 1] == DOLLAR))
    return true >= 1 and true > digits


@kernel
def _looks_like(point: Int, letter: Int) -> bool:
    if letter in (_I, _L):
        return bool(point in (_1, BANG))
    if letter == _A:
        return bool(point in (_4, COMMERCIAL_AT))
    if letter == _S:
        return bool(point in (_5, DOLLAR))
    return bool((letter == _E and point == _3) or (letter == _O and point == _0) or (letter == _T and point == _7))

"""Words in disguise: masks (`f*ck`), digits (`sh1t`), repeated letters, Latin letters mixed with look-alikes.

A word is a row of code points. It is folded only where that gives a word of the list.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int32s, Offsets
from classifiers.kernels.jit import kernel

# What a word that was read has in it.
HAS_DIGIT, HAS_MASK, HAS_LATIN, HAS_LOOKALIKE, REPEATS = 1, 2, 4, 8, 16
STAR, DOLLAR, COMMERCIAL_AT, BANG = 42, 36, 64, 33


class Disguises(NamedTuple):
    """The words that a disguise is folded to, shortest first: ASCII letters one behind the other, and their edges.

    Those of n letters have the numbers `sizes[n]` to `sizes[n + 1]`.
    """

    words: Bytes
    edges: Offsets
    sizes: Offsets


@kernel
def is_mask(point: Any) -> Any:
    return point in (33, 35, 36, 37, 38, 42, 43, 45, 63, 64, 95)


@kernel
def undisguised(
    token: Int32s, size: Any, flags: Any, lookalike: Int32s, words: Bytes, edges: Offsets, sizes: Offsets
) -> Any:
    """Rewrites a disguised word with Latin letters in place; its size, negative where it had masks or digits."""
    if flags & HAS_LOOKALIKE:
        for k in range(size):
            if token[k] < len(lookalike) and lookalike[token[k]] > 0:
                token[k] = lookalike[token[k]]
    if flags & REPEATS:
        size = _shortened(token, size, words, edges, sizes)
    if flags & (HAS_MASK | HAS_DIGIT):
        for number in range(sizes[size], sizes[size + 1]):
            if _spells(token, size, words, edges[number]):
                for k in range(size):
                    token[k] = words[edges[number] + k]
                return -size
    return size


@kernel
def _shortened(token: Int32s, size: Any, words: Bytes, edges: Offsets, sizes: Offsets) -> Any:
    """Letters that repeat three times or more once, where that gives a word of the list; else twice."""
    squeezed = _squeezed(token, size, 1)
    if listed(squeezed, 0, len(squeezed), words, edges, sizes) < 0:
        squeezed = _squeezed(token, size, 2)
    for k in range(len(squeezed)):
        token[k] = squeezed[k]
    return len(squeezed)


@kernel
def _squeezed(token: Int32s, size: Any, keep: Any) -> Int32s:
    out, written, at = np.zeros(size, np.int32), 0, 0
    while at < size:
        behind = at
        while behind < size and token[behind] == token[at]:
            behind += 1
        count = behind - at if behind - at < 3 else keep
        for _ in range(count):
            out[written] = token[at]
            written += 1
        at = behind
    return out[:written]


@kernel
def listed(points: Int32s, start: Any, size: Any, words: Bytes, edges: Offsets, sizes: Offsets) -> Any:
    """The number of the word that stands there, or -1."""
    for number in range(sizes[size], sizes[size + 1]):
        same = True
        for k in range(size):
            same = same and points[start + k] == words[edges[number] + k]
        if same:
            return number
    return -1


@kernel
def _spells(token: Int32s, size: Any, words: Bytes, start: Any) -> Any:
    """Do letters, digits and masks spell the word?

    A digit or sign stands for the letter it looks like, any other mask for one letter. Words of three letters need
    their first letter and take no digits (`a55`) and no mask at their end (`as*`): too much else looks so.
    """
    true, digits = 0, 0
    for k in range(size):
        point, letter = token[k], words[start + k]
        if point == letter:
            true += 1
        elif _looks_like(point, letter):
            digits += 48 <= point <= 57
        elif not (k > 0 and point in (STAR, 35, 45, 95, 37, 38, 63, 33)):
            return False
    if size <= 3:
        return true >= 1 and digits == 0 and (token[size - 1] == words[start + size - 1] or token[size - 1] == DOLLAR)
    return true >= 1 and true > digits


@kernel
def _looks_like(point: Any, letter: Any) -> Any:
    if letter == 105 or letter == 108:
        return point == 49 or point == BANG
    if letter == 97:
        return point == 52 or point == COMMERCIAL_AT
    if letter == 115:
        return point == 53 or point == DOLLAR
    return (letter == 101 and point == 51) or (letter == 111 and point == 48) or (letter == 116 and point == 55)

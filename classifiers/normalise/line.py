"""The line that the normaliser writes: the word being read, letters that may spell a word, and how they are written.

All of it that is not text yet is one array of numbers, `line`, and not a tuple of several: numba counts references to
every array that it takes from a tuple, and for each character that costs more than the arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int32s, Int64s
from classifiers.kernels.jit import inlined, kernel
from classifiers.kernels.utf8 import put
from classifiers.normalise.disguise import HAS_LATIN, HAS_MASK, REPEATS, is_mask, listed, undisguised

LONGEST = 64  # letters of a word that count; what follows them is left out
LONGEST_RUN = 32  # words of one letter each that are tried together as a disguised word
ROOM = 4 * (LONGEST + 1) + 6 * LONGEST_RUN + 64  # bytes that one code point of the input may write, at most

# Places in `line`: bytes written, words in the line, letters that wait, letters of the word being read, what they are;
# then the letters of that word (`disguise` has the flags), and the letters that wait, each a word so far.
AT, WORDS, WAITING, SIZE, FLAGS, TOKEN = range(6)
RUN = TOKEN + LONGEST + 1
_PLACES = RUN + LONGEST_RUN

_SPACE, _FEED = np.uint8(32), np.uint8(10)


class LineRules(NamedTuple):
    """Whether words in disguise are folded, and where a line of the output ends.

    It ends where a line or sentence of the input ends after `least` words (-1 = only at the row's end), and after
    `most` words in any case (0 = never). What stands between masks (`0&0`) is read as one word that may be in disguise,
    so it is never parted, and a line that ends with it may have more words.
    """

    fold: bool
    least: int
    most: int


@kernel
def new_line() -> Int64s:
    """An array for lines, with nothing read and nothing written."""
    return np.zeros(_PLACES, np.int64)


@inlined
def append(point: Int, flag: Int, line: Int64s) -> None:
    """Add a code point to the word that is being read."""
    size = line[SIZE]
    if size >= LONGEST:
        return
    here = TOKEN + size
    line[here] = point
    line[SIZE] = size + 1
    line[FLAGS] |= flag
    if flag != HAS_MASK and size >= 2 and line[here - 1] == point and line[here - 2] == point:
        line[FLAGS] |= REPEATS


@inlined
def end_token(out: Bytes, line: Int64s, disguises: Int32s, rules: LineRules) -> None:
    """Write the word that was read, if any: undisguised, or the parts of it between masks."""
    size, flags = line[SIZE], line[FLAGS]
    line[SIZE], line[FLAGS] = 0, 0
    if size == 0:
        return
    if rules.fold and flags & HAS_LATIN and flags != HAS_LATIN:
        size = undisguised(line[TOKEN:RUN], size, flags, disguises)
        if size < 0:
            size, flags = -size, 0
    start = TOKEN
    for place in range(TOKEN, TOKEN + size + 1):
        if place == TOKEN + size or (flags & HAS_MASK and is_mask(line[place])):
            if place > start:
                _end_word(out, line, start, place, disguises, rules.fold)
            start = place + 1
    if 0 < rules.most <= line[WORDS] + line[WAITING]:
        end_line(out, line, disguises, False)


@inlined
def _end_word(out: Bytes, line: Int64s, start: Int, end: Int, disguises: Int32s, fold: bool) -> None:
    """Write one word; a single Latin letter waits for those that may follow."""
    if fold and end - start == 1 and 97 <= line[start] <= 122:
        if line[WAITING] == LONGEST_RUN:
            end_run(out, line, disguises)
        line[RUN + line[WAITING]] = line[start]
        line[WAITING] += 1
        return
    if line[WAITING] > 0:
        end_run(out, line, disguises)
    put_word(out, line, start, end)


@kernel
def end_run(out: Bytes, line: Int64s, disguises: Int32s) -> None:
    """Write the letters that wait: those that spell a listed word of four letters or more as that word."""
    size, at = line[WAITING], 0
    line[WAITING] = 0
    while at < size:
        found = size - at
        while found > 1 and (found < 4 or not listed(line, RUN + at, found, disguises)):
            found -= 1
        put_word(out, line, RUN + at, RUN + at + found)
        at += found


@kernel
def put_word(out: Bytes, line: Int64s, start: Int, end: Int) -> None:
    """Write the code points in these places of `line` as UTF-8, and a space."""
    at = line[AT]
    for place in range(start, end):
        at = put(out, at, line[place])
    out[at] = _SPACE
    line[AT] = at + 1
    line[WORDS] += 1


@kernel
def end_line(out: Bytes, line: Int64s, disguises: Int32s, even_empty: bool) -> None:
    """Close the line: its last space becomes a line feed. A line without words is written only if `even_empty`."""
    if line[WAITING] > 0:
        end_run(out, line, disguises)
    if line[WORDS] > 0:
        out[line[AT] - 1] = _FEED
    elif even_empty:
        out[line[AT]] = _FEED
        line[AT] += 1
    line[WORDS] = 0

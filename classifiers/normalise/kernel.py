"""The normaliser's loop over UTF-8 bytes: one pass, bounded scratch, whatever the bytes are.

`state` holds the running numbers (below by name); `token` the code points of the word that is being read; `run` the
letters of a row of words of one letter each, which may spell a disguised word.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int32s, Int64s, Offsets
from classifiers.kernels.jit import inlined, kernel
from classifiers.normalise.disguise import (
    BANG,
    COMMERCIAL_AT,
    DOLLAR,
    HAS_DIGIT,
    HAS_LATIN,
    HAS_LOOKALIKE,
    HAS_MASK,
    REPEATS,
    STAR,
    Disguises,
    is_mask,
    listed,
    undisguised,
)
from classifiers.normalise.letters import ALONE, DIGIT, LETTER, LINE, MASK, NOTHING, SPACE, STOP, Letters

LONGEST = 64  # letters of a word that count; what follows them is left out
RUN = 32  # words of one letter that are looked at together
ROOM = 4 * (LONGEST + 1) + 6 * RUN + 64  # bytes that one step may write, at most
_AT, _WORDS, _RUN, _SIZE, _FLAGS, STATE = range(6)
_SP, _NL = np.uint8(32), np.uint8(10)
_COLON = 58


class LineLimits(NamedTuple):
    """Where a line of the output ends: at a line or sentence end behind `least` words, at `most` words (0 = never)."""

    least: int
    most: int


@kernel
def normalise_rows(
    offsets: Offsets, data: Bytes, first: Any, out: Bytes, ends: Offsets, letters: Letters, disguises: Disguises,
    fold: Any, cut: LineLimits,
) -> Any:  # fmt: skip
    """Writes words with single spaces, every line closed by a line feed; `ends[row + 1]` = where the row's output ends.

    Returns the first row for which `out` had no room left (the number of rows when all are done). Below here tables go
    from call to call one by one: a tuple of arrays costs more than the arithmetic.
    """
    token, run, state = np.zeros(LONGEST + 1, np.int32), np.zeros(RUN, np.int32), np.zeros(STATE, np.int64)
    page, codes, pool, lookalike = letters.page, letters.codes, letters.pool, letters.lookalike
    words, edges, sizes = disguises.words, disguises.edges, disguises.sizes
    ascii_kinds, least, most = letters.codes[letters.page[0]], cut.least, cut.most
    for row in range(first, len(offsets) - 1):
        state[:] = 0
        state[_AT] = ends[row]
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            byte = np.int64(data[at])
            lower = byte | 32
            if 97 <= lower <= 122 and byte < 128:
                _append(lower, HAS_LATIN, token, state)
                at += 1
                continue
            if len(out) - state[_AT] < ROOM:
                return row
            if byte < 128 and byte != _COLON and _is_frequent(byte, ascii_kinds[byte], out, token, state, least, most):
                at += 1
            else:
                at = _step(
                    at, end, data, out, token, run, state, page, codes, pool, lookalike, words, edges, sizes, fold,
                    least, most,
                )  # fmt: skip
        if len(out) - state[_AT] < ROOM:
            return row
        _end_token(out, token, run, state, lookalike, words, edges, sizes, fold, most)
        _end_line(out, run, state, words, edges, sizes, least < 0)
        ends[row + 1] = state[_AT]
    return len(offsets) - 1


@inlined
def _is_frequent(byte: Any, kind: Any, out: Bytes, token: Int32s, state: Int64s, least: Any, most: Any) -> Any:
    """Takes a digit, an apostrophe, or what ends a word of plain letters; False where more is to be done."""
    if kind == DIGIT:
        _append(byte, HAS_DIGIT, token, state)
        return True
    if kind in (NOTHING, MASK):
        return kind == NOTHING
    size = state[_SIZE]
    if size > 0:
        if size == 1 or state[_FLAGS] != HAS_LATIN or state[_RUN] > 0 or state[_WORDS] + 1 == most:
            return False
        _put(out, token, 0, size, state)
        state[_SIZE], state[_FLAGS] = 0, 0
    return kind == SPACE or least < 0 or state[_WORDS] + state[_RUN] < least


@inlined
def _step(
    at: Any, end: Any, data: Bytes, out: Bytes, token: Int32s, run: Int32s, state: Int64s, page: Int32s, codes: Int32s,
    pool: Int32s, lookalike: Int32s, words: Bytes, edges: Offsets, sizes: Offsets, fold: Any, least: Any, most: Any,
) -> Any:  # fmt: skip
    """One code point, or an address or a name whole; the byte behind it."""
    point, size = _decode(data, at, end)
    if point == COMMERCIAL_AT and state[_SIZE] == 0:
        behind = _skip_name(data, at + 1, end)
        if behind > 0:
            return behind
    if point == _COLON and _is_scheme(data, at, end, state):
        state[_SIZE], state[_FLAGS] = 0, 0
        return _skip_word(data, at, end)
    at += size
    code = codes[page[point >> 8], point & 255]
    if code >= 0:
        _take(point, code, data, at, end, out, token, run, state, lookalike, words, edges, sizes, fold, least, most)
        return at
    start, count = (-1 - code) >> 5, (-1 - code) & 31
    for k in range(start, start + count):
        kind = codes[page[pool[k] >> 8], pool[k] & 255]
        kind = LETTER if kind < 0 else kind
        _take(pool[k], kind, data, at, end, out, token, run, state, lookalike, words, edges, sizes, fold, least, most)
    return at


@inlined
def _take(
    point: Any, kind: Any, data: Bytes, at: Any, end: Any, out: Bytes, token: Int32s, run: Int32s, state: Int64s,
    lookalike: Int32s, words: Bytes, edges: Offsets, sizes: Offsets, fold: Any, least: Any, most: Any,
) -> None:  # fmt: skip
    """One folded code point; `at` is the byte behind what it was folded from."""
    if kind == LETTER:
        looks = point < len(lookalike) and lookalike[point] > 0
        _append(point, HAS_LATIN if 97 <= point <= 122 else HAS_LOOKALIKE if looks else 0, token, state)
    elif kind == DIGIT:
        _append(point, HAS_DIGIT, token, state)
    elif kind == MASK and _goes_on(point, data, at, end, state):
        _append(point, HAS_MASK, token, state)
    elif kind != NOTHING:
        _separate(point, kind, data, at, end, out, token, run, state, lookalike, words, edges, sizes, fold, least, most)


@inlined
def _separate(
    point: Any, kind: Any, data: Bytes, at: Any, end: Any, out: Bytes, token: Int32s, run: Int32s, state: Int64s,
    lookalike: Int32s, words: Bytes, edges: Offsets, sizes: Offsets, fold: Any, least: Any, most: Any,
) -> None:  # fmt: skip
    """A code point that is no part of the word before it; `at` is the byte behind it."""
    _end_token(out, token, run, state, lookalike, words, edges, sizes, fold, most)
    if kind == ALONE:
        _end_run(out, run, state, words, edges, sizes)
        token[0] = point
        _put(out, token, 0, 1, state)
        if state[_WORDS] == most:
            _end_line(out, run, state, words, edges, sizes, False)
    ending = kind == LINE or ((kind == STOP or point in (BANG, 63)) and _ends_sentence(point, data, at, end))
    if ending and least >= 0 and state[_WORDS] + state[_RUN] >= least:
        _end_line(out, run, state, words, edges, sizes, False)


@inlined
def _append(point: Any, flag: Any, token: Int32s, state: Int64s) -> None:
    size = state[_SIZE]
    if size >= LONGEST:
        return
    token[size] = point
    state[_SIZE] = size + 1
    state[_FLAGS] |= flag
    if flag != HAS_MASK and size >= 2 and token[size - 1] == point and token[size - 2] == point:
        state[_FLAGS] |= REPEATS


@kernel
def _goes_on(point: Any, data: Bytes, at: Any, end: Any, state: Int64s) -> Any:
    """Does a mask belong to the word that is being read? A star or a dollar may end it, another one may not."""
    if state[_SIZE] == 0:
        return point in (DOLLAR, COMMERCIAL_AT)
    if point in (STAR, DOLLAR, COMMERCIAL_AT):
        return True
    return at < end and (_is_word_byte(data[at]) or data[at] in (STAR, DOLLAR, 35, 45, 95))


@kernel
def _is_word_byte(byte: Any) -> Any:
    return byte >= 128 or 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


@kernel
def _ends_sentence(point: Any, data: Bytes, at: Any, end: Any) -> Any:
    return point >= 128 or at >= end or data[at] <= 32


@kernel
def _skip_name(data: Bytes, at: Any, end: Any) -> Any:
    """The byte behind the name of an account (`@name`), or 0: what follows the sign is no such name."""
    size = 0
    while at < end and (_is_word_byte(data[at]) or data[at] == 95) and data[at] < 128:
        at += 1
        size += 1
    if at < end and data[at] in (STAR, DOLLAR, COMMERCIAL_AT, 35):
        return 0
    return at if size >= 2 else 0


@kernel
def _is_scheme(data: Bytes, at: Any, end: Any, state: Int64s) -> Any:
    """Is this the colon of `http://`? Addresses are no words."""
    return state[_SIZE] >= 3 and at + 2 < end and data[at + 1] == 47 and data[at + 2] == 47


@kernel
def _skip_word(data: Bytes, at: Any, end: Any) -> Any:
    while at < end and data[at] > 32:
        at += 1
    return at


@inlined
def _end_token(
    out: Bytes,
    token: Int32s,
    run: Int32s,
    state: Int64s,
    lookalike: Int32s,
    words: Bytes,
    edges: Offsets,
    sizes: Offsets,
    fold: Any,
    most: Any,
) -> None:
    """Writes the word that was read, if any: undisguised, or in its parts between masks."""
    size, flags = state[_SIZE], state[_FLAGS]
    state[_SIZE], state[_FLAGS] = 0, 0
    if size == 0:
        return
    if fold and flags & HAS_LATIN and flags != HAS_LATIN:
        size = undisguised(token, size, flags, lookalike, words, edges, sizes)
        if size < 0:
            size, flags = -size, 0
    start = 0
    for k in range(size + 1):
        if k == size or (flags & HAS_MASK and is_mask(token[k])):
            if k > start:
                _word(out, token, start, k, run, state, words, edges, sizes, fold)
            start = k + 1
    if 0 < most <= state[_WORDS] + state[_RUN]:
        _end_line(out, run, state, words, edges, sizes, False)


@inlined
def _word(
    out: Bytes, token: Int32s, start: Any, end: Any, run: Int32s, state: Int64s, words: Bytes, edges: Offsets,
    sizes: Offsets, fold: Any,
) -> None:  # fmt: skip
    """One word to the output; a single Latin letter waits in `run` for those that may follow."""
    if fold and end - start == 1 and 97 <= token[start] <= 122:
        if state[_RUN] == RUN:
            _end_run(out, run, state, words, edges, sizes)
        run[state[_RUN]] = token[start]
        state[_RUN] += 1
        return
    if state[_RUN] > 0:
        _end_run(out, run, state, words, edges, sizes)
    _put(out, token, start, end, state)


@kernel
def _end_run(out: Bytes, run: Int32s, state: Int64s, words: Bytes, edges: Offsets, sizes: Offsets) -> None:
    """Writes the waiting letters: those that spell a listed word of four letters or more as that word."""
    size, at = state[_RUN], 0
    state[_RUN] = 0
    while at < size:
        found = size - at
        while found > 1 and (found < 4 or listed(run, at, found, words, edges, sizes) < 0):
            found -= 1
        _put(out, run, at, at + found, state)
        at += found


@kernel
def _put(out: Bytes, points: Int32s, start: Any, end: Any, state: Int64s) -> None:
    """Writes a word as UTF-8, and a space."""
    at = state[_AT]
    for k in range(start, end):
        point = points[k]
        if point < 0x80:
            out[at] = point
            at += 1
        elif point < 0x800:
            out[at], out[at + 1] = 0xC0 | point >> 6, 0x80 | point & 63
            at += 2
        elif point < 0x10000:
            out[at], out[at + 1], out[at + 2] = 0xE0 | point >> 12, 0x80 | point >> 6 & 63, 0x80 | point & 63
            at += 3
        else:
            out[at], out[at + 1] = 0xF0 | point >> 18, 0x80 | point >> 12 & 63
            out[at + 2], out[at + 3] = 0x80 | point >> 6 & 63, 0x80 | point & 63
            at += 4
    out[at] = _SP
    state[_AT] = at + 1
    state[_WORDS] += 1


@kernel
def _end_line(
    out: Bytes, run: Int32s, state: Int64s, words: Bytes, edges: Offsets, sizes: Offsets, even_empty: Any
) -> None:
    """Closes the line: its last space becomes a line feed. A line without a word is written only where asked for."""
    _end_run(out, run, state, words, edges, sizes)
    if state[_WORDS] > 0:
        out[state[_AT] - 1] = _NL
    elif even_empty:
        out[state[_AT]] = _NL
        state[_AT] += 1
    state[_WORDS] = 0


@kernel
def _decode(data: Bytes, at: Any, end: Any) -> tuple[Any, Any]:
    """The code point at `at` and its size in bytes; a byte that starts none is a space."""
    byte = np.int64(data[at])
    if byte < 0x80:
        return byte, 1
    size = 2 if 0xC2 <= byte < 0xE0 else 3 if 0xE0 <= byte < 0xF0 else 4 if 0xF0 <= byte < 0xF5 else 0
    if size == 0 or at + size > end:
        return np.int64(32), 1
    point = byte & (0x7F >> size)
    for k in range(1, size):
        if data[at + k] & 0xC0 != 0x80:
            return np.int64(32), 1
        point = point << 6 | np.int64(data[at + k] & 63)
    return (point, size) if point < 0x110000 else (np.int64(32), 1)

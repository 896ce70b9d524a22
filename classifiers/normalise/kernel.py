"""The normaliser's loop over UTF-8 bytes: one pass, with scratch space of a fixed size, whatever the bytes are."""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int32s, Int64s, Offsets
from classifiers.kernels.jit import inlined, kernel
from classifiers.kernels.utf8 import decode
from classifiers.normalise.disguise import (
    BANG,
    COMMERCIAL_AT,
    DASH,
    DOLLAR,
    HAS_DIGIT,
    HAS_LATIN,
    HAS_LOOKALIKE,
    HAS_MASK,
    HASH,
    QUESTION,
    STAR,
    UNDERSCORE,
)
from classifiers.normalise.letters import (
    ALONE,
    COUNT_BITS,
    DIGIT,
    LETTER,
    LINE,
    LOOKALIKE,
    MASK,
    NOTHING,
    SPACE,
    STOP,
    Letters,
)
from classifiers.normalise.line import (
    AT,
    FLAGS,
    ROOM,
    SIZE,
    TOKEN,
    WAITING,
    WORDS,
    LineRules,
    append,
    end_line,
    end_run,
    end_token,
    new_line,
    put_word,
)

_COLON, _SLASH = ord(":"), ord("/")
_MANY = (1 << COUNT_BITS) - 1


@kernel
def normalise_rows(
    offsets: Offsets, data: Bytes, first: Int, out: Bytes, ends: Offsets, letters: Letters, disguises: Int32s,
    rules: LineRules,
) -> Int:  # fmt: skip
    """Write words with single spaces, every line closed by a line feed; `ends[row + 1]` = where the row's output ends.

    Returns the first row for which `out` had no room left (the number of rows when all are done).
    """
    line, least, most = new_line(), rules.least, rules.most
    for row in range(first, len(offsets) - 1):
        line[:TOKEN] = 0
        line[AT] = ends[row]
        text, at = data[offsets[row] : offsets[row + 1]], 0
        while at < len(text):
            byte = np.int64(text[at])
            lower = byte | 32
            if 97 <= lower <= 122 and byte < 128:
                append(lower, HAS_LATIN, line)
                at += 1
                continue
            if len(out) - line[AT] < ROOM:
                return row
            if byte >= 128:
                taken = _take_letter(text, at, out, line, letters, most)
            elif byte != _COLON and _take_ascii(byte, out, line, letters, least, most):
                taken = 1
            else:
                taken = 0
            at = at + taken if taken > 0 else _take_any(text, at, out, line, letters, disguises, rules)
        if len(out) - line[AT] < ROOM:
            return row
        end_token(out, line, disguises, rules)
        end_line(out, line, disguises, least < 0)
        ends[row + 1] = line[AT]
    return len(offsets) - 1


@inlined
def _kind_of(point: Int, letters: Letters) -> Int:
    return letters[letters[point >> 8] + (point & 255)]


@inlined
def _take_ascii(byte: Int, out: Bytes, line: Int64s, letters: Letters, least: Int, most: Int) -> bool:
    """Take a digit, an apostrophe, or what ends a word of plain letters; False if more must be done."""
    kind = _kind_of(byte, letters)
    if kind == DIGIT:
        append(byte, HAS_DIGIT, line)
        return True
    if kind in (NOTHING, MASK):
        return bool(kind == NOTHING)
    size = line[SIZE]
    if size > 0:
        if size == 1 or line[FLAGS] != HAS_LATIN or line[WAITING] > 0 or line[WORDS] + 1 == most:
            return False
        put_word(out, line, TOKEN, TOKEN + size)
        line[SIZE], line[FLAGS] = 0, 0
    return bool(kind == SPACE or least < 0 or line[WORDS] + line[WAITING] < least)


@inlined
def _take_letter(text: Bytes, at: Int, out: Bytes, line: Int64s, letters: Letters, most: Int) -> Int:
    """Take a letter beyond ASCII, folded if need be, and return its size in bytes; 0 if more must be done."""
    point, size = decode(text, at)
    kind = _kind_of(point, letters)
    if kind < 0 and (-1 - kind) & _MANY == 1:
        point = np.int64(letters[(-1 - kind) >> COUNT_BITS])
        kind = _kind_of(point, letters)
        kind = LETTER if kind < 0 else kind
    if kind in (LETTER, LOOKALIKE):
        append(point, HAS_LATIN if 97 <= point <= 122 else HAS_LOOKALIKE if kind == LOOKALIKE else 0, line)
        return size
    if kind == ALONE and line[SIZE] == 0 and line[WAITING] == 0 and line[WORDS] + 1 != most:
        line[TOKEN] = point
        put_word(out, line, TOKEN, TOKEN + 1)
        return size
    return 0


@inlined
def _take_any(
    text: Bytes, at: Int, out: Bytes, line: Int64s, letters: Letters, disguises: Int32s, rules: LineRules
) -> Int:
    """Take one code point, or a whole address or account name; returns the byte after it."""
    point, size = decode(text, at)
    if point == COMMERCIAL_AT and line[SIZE] == 0:
        end = _end_of_name(text, at + 1)
        if end > 0:
            return end
    if point == _COLON and line[SIZE] >= 3 and _is_scheme(text, at):
        line[SIZE], line[FLAGS] = 0, 0
        return _end_of_word(text, at)
    at += size
    code = _kind_of(point, letters)
    if code >= 0:
        _take_folded(point, code, text, at, out, line, disguises, rules)
        return at
    start, count = (-1 - code) >> COUNT_BITS, (-1 - code) & _MANY
    for k in range(start, start + count):
        kind = _kind_of(letters[k], letters)
        _take_folded(letters[k], LETTER if kind < 0 else kind, text, at, out, line, disguises, rules)
    return at


@inlined
def _take_folded(
    point: Int, kind: Int, text: Bytes, at: Int, out: Bytes, line: Int64s, disguises: Int32s, rules: LineRules
) -> None:
    """Take one folded code point; `at` is the byte after what it was folded from."""
    if kind in (LETTER, LOOKALIKE):
        append(point, HAS_LATIN if 97 <= point <= 122 else HAS_LOOKALIKE if kind == LOOKALIKE else 0, line)
    elif kind == DIGIT:
        append(point, HAS_DIGIT, line)
    elif kind == MASK and _goes_on(point, text, at, line[SIZE]):
        append(point, HAS_MASK, line)
    elif kind != NOTHING:
        end_token(out, line, disguises, rules)
        _separate(point, kind, text, at, out, line, disguises, rules)


@inlined
def _separate(
    point: Int, kind: Int, text: Bytes, at: Int, out: Bytes, line: Int64s, disguises: Int32s, rules: LineRules
) -> None:
    """Take a code point that is not part of the word before it; `at` is the byte after it."""
    if kind == ALONE:
        if line[WAITING] > 0:
            end_run(out, line, disguises)
        line[TOKEN] = point
        put_word(out, line, TOKEN, TOKEN + 1)
        if line[WORDS] == rules.most:
            end_line(out, line, disguises, False)
    ending = kind == LINE or ((kind == STOP or point in (BANG, QUESTION)) and _ends_sentence(point, text, at))
    if ending and rules.least >= 0 and line[WORDS] + line[WAITING] >= rules.least:
        end_line(out, line, disguises, False)


@kernel
def _goes_on(point: Int, text: Bytes, at: Int, size: Int) -> bool:
    """Whether a mask belongs to the word of `size` letters before it; a star or a dollar may end it, others may not."""
    if size == 0:
        return bool(point in (DOLLAR, COMMERCIAL_AT))
    if point in (STAR, DOLLAR, COMMERCIAL_AT):
        return True
    return at < len(text) and bool(_is_word_byte(text[at]) or text[at] in (STAR, DOLLAR, HASH, DASH, UNDERSCORE))


@kernel
def _is_word_byte(byte: Int) -> bool:
    return bool(byte >= 128 or 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122)


@kernel
def _ends_sentence(point: Int, text: Bytes, at: Int) -> bool:
    return bool(point >= 128 or at >= len(text) or text[at] <= 32)


@kernel
def _end_of_name(text: Bytes, at: Int) -> Int:
    """The byte after the name of an account (`@name`), or 0 if what follows the sign is not such a name."""
    size = 0
    while at < len(text) and (_is_word_byte(text[at]) or text[at] == UNDERSCORE) and text[at] < 128:
        at += 1
        size += 1
    if at < len(text) and text[at] in (STAR, DOLLAR, COMMERCIAL_AT, HASH):
        return 0
    return at if size >= 2 else 0


@kernel
def _is_scheme(text: Bytes, at: Int) -> bool:
    """Whether this is the colon of `http://`. Addresses are not words."""
    return bool(at + 2 < len(text) and text[at + 1] == _SLASH and text[at + 2] == _SLASH)


@kernel
def _end_of_word(text: Bytes, at: Int) -> Int:
    while at < len(text) and text[at] > 32:
        at += 1
    return at

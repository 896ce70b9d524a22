"""The approximate visible text of pages, from one pass over the bytes: for judging a page before the costly extraction.

No tree is built: tags, comments, scripts and the like are skipped, and entities are decoded if they are letters. The
text of links does not count, and a run of text between two block tags counts only if it is long: this distinguishes
sentences from menus. The scan moves only forward and reads every byte a fixed number of times, whatever the page is.
The syntax is that of the engine `blocks` (`classifiers.blocks.html`): where comments, tags and raw text end.
"""

from __future__ import annotations

import numpy as np

from classifiers.blocks.html import names
from classifiers.blocks.html.characters import (
    AMP,
    BANG,
    DASH,
    HASH,
    LT,
    QUESTION,
    SEMICOLON,
    SLASH,
    is_letter,
    looked_up,
    lower,
)
from classifiers.blocks.html.syntax import after_bracket, after_comment, after_tag, end_of_raw, hashed_name, name
from classifiers.kernels.arrays import Bytes, Int, Offsets
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import put

LONGEST_ENTITY = 10  # characters of a name or number between `&` and `;`
LONGEST_NAME = 10  # bytes of a tag's name that are read in search of the end of a head
IDEOGRAPH = 3  # letters that an ideograph counts for, because it says as much
SPACE = 32  # the byte, and the code point

# What an element does to the run of text around it. The role of an element that is skipped with all that is in it is
# its number among TAGS.
_BLOCK, _INLINE, _LINK = 0, -1, -2
_INLINE_TAGS = names.listed(
    "abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd mark q s samp small span strike strong "
    "sub sup time tt u var wbr"
)
_SKIPPED_TAGS = names.listed("head iframe noscript script select style svg template textarea title")
_ROLE_OF = {
    "a": _LINK,
    **dict.fromkeys(_INLINE_TAGS, _INLINE),
    **{name: names.TAGS[name] for name in _SKIPPED_TAGS},
}
_BY_HASH = sorted((names.hashed(name), role) for name, role in _ROLE_OF.items())
_HASHES, _ROLES = np.array([h for h, _ in _BY_HASH], np.uint64), np.array([role for _, role in _BY_HASH], np.int64)
_HEAD, _BODY = np.int64(names.TAGS["head"]), np.int64(names.TAGS["body"])
_HEX, _DIGIT_0, _DIGIT_A = ord("x"), ord("0"), ord("a")  # bytes of numeric entities
# The last letters of the names of accented letters: acute, grave, tilde; uml, cedil; circ; ring, szlig; and d.
_ACCENT_ENDS = tuple(map(ord, "elcdg"))


def visible(offsets: Offsets, data: Bytes, html_bytes: int, text_bytes: int, run: int) -> tuple[Offsets, Bytes]:
    """The visible text of each row, as rows of UTF-8 bytes (the last character of a row may be cut).

    Reads the first `html_bytes` of a row and writes at most `text_bytes`, from runs of at least `run` characters
    outside links (0 = all text, including that of links).
    """
    rows = len(offsets) - 1
    text = np.empty(rows * text_bytes, np.uint8)
    ends = np.zeros(rows + 1, np.int64)
    scan_rows(offsets, data, html_bytes, text_bytes, run, text, ends)
    return ends, text[: ends[-1]]


@kernel
def tag(data: Bytes, at: Int, end: Int, closing: bool) -> tuple[Int, Int]:
    """Where the markup at `at` (a `<`) ends if it is not a comment, and the role of its element."""
    first = at + 2 if closing else at + 1
    if first >= end or not is_letter(data[first]):
        return after_bracket(data, at + 1, end), _BLOCK
    at, hashed, _ = hashed_name(data, first, end)
    return after_tag(data, at, end), looked_up(_HASHES, _ROLES, hashed)


@kernel
def end_of_head(data: Bytes, at: Int, end: Int) -> Int:
    """Where a head's end tag begins, or the body's start tag, as many pages never end their head."""
    while at + 1 < end:
        if data[at] == LT:
            closing = data[at + 1] == SLASH
            first = at + 2 if closing else at + 1
            _, found = name(data, first, min(end, first + LONGEST_NAME))
            if found == (_HEAD if closing else _BODY):
                return at
        at += 1
    return end


@kernel
def entity(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """Code point and length of the entity at `at` (an `&`): (32, 1) if it is not one, (32, n) if it is not a letter."""
    size, point = 1, 0
    while at + size < end and size <= LONGEST_ENTITY and data[at + size] != SEMICOLON:
        size += 1
    if at + size >= end or data[at + size] != SEMICOLON or size == 1:
        return SPACE, 1
    if data[at + 1] == HASH:
        is_hex = lower(data[at + 2]) == _HEX
        for k in range(at + (3 if is_hex else 2), at + size):
            digit: Int = np.int64(lower(data[k]))
            digit = digit - _DIGIT_A + 10 if is_hex and 97 <= digit <= 102 else digit - _DIGIT_0
            if digit < 0 or digit > 15:
                return SPACE, size + 1
            point = point * (16 if is_hex else 10) + digit
        return (point, size + 1) if 32 < point < 0x110000 and not 0xD800 <= point < 0xE000 else (SPACE, size + 1)
    # &eacute; and its like stand for their first letter, which is near enough; &nbsp; and other names for a space.
    accented = size > 4 and np.int64(lower(data[at + size - 1])) in _ACCENT_ENDS
    return (np.int64(data[at + 1]), size + 1) if accented else (SPACE, size + 1)


@kernel
def scan_rows(
    offsets: Offsets, data: Bytes, html_bytes: Int, text_bytes: Int, run: Int, text: Bytes, ends: Offsets
) -> None:
    """Write the text of the rows one after the other."""
    for row in range(len(offsets) - 1):
        stop = min(offsets[row + 1], offsets[row] + html_bytes)
        ends[row + 1] = scan(data, offsets[row], stop, run, text, ends[row], ends[row] + text_bytes)


@kernel
def scan(data: Bytes, at: Int, end: Int, run: Int, text: Bytes, first: Int, limit: Int) -> Int:  # noqa: C901 (one state machine)
    """Write the text of one page from `first` on, below `limit`; returns where it ends."""
    here, run_start, characters, in_link = first, first, 0, False
    while at < end and here + 4 < limit:
        byte = data[at]
        if byte == LT and at + 1 < end and (is_letter(data[at + 1]) or data[at + 1] in (SLASH, BANG, QUESTION)):
            if data[at + 1] == BANG and at + 3 < end and data[at + 2] == DASH and data[at + 3] == DASH:
                at = after_comment(data, at + 4, end)
                continue
            closing = data[at + 1] == SLASH
            at, role = tag(data, at, end, closing)
            if role == _LINK:
                in_link = not closing
            elif role > 0 and not closing:
                at = end_of_head(data, at, end) if role == _HEAD else end_of_raw(data, at, end, role)
            if role >= _BLOCK:
                here = run_start if characters < run else here
                if here > first and text[here - 1] != SPACE:
                    here = put(text, here, SPACE)
                run_start, characters, in_link = here, 0, in_link and not closing
            continue
        point, size = np.int64(byte), 1
        if byte == AMP:
            point, size = entity(data, at, end)
        if run == 0 or not in_link:
            if point <= SPACE:
                if here > first and text[here - 1] != SPACE:
                    here = put(text, here, SPACE)
            elif byte == AMP:
                here = put(text, here, point)
                characters += 1
            else:
                text[here] = byte
                here += 1
                # Bytes that continue a character count for nothing.
                characters += IDEOGRAPH if byte >= 0xE0 else 1 if byte < 0x80 or byte >= 0xC0 else 0
        at += size
    return run_start if characters < run else here

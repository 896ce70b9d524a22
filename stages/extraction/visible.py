"""The visible text of pages, roughly and in one pass over the bytes: for judging a page before the costly extraction.

No tree is built: tags, comments, scripts and the like are skipped, entities are decoded where they are letters. The
text of links does not count, and a run of text between two block tags counts only where it is long: that is what tells
sentences from menus. The scan reads every byte once and only forward, whatever the page.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Offsets
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import put

LONGEST_ENTITY = 10


def _packed(name: str) -> int:
    return int.from_bytes(name.encode(), "big")


def _names(names: str) -> Any:
    """Tag names of up to eight letters as numbers, sorted."""
    return np.array(sorted(map(_packed, names.split())), np.uint64)


_INLINE = _names(
    "a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd mark q s samp small span strike "
    "strong sub sup time tt u var wbr"
)
_SKIPPED = _names("head iframe noscript script select style svg template textarea title")
_LINK = np.uint64(_packed("a"))
_HEAD = np.uint64(_packed("head"))
_BODY = np.uint64(_packed("body"))

LT, GT, AMP, SLASH, BANG, QUESTION, DASH, EQUALS, HASH, SEMICOLON = (np.uint8(ord(c)) for c in "<>&/!?-=#;")
SPACE, QUOTE, APOSTROPHE = np.uint8(32), np.uint8(34), np.uint8(39)


def visible(offsets: Offsets, data: Bytes, html_bytes: int, text_bytes: int, run: int) -> tuple[Offsets, Bytes]:
    """Visible text of each row, as rows of UTF-8 bytes (the last character of a row may be cut).

    Read are its first `html_bytes`, written at most `text_bytes`, from runs of at least `run` characters outside of
    links (0 = all text, links too).
    """
    rows = len(offsets) - 1
    text = np.empty(rows * text_bytes, np.uint8)
    ends = np.zeros(rows + 1, np.int64)
    scan_rows(offsets, data, html_bytes, text_bytes, run, text, ends)
    return ends, text[: ends[-1]]


@kernel
def lower(byte: Int) -> Int:
    return byte | 32 if 65 <= byte <= 90 else byte


@kernel
def is_letter(byte: Int) -> Any:
    return 97 <= lower(byte) <= 122


@kernel
def is_one_of(name: Int, names: Any) -> Any:
    at = np.searchsorted(names, name)
    return at < len(names) and names[at] == name


@kernel
def tag_name(data: Bytes, at: Int, end: Int) -> Int:
    """The name that begins at `at`, packed; 0 where it has more than eight letters."""
    name, size = np.uint64(0), 0
    while at < end and (is_letter(data[at]) or 48 <= data[at] <= 57):
        name = (name << np.uint64(8)) | np.uint64(lower(data[at]))
        size += 1
        at += 1
    return name if size <= 8 else np.uint64(0)


@kernel
def behind_tag(data: Bytes, at: Int, end: Int) -> Int:
    """The byte behind the tag's `>`; one in a quoted attribute value is not the tag's."""
    before = np.int64(SPACE)
    while at < end and data[at] != GT:
        byte = np.int64(data[at])
        if before == EQUALS and byte in (QUOTE, APOSTROPHE):
            at += 1
            while at < end and data[at] != byte:
                at += 1
        if byte > SPACE:
            before = byte
        at += 1
    return at + 1


@kernel
def behind_comment(data: Bytes, at: Int, end: Int) -> Int:
    while at + 2 < end and not (data[at] == DASH and data[at + 1] == DASH and data[at + 2] == GT):
        at += 1
    return at + 3


@kernel
def behind_element(data: Bytes, at: Int, end: Int, name: Int) -> Int:
    """The start of the element's end tag (of `head` also the start of `body`, as many pages never end their head)."""
    while at + 1 < end:
        if data[at] == LT:
            if data[at + 1] == SLASH and tag_name(data, at + 2, end) == name:
                return at
            if name == _HEAD and tag_name(data, at + 1, end) == _BODY:
                return at
        at += 1
    return end


@kernel
def entity(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """Code point and length of the entity at `at` (an `&`); (32, 1) where it is none, (32, n) where it is no letter."""
    size, point = 1, 0
    while at + size < end and size <= LONGEST_ENTITY and data[at + size] != SEMICOLON:
        size += 1
    if at + size >= end or data[at + size] != SEMICOLON or size == 1:
        return 32, 1
    if data[at + 1] == HASH:
        is_hex = lower(data[at + 2]) == 120
        for k in range(at + (3 if is_hex else 2), at + size):
            digit = lower(data[k])
            digit = digit - 87 if is_hex and 97 <= digit <= 102 else digit - 48
            if digit < 0 or digit > 15:
                return 32, size + 1
            point = point * (16 if is_hex else 10) + digit
        return (point, size + 1) if 32 < point < 0x110000 and not 0xD800 <= point < 0xE000 else (32, size + 1)
    # &eacute; and its like stand for their first letter, which is near enough; &nbsp; and other names for a space.
    last = lower(data[at + size - 1])
    accented = size > 4 and (last == 101 or last == 108 or last == 99 or last == 100 or last == 103)
    return (np.int64(data[at + 1]), size + 1) if accented else (32, size + 1)


@kernel
def scan_rows(
    offsets: Offsets, data: Bytes, html_bytes: Int, text_bytes: Int, run: Int, text: Bytes, ends: Offsets
) -> None:
    """Writes the rows' text behind each other."""
    for row in range(len(offsets) - 1):
        stop = min(offsets[row + 1], offsets[row] + html_bytes)
        ends[row + 1] = scan(data, offsets[row], stop, run, text, ends[row], ends[row] + text_bytes)


@kernel
def scan(data: Bytes, at: Int, end: Int, run: Int, text: Bytes, first: Int, limit: Int) -> Int:  # noqa: C901 (one state machine)
    """Writes one page's text from `first` on, below `limit`; the position behind it."""
    here, run_start, characters, in_link = first, first, 0, False
    while at < end and here + 4 < limit:
        byte = data[at]
        if byte == LT and at + 1 < end and (is_letter(data[at + 1]) or data[at + 1] in (SLASH, BANG, QUESTION)):
            closing = data[at + 1] == SLASH
            name = tag_name(data, at + 2 if closing else at + 1, end)
            if data[at + 1] == BANG and at + 3 < end and data[at + 2] == DASH and data[at + 3] == DASH:
                at = behind_comment(data, at + 4, end)
                continue
            at = behind_tag(data, at + 1, end)
            if name == _LINK:
                in_link = not closing
            if not closing and is_one_of(name, _SKIPPED):
                at = behind_element(data, at, end, name)
            if not is_one_of(name, _INLINE):
                here = run_start if characters < run else here
                if here > first and text[here - 1] != SPACE:
                    here = put(text, here, 32)
                run_start, characters, in_link = here, 0, in_link and not closing
            continue
        point, size = np.int64(byte), 1
        if byte == AMP:
            point, size = entity(data, at, end)
        if run == 0 or not in_link:
            if point <= 32:
                if here > first and text[here - 1] != SPACE:
                    here = put(text, here, 32)
            elif byte == AMP:
                here = put(text, here, point)
                characters += 1
            else:
                text[here] = byte
                here += 1
                # An ideograph says as much as three letters; bytes that go on with a character count for nothing.
                characters += 3 if byte >= 0xE0 else 1 if byte < 0x80 or byte >= 0xC0 else 0
        at += size
    return run_start if characters < run else here

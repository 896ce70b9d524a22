"""Where the pieces of HTML end: tags, their names, comments, elements whose content is not markup."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.html import names
from classifiers.blocks.html.characters import BANG, DASH, GT, LT, SLASH, is_letter, is_space, lower
from classifiers.blocks.html.layout import Offset
from classifiers.blocks.html.names import TAGS
from classifiers.kernels.arrays import Bytes
from classifiers.kernels.jit import kernel

_CUSTOM = np.int64(TAGS["custom"])
_SEED, _MULTIPLIER = np.uint64(14_695_981_039_346_656_037), np.uint64(names.MULTIPLIER)
_TAG_SHIFT, _TAG_MASK = np.uint64(names.TAG_SHIFT), np.uint64((1 << names.TAG_SLOT_BITS) - 1)
EQUALS, QUOTE, APOSTROPHE = (np.uint8(ord(c)) for c in "=\"'")


@kernel
def after_bracket(data: Bytes, at: Offset, end: Offset) -> Offset:
    """The byte after the next `>`."""
    while at < end and data[at] != GT:
        at += 1
    return at + 1


@kernel
def after_comment(data: Bytes, at: Offset, end: Offset) -> Offset:
    """`<!-->` and `<!--->` are comments too, and `--!>` ends one."""
    if at < end and data[at] == GT:
        return at + 1
    if at + 1 < end and data[at] == DASH and data[at + 1] == GT:
        return at + 2
    while at + 2 < end:
        if data[at] == DASH and data[at + 1] == DASH:
            if data[at + 2] == GT:
                return at + 3
            if data[at + 2] == BANG and at + 3 < end and data[at + 3] == GT:
                return at + 4
        at += 1
    return end


@kernel
def hashed_name(data: Bytes, at: Offset, end: Offset) -> tuple[Offset, Any, bool]:
    """Where the tag's name ends, its hash (that of `names.hashed`), and whether it has a hyphen."""
    value, custom = _SEED, False
    while at < end and not is_space(data[at]) and data[at] != GT and data[at] != SLASH:
        value = (value ^ np.uint64(lower(data[at]))) * _MULTIPLIER
        custom |= data[at] == DASH
        at += 1
    return at, value, custom


@kernel
def name(data: Bytes, at: Offset, end: Offset) -> tuple[Offset, Any]:
    """Where the tag's name ends, and its number (0 = unknown; a name with a hyphen is a custom element)."""
    at, value, custom = hashed_name(data, at, end)
    number = names.TAG_TABLE[(value >> _TAG_SHIFT) & _TAG_MASK]
    if names.TAG_HASHES[number] == value and number > 0:
        return at, number
    return at, _CUSTOM if custom else np.int64(0)


@kernel
def after_tag(data: Bytes, at: Offset, end: Offset) -> Offset:
    """Where the tag ends, after its `>`. A `>` in a quoted value does not end it."""
    before: Any = np.uint8(32)
    while at < end and data[at] != GT:
        byte: Any = data[at]
        if before == EQUALS and (byte in (QUOTE, APOSTROPHE)):
            at += 1
            while at < end and data[at] != byte:
                at += 1
        if not is_space(byte):
            before = byte
        at += 1
    return at + 1


@kernel
def end_of_raw(data: Bytes, at: Offset, end: Offset, tag: Any) -> Offset:
    """Where the end tag of the element that `at` is inside of begins, or `end`. Nothing else in it is markup."""
    while at + 2 < end:
        # Looking at every second byte is enough: it is the slash, or the byte before it.
        byte = data[at + 1]
        if byte == LT:
            at += 1
        elif byte != SLASH or data[at] != LT:
            at += 2
            continue
        if data[at + 1] == SLASH and at + 2 < end and is_letter(data[at + 2]):
            after, found = name(data, at + 2, min(end, at + 12))
            if found == tag:
                return at
            at = after
        else:
            at += 1
    return end

"""Where the pieces of HTML end: tags, their names, comments."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.html import names
from classifiers.blocks.html.characters import BANG, DASH, GT, SLASH, is_space, lower
from classifiers.blocks.html.layout import Offset
from classifiers.blocks.html.names import TAGS
from classifiers.kernels.arrays import Bytes
from classifiers.kernels.jit import kernel

_CUSTOM = np.int64(TAGS["custom"])
_SEED, _MULTIPLIER = np.uint64(14_695_981_039_346_656_037), np.uint64(names.MULTIPLIER)
_TAG_SHIFT, _TAG_MASK = np.uint64(names.TAG_SHIFT), np.uint64((1 << names.TAG_SLOT_BITS) - 1)
EQUALS, QUOTE, APOSTROPHE = (np.uint8(ord(c)) for c in "=\"'")


@kernel
def behind(data: Bytes, at: Offset, end: Offset) -> Offset:
    while at < end and data[at] != GT:
        at += 1
    return at + 1


@kernel
def behind_comment(data: Bytes, at: Offset, end: Offset) -> Offset:
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
def name(data: Bytes, at: Offset, end: Offset) -> tuple[Offset, Any]:
    """Where the tag's name ends, and its number (0 = unknown; a name with a hyphen is a custom element)."""
    value, custom = _SEED, False
    while at < end and not is_space(data[at]) and data[at] != GT and data[at] != SLASH:
        value = (value ^ np.uint64(lower(data[at]))) * _MULTIPLIER
        custom |= data[at] == DASH
        at += 1
    number = names.TAG_TABLE[(value >> _TAG_SHIFT) & _TAG_MASK]
    if names.TAG_HASHES[number] == value and number > 0:
        return at, number
    return at, _CUSTOM if custom else np.int64(0)


@kernel
def behind_tag(data: Bytes, at: Offset, end: Offset) -> Offset:
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

"""The attributes of a start tag: class and id words, roles, what is hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.html import names
from classifiers.blocks.html.characters import GT, SLASH, is_letter, is_space, looked_up, lower
from classifiers.blocks.html.layout import FOUND, KIND, OWN, SIGNATURE, TOKEN_SLOTS, TOKENS, Offset, ScannedPage
from classifiers.blocks.html.names import FLAGS, listed
from classifiers.blocks.html.syntax import APOSTROPHE, EQUALS, QUOTE
from classifiers.kernels.arrays import Bytes
from classifiers.kernels.jit import kernel

_HIDDEN, _COMMENT = np.int64(FLAGS["hidden"]), np.int64(FLAGS["comment"])
_CLASS, _ID, _ROLE, _ITEMPROP, _STYLE_NAME, _HIDDEN_NAME, _ARIA_HIDDEN, _HREF = (
    np.uint64(names.hashed(n)) for n in listed("class id role itemprop style hidden aria-hidden href")
)
_PROPERTY, _NAME, _CONTENT, _OG_TYPE = (np.uint64(names.hashed(n)) for n in listed("property name content og:type"))
_COMMENT_TOKENS = np.array(
    sorted(names.hashed(n) for n in listed("comment comments commentlist commenttext disqus replies")), np.uint64
)
_DISPLAY_NONE = np.frombuffer(b"display:none", np.uint8)
_SEED, _MULTIPLIER = np.uint64(14_695_981_039_346_656_037), np.uint64(names.MULTIPLIER)


@kernel
def attributes(data: Bytes, at: Offset, end: Offset, page: ScannedPage, node: Any, fresh: Any) -> tuple[Offset, Any]:
    """Where the start tag ends, and whether it has an href. Writes the node's tokens if the node is `fresh`."""
    state, has_href, tokens = page.state, False, 0
    signature = np.uint64(0)
    while at < end:
        while at < end and (is_space(data[at]) or data[at] == SLASH):
            at += 1
        if at >= end or data[at] == GT:
            break
        at, value, start, stop = _attribute(data, at, end)
        if value == _HREF:
            has_href = True
        elif fresh and (value in (_CLASS, _ID)):
            tokens, found = _tokens(data, start, stop, page, node, tokens)
            if value == _CLASS:
                signature = found
        elif value == _ROLE:
            state[OWN] |= looked_up(names.ROLE_HASHES, names.ROLE_FLAGS, _hash(data, start, stop))
        elif value == _ITEMPROP:
            state[OWN] |= looked_up(names.PROPERTY_HASHES, names.PROPERTY_FLAGS, _hash(data, start, stop))
        elif (
            value == _HIDDEN_NAME
            or (value == _ARIA_HIDDEN and stop - start == 4)
            or (value == _STYLE_NAME and _hides(data, start, stop))
        ):
            state[OWN] |= _HIDDEN
    if fresh:
        page.nodes[node, SIGNATURE], page.nodes[node, FOUND] = np.int64(signature >> np.uint64(1)), tokens
    return at + 1, has_href


@kernel
def _attribute(data: Bytes, at: Offset, end: Offset) -> tuple[Offset, Any, Offset, Offset]:
    """Where the attribute at `at` ends, the hash of its name, and where its value begins and ends."""
    value = _SEED
    first = at
    while at < end and (
        not (is_space(data[at]) or data[at] == GT or data[at] == SLASH or data[at] == EQUALS) or at == first
    ):
        value = (value ^ np.uint64(lower(data[at]))) * _MULTIPLIER
        at += 1
    while at < end and is_space(data[at]):
        at += 1
    start = stop = at
    if at < end and data[at] == EQUALS:
        start, stop, at = _value(data, at + 1, end)
    return at, value, start, stop


@kernel
def meta(data: Bytes, at: Offset, end: Offset, page: ScannedPage) -> Offset:
    """Where a `<meta>` ends; one of `og:type` says what the page is."""
    is_type, start, stop = False, at, at
    while at < end:
        while at < end and (is_space(data[at]) or data[at] == SLASH):
            at += 1
        if at >= end or data[at] == GT:
            break
        at, value, first, behind = _attribute(data, at, end)
        if value == _CONTENT:
            start, stop = first, behind
        elif value in (_PROPERTY, _NAME):
            is_type |= _hash(data, first, behind) == _OG_TYPE
    if is_type:
        kind = looked_up(names.KIND_HASHES, names.KIND_NUMBERS, _hash(data, start, stop))
        page.state[KIND] = kind if kind > 0 else names.OTHER_KIND
    return at + 1


@kernel
def _value(data: Bytes, at: Offset, end: Offset) -> tuple[Offset, Offset, Offset]:
    """Where an attribute's value begins and ends, and where the attribute ends."""
    while at < end and is_space(data[at]):
        at += 1
    if at < end and (data[at] == QUOTE or data[at] == APOSTROPHE):
        quote = data[at]
        at += 1
        start = at
        while at < end and data[at] != quote:
            at += 1
        return start, at, at + 1
    start = at
    while at < end and not is_space(data[at]) and data[at] != GT:
        at += 1
    return start, at, at


@kernel
def _hash(data: Bytes, start: Offset, stop: Offset) -> Any:
    value = _SEED
    for at in range(start, stop):
        value = (value ^ np.uint64(lower(data[at]))) * _MULTIPLIER
    return value


@kernel
def _hides(data: Bytes, start: Offset, stop: Offset) -> Any:
    """Whether a style says `display: none`, with any white space."""
    matched = 0
    for at in range(start, min(stop, start + 1000)):
        byte = lower(data[at])
        if is_space(byte):
            continue
        matched = matched + 1 if byte == _DISPLAY_NONE[matched] else 1 if byte == _DISPLAY_NONE[0] else 0
        if matched == len(_DISPLAY_NONE):
            return True
    return False


@kernel
def _tokens(data: Bytes, start: Offset, stop: Offset, page: ScannedPage, node: Any, found: Any) -> tuple[Any, Any]:
    """Add the words of a class or id (split at hyphens, capitals and the like, without digits) to the node's.

    Returns how many it has now, and a hash of all of them.
    """
    word, letters, whole, before = _SEED, 0, _SEED, np.uint8(32)
    stop = min(stop, start + 200)
    for at in range(start, stop + 1):
        byte = data[at] if at < stop else np.uint8(32)
        small = lower(byte)
        goes_on = is_letter(byte) or byte >= 128
        if letters > 0 and (not goes_on or (byte != small and before >= 97)):
            if letters > 1:
                if found < TOKENS:
                    page.tokens[node, found] = np.uint16((word >> np.uint64(40)) % np.uint64(TOKEN_SLOTS))
                    found += 1
                place = np.searchsorted(_COMMENT_TOKENS, word)
                if place < len(_COMMENT_TOKENS) and _COMMENT_TOKENS[place] == word:
                    page.state[OWN] |= _COMMENT
                whole = (whole ^ word) * _MULTIPLIER
            word, letters = _SEED, 0
        if goes_on:
            word = (word ^ np.uint64(small)) * _MULTIPLIER
            letters += 1
        before = byte
    return found, whole

"""From HTML to blocks of text in one pass over the bytes, without building a tree.

Block-level elements become nodes (parent, tag, flags, hashed class and id tokens); the text between two of their
boundaries becomes a block. Malformed HTML follows rules: an end tag without its element is ignored, one that
reaches further out ends everything in between, and nothing inside a cell closes what is around the cell. Every byte is
read a fixed number of times and finding an open element takes one step, so time is linear for any page. Nodes and
blocks are limited to `MOST`; whatever follows belongs to the last ones.
"""

from __future__ import annotations

import numpy as np

from classifiers.blocks.html import names
from classifiers.blocks.html.attributes import attributes, meta
from classifiers.blocks.html.characters import BANG, DASH, LT, QUESTION, SLASH, is_letter, write
from classifiers.blocks.html.layout import (
    BEYOND,
    BLOCK,
    BREAKS,
    HERE,
    IMAGE,
    IMAGES,
    IN_BOLD,
    LINK,
    LINKS,
    MARK,
    MARK_AT,
    MARK_END,
    MARK_TEXT_END,
    MARKS,
    MOST_IMAGES,
    NODES,
    OPEN,
    OPEN_MARK,
    OWN,
    SCOPE,
    TITLE,
    Offset,
    ScannedPage,
)
from classifiers.blocks.html.names import FLAGS, TAGS, listed
from classifiers.blocks.html.raw import raw
from classifiers.blocks.html.stack import close_implied, end_link, finish, inherited, line_break, pop_to, push
from classifiers.blocks.html.syntax import after_bracket, after_comment, after_tag, name
from classifiers.kernels.arrays import Bools, Bytes, Int
from classifiers.kernels.jit import inlined, kernel

_SILENT, _PRE = np.int64(FLAGS["silent"]), np.int64(FLAGS["pre"])
_BLOCKS, _FIRST_RAW = np.int64(names.BLOCKS), np.int64(names.FIRST_RAW)
_T = {name: np.int64(number) for name, number in TAGS.items()}
_HTML, _BODY, _TEMPLATE, _SVG, _H1, _H6 = (_T[n] for n in listed("html body template svg h1 h6"))
_TABLE, _TR, _TD, _TH = (_T[n] for n in listed("table tr td th"))
_THEAD, _TBODY, _TFOOT, _CAPTION = (_T[n] for n in listed("thead tbody tfoot caption"))
_A, _B, _STRONG, _BR, _HR, _IMG, _META = (_T[n] for n in listed("a b strong br hr img meta"))


@kernel
def read(data: Bytes, page: ScannedPage) -> None:
    """Scan a page; fills `page`."""
    state, at, end = page.state, 0, len(data)
    state[SCOPE] = state[TITLE] = -1
    state[NODES] = 1
    unclosed = np.zeros(names.NAMES, np.bool_)
    while at < end:
        at = _markup(data, at, end, page, unclosed) if data[at] == LT else _characters(data, at, end, page)
    finish(page, end)
    end_link(page)


@kernel
def _markup(data: Bytes, at: Offset, end: Offset, page: ScannedPage, unclosed: Bools) -> Offset:
    following = data[at + 1] if at + 1 < end else np.uint8(0)
    if is_letter(following):
        return _start_tag(data, at, end, page, unclosed)
    if following == SLASH and at + 2 < end and is_letter(data[at + 2]):
        return _end_tag(data, at + 2, end, page)
    if following == BANG and at + 3 < end and data[at + 2] == DASH and data[at + 3] == DASH:
        return after_comment(data, at + 4, end)
    if following in (BANG, QUESTION, SLASH):
        return after_bracket(data, at + 1, end)
    return _characters(data, at, end, page)


@kernel
def _start_tag(data: Bytes, start: Offset, end: Offset, page: ScannedPage, unclosed: Bools) -> Offset:
    state = page.state
    at, tag = name(data, start + 1, end)
    node = state[NODES] if state[NODES] < len(page.nodes) else len(page.nodes) - 1
    fresh = tag != 0 and tag <= _BLOCKS and state[NODES] < len(page.nodes)
    state[OWN], has_href = 0, False
    if tag == _A or 0 < tag <= _BLOCKS:
        at, has_href = attributes(data, at, end, page, node, fresh)
    elif tag == _META:
        return meta(data, at, end, page)
    else:
        at = after_tag(data, at, end)
    if tag >= _FIRST_RAW:
        return raw(data, at, end, page, tag, unclosed)
    if tag == 0:
        return at
    if tag <= _BLOCKS:
        _open_block(data, start, at, end, page, tag, node, fresh)
    elif tag == _A:
        end_link(page)
        if has_href:
            state[LINK] = state[OPEN] + 1
            page.blocks[state[BLOCK], LINKS] += 1
            state[OPEN_MARK] = _mark(page, start, min(at, end), state[HERE], state[HERE])
    elif tag in (_B, _STRONG):
        state[IN_BOLD] = 1
    elif tag == _BR:
        line_break(page, start)
    elif tag == _HR:
        finish(page, start)
    elif tag == _IMG and state[IMAGES] < MOST_IMAGES:
        _mark(page, start, min(at, end), state[BLOCK], IMAGE)
        state[IMAGES] += 1
    return at


@inlined
def _open_block(
    data: Bytes, start: Offset, at: Offset, end: Offset, page: ScannedPage, tag: Int, node: Int, fresh: bool
) -> None:  # fmt: skip
    """A block-level element begins; `at` is where its start tag ends."""
    if (tag in (_HTML, _BODY)) and page.last[tag] >= 0:
        return
    close_implied(page, tag, start)
    finish(page, start)
    if tag == _SVG and at >= 2 and at <= end and data[at - 2] == SLASH:  # only foreign elements may end themselves
        return
    push(page, tag, node, fresh, start)
    if tag == _BODY:
        page.state[BREAKS] = 0


@inlined
def _mark(page: ScannedPage, start: Offset, end: Offset, where: Int, text_end: Int) -> Int:
    """Note a start tag. Returns its number, or -1 if there is no room."""
    mark, marks = page.state[MARKS], page.marks
    if mark == len(marks):
        return np.int64(-1)
    marks[mark, MARK], marks[mark, MARK_END] = start, end
    marks[mark, MARK_AT], marks[mark, MARK_TEXT_END] = where, text_end
    page.state[MARKS] += 1
    return mark


@kernel
def _end_tag(data: Bytes, start: Offset, end: Offset, page: ScannedPage) -> Offset:
    state = page.state
    at, tag = name(data, start, end)
    at = after_tag(data, at, end)
    if tag == 0 or tag >= _FIRST_RAW or tag in (_HTML, _BODY):
        return at
    if tag == _A:
        end_link(page)
    elif tag in (_B, _STRONG):
        state[IN_BOLD] = 0
    elif tag == _BR:
        line_break(page, start)
    elif tag <= _BLOCKS:
        if state[BEYOND] > 0:
            state[BEYOND] -= 1
            return at
        of_table = tag in (_TABLE, _TR, _TD, _TH, _THEAD, _TBODY, _TFOOT, _CAPTION)
        around = (page.last[_TABLE] if tag != _TABLE else np.int64(-1)) if of_table else state[SCOPE]
        found = page.last[tag]
        if found >= 0 and found == around and tag == _TEMPLATE:  # itself a scope
            around -= 1
        if _H1 <= tag <= _H6 and state[OPEN] > 0:  # any heading's end tag ends the one that is open
            top = page.stack[state[OPEN] - 1, 0]
            found = state[OPEN] - 1 if _H1 <= top <= _H6 else found
        if found > around:
            pop_to(page, found, start)
    return at


@kernel
def _characters(data: Bytes, at: Offset, end: Offset, page: ScannedPage) -> Offset:
    """Write the text up to the next `<`. A `<` at `at` itself is text."""
    flags = inherited(page)
    if flags & _SILENT:
        at += 1
        while at < end and data[at] != LT:
            at += 1
        return at
    return write(data, at, end, page.text, page.blocks, page.state, flags & _PRE, False)

"""Open elements and the present block: which tags open and close elements, and when a block ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.html import names
from classifiers.blocks.html.layout import (
    BEYOND,
    BLOCK,
    BOLD,
    BREAKS,
    CHARS,
    DEEPEST,
    DEPTH,
    END,
    HERE,
    HTML_END,
    IN_BOLD,
    LINES,
    LINK,
    LINKED,
    LINKS,
    MARK_AT,
    MARK_TEXT_END,
    NODE,
    NODE_FLAGS,
    NODE_HTML,
    NODES,
    OPEN,
    OPEN_MARK,
    OWN,
    PARENT,
    SCOPE,
    SIZE,
    SPACE_DUE,
    START,
    TAG,
    Offset,
    ScannedPage,
)  # fmt: skip
from classifiers.blocks.html.names import FLAGS, TAGS, listed
from classifiers.kernels.jit import inlined, kernel

_SILENT, _PRE = np.int64(FLAGS["silent"]), np.int64(FLAGS["pre"])
_T = {name: np.int64(number) for name, number in TAGS.items()}
_HEAD, _BODY, _P, _LI, _DT, _DD, _UL, _OL, _DL, _MENU = (_T[n] for n in listed("head body p li dt dd ul ol dl menu"))
_TABLE, _TR, _TD, _TH, _THEAD, _TBODY, _TFOOT = (_T[n] for n in listed("table tr td th thead tbody tfoot"))
_H1, _H6 = _T["h1"], _T["h6"]


@kernel
def inherited(page: ScannedPage) -> Any:
    """Flags of the innermost open element."""
    depth = page.state[OPEN]
    return page.nodes[page.stack[depth - 1, 1], NODE_FLAGS] if depth > 0 else np.int64(0)


@kernel
def push(page: ScannedPage, tag: Any, node: Any, fresh: Any, start: Offset) -> None:
    state, nodes, stack = page.state, page.nodes, page.stack
    depth = state[OPEN]
    if depth == DEEPEST:
        state[BEYOND] += 1
        return
    parent = stack[depth - 1, 1] if depth > 0 else np.int64(0)
    if fresh:
        state[NODES] += 1
        nodes[node, PARENT], nodes[node, TAG], nodes[node, DEPTH] = parent, tag, depth + 1
        nodes[node, NODE_FLAGS] = nodes[parent, NODE_FLAGS] | names.TAG_FLAGS[tag] | state[OWN]
        nodes[node, NODE_HTML] = start
    else:
        node = parent
    stack[depth, 0], stack[depth, 1] = tag, node
    stack[depth, 2], stack[depth, 3] = page.last[tag], state[SCOPE]
    page.last[tag] = depth
    if names.SCOPES[tag]:
        state[SCOPE] = depth
    state[OPEN] = depth + 1
    page.blocks[state[BLOCK], NODE] = node


@kernel
def pop_to(page: ScannedPage, depth: Any, at: Offset) -> None:
    """Close the elements from place `depth` of the stack on."""
    state, stack = page.state, page.stack
    finish(page, at)
    while state[OPEN] > depth:
        state[OPEN] -= 1
        top = state[OPEN]
        page.last[stack[top, 0]], state[SCOPE] = stack[top, 2], stack[top, 3]
    if state[LINK] > depth + 1:
        end_link(page)
    page.blocks[state[BLOCK], NODE] = stack[depth - 1, 1] if depth > 0 else 0


@inlined
def end_link(page: ScannedPage) -> None:
    """End the open link, if there is one."""
    state = page.state
    mark, here = state[OPEN_MARK], state[HERE]
    if state[LINK] > 0 and mark >= 0:
        while here > page.marks[mark, MARK_AT] and page.text[here - 1] <= 32:
            here -= 1
        page.marks[mark, MARK_TEXT_END] = here
    state[LINK] = 0


@kernel
def close_implied(page: ScannedPage, tag: Any, at: Offset) -> None:  # noqa: C901
    """Close what a start tag ends: an open paragraph, the previous item, row or cell, a heading."""
    last, state = page.last, page.state
    table = last[_TABLE]
    if names.CLOSES_P[tag] and last[_P] > state[SCOPE]:
        pop_to(page, last[_P], at)
    target = np.int64(-1)
    if tag == _LI:
        if last[_LI] > max(last[_UL], last[_OL], last[_MENU], state[SCOPE]):
            target = last[_LI]
    elif tag in (_DT, _DD):
        open_item = max(last[_DT], last[_DD])
        if open_item > max(last[_DL], state[SCOPE]):
            target = open_item
    elif tag in (_TD, _TH):
        cell = max(last[_TD], last[_TH])
        if cell > max(table, last[_TR]):
            target = cell
    elif tag == _TR:
        if last[_TR] > table:
            target = last[_TR]
    elif tag in (_THEAD, _TBODY, _TFOOT):
        part = max(last[_THEAD], last[_TBODY], last[_TFOOT])
        if part > table:
            target = part
    elif _H1 <= tag <= _H6 and state[OPEN] > 0:
        top = page.stack[state[OPEN] - 1, 0]
        if _H1 <= top <= _H6:
            target = state[OPEN] - 1
    elif tag == _BODY:
        target = last[_HEAD]
    if target >= 0:
        pop_to(page, target, at)


@kernel
def line_break(page: ScannedPage, at: Offset) -> None:
    """End a line. Two breaks in a row end the block: authors mean a paragraph by them."""
    state = page.state
    if state[HERE] == page.blocks[state[BLOCK], START]:
        return
    state[BREAKS] += 1
    if state[BREAKS] > 1 and not inherited(page) & _PRE:
        finish(page, at)
        return
    if not inherited(page) & _SILENT:
        page.text[state[HERE]] = 10
        state[HERE] += 1
        page.blocks[state[BLOCK], LINES] += 1
    state[SPACE_DUE] = 0


@kernel
def finish(page: ScannedPage, at: Offset) -> None:
    """End the present block at the byte `at` of the HTML. A block without text stays the present one."""
    state, blocks, text = page.state, page.blocks, page.text
    block = state[BLOCK]
    start, here = blocks[block, START], state[HERE]
    while here > start and text[here - 1] <= 32:
        blocks[block, LINES] -= text[here - 1] == 10
        here -= 1
    if state[LINK] > 0 and state[OPEN_MARK] >= 0:  # the white space before the link was removed
        page.marks[state[OPEN_MARK], MARK_AT] = min(page.marks[state[OPEN_MARK], MARK_AT], here)
    node = blocks[block, NODE]
    state[IN_BOLD] = state[SPACE_DUE] = state[BREAKS] = 0
    if here == start:
        state[HERE] = here
        blocks[block, LINKS] = blocks[block, CHARS] = blocks[block, LINKED] = blocks[block, BOLD] = 0
        blocks[block, LINES] = 0
        return
    blocks[block, END], blocks[block, HTML_END] = here, at
    if block + 1 == len(blocks):  # no room: the text goes on in this block
        text[here] = 10
        state[HERE] = here + 1
        blocks[block, LINES] += 1
        state[SIZE] = block + 1
        return
    state[BLOCK], state[SIZE], state[HERE] = block + 1, block + 1, here
    blocks[block + 1, START] = here
    blocks[block + 1, NODE] = node

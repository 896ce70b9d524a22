"""HTML to blocks of text in one pass over the bytes, without a tree: the kernels.

Block-level elements become nodes (parent, tag, flags, hashed class and id tokens); the text between two of their
boundaries becomes a block. Malformed HTML is a matter of rules: an end tag without its element is ignored, one that
ends more than its own ends those as well, cells keep what is in them from closing what is around them. Every byte is
read a fixed number of times and finding an open element takes one step, so time is linear whatever the page; nodes and
blocks are counted up to `MOST`, and what follows belongs to the last ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from classifiers.blocks import names
from classifiers.blocks.characters import BANG, DASH, GT, LT, QUESTION, SLASH, is_letter, is_space, lower, write
from classifiers.blocks.names import FLAGS, TAGS, listed
from classifiers.jit import kernel

Bytes = npt.NDArray[np.uint8]
Table = npt.NDArray[np.int64]
Offset = Any

MOST = 1 << 18  # nodes, and blocks, of a page
DEEPEST = 2_048  # open elements, as libxml2
TOKENS = 8  # of an element's class and id that are kept
TOKEN_SLOTS = 1 << 14

# Columns of `blocks`: where the text and the HTML of a block begin and end, and what was counted while it was written.
START, END, HTML, HTML_END, NODE, CHARS, LINKED, LINKS, BOLD, LINES, PARTS = range(11)
BLOCK_COLUMNS = 11
# Columns of `nodes`.
PARENT, TAG, NODE_FLAGS, DEPTH, SIGNATURE, FOUND, NODE_HTML = range(7)
NODE_COLUMNS = 7
# `state`
SIZE, BLOCK, NODES, OPEN, SCOPE, LINK, IN_BOLD, HERE, SPACE_DUE, TITLE, OWN, BEYOND, IMAGES, FROM, BREAKS = range(15)

_SILENT, _HIDDEN, _PRE = np.int64(FLAGS["silent"]), np.int64(FLAGS["hidden"]), np.int64(FLAGS["pre"])
_COMMENT = np.int64(FLAGS["comment"])
_BLOCKS, _FIRST_RAW = np.int64(names.BLOCKS), np.int64(names.FIRST_RAW)
_T = {name: np.int64(number) for name, number in TAGS.items()}
_CUSTOM, _HTML, _BODY, _HEAD, _P, _LI, _DT, _DD = (_T[n] for n in listed("custom html body head p li dt dd"))
_TABLE, _TR, _TD, _TH, _UL, _OL, _DL, _MENU = (_T[n] for n in listed("table tr td th ul ol dl menu"))
_THEAD, _TBODY, _TFOOT, _CAPTION = (_T[n] for n in listed("thead tbody tfoot caption"))
_SVG, _TEMPLATE = _T["svg"], _T["template"]
_H1, _H6, _A, _B, _STRONG, _BR, _HR, _IMG = (_T[n] for n in listed("h1 h6 a b strong br hr img"))
_SCRIPT, _STYLE, _TITLE = (_T[n] for n in listed("script style title"))
_CLASS, _ID, _ROLE, _ITEMPROP, _STYLE_NAME, _HIDDEN_NAME, _ARIA_HIDDEN, _HREF = (
    np.uint64(names.hashed(n)) for n in listed("class id role itemprop style hidden aria-hidden href")
)
_COMMENT_TOKENS = np.array(
    sorted(names.hashed(n) for n in listed("comment comments commentlist commenttext disqus replies")), np.uint64
)
_DISPLAY_NONE = np.frombuffer(b"display:none", np.uint8)
_SEED, _MULTIPLIER = np.uint64(14_695_981_039_346_656_037), np.uint64(names.MULTIPLIER)
_TAG_SHIFT, _TAG_MASK = np.uint64(names.TAG_SHIFT), np.uint64((1 << names.TAG_SLOT_BITS) - 1)
_EQUALS, _QUOTE, _APOSTROPHE = (np.uint8(ord(c)) for c in "=\"'")


class Page(NamedTuple):
    """A page's parts while it is read. Rows behind the counts of `state` mean nothing."""

    text: Bytes
    blocks: Table
    nodes: Table
    tokens: npt.NDArray[np.uint16]
    images: Table
    stack: Table  # of open elements: tag, node, place of the next outer one of the same tag, of the next outer scope
    last: Table  # by tag, the innermost open element's place in the stack
    state: Table


def new_page(html: Bytes) -> Page:
    """Room for the page: its text never takes more bytes than its HTML."""
    most = min(count(html, LT) + 2, MOST)
    return Page(
        np.empty(len(html) + 8, np.uint8),
        np.zeros((most, BLOCK_COLUMNS), np.int64),
        np.zeros((most, NODE_COLUMNS), np.int64),
        np.zeros((most, TOKENS), np.uint16),
        np.empty((min(most, 1000), 3), np.int64),
        np.empty((DEEPEST, 4), np.int64),
        np.full(names.NAMES, -1, np.int64),
        np.zeros(BREAKS + 1, np.int64),
    )


@kernel
def count(data: Bytes, byte: Any) -> Any:
    found = 0
    for at in range(len(data)):
        found += data[at] == byte
    return found


@kernel
def read(data: Bytes, page: Page) -> None:
    """Fills `page`."""
    state, at, end = page.state, 0, len(data)
    state[SCOPE] = state[TITLE] = -1
    state[NODES] = 1
    unclosed = np.zeros(names.NAMES, np.bool_)
    while at < end:
        at = _markup(data, at, end, page, unclosed) if data[at] == LT else _characters(data, at, end, page)
    _finish(page, end)


@kernel
def _markup(data: Bytes, at: Offset, end: Offset, page: Page, unclosed: Any) -> Offset:
    following = data[at + 1] if at + 1 < end else np.uint8(0)
    if is_letter(following):
        return _start_tag(data, at, end, page, unclosed)
    if following == SLASH and at + 2 < end and is_letter(data[at + 2]):
        return _end_tag(data, at + 2, end, page)
    if following == BANG and at + 3 < end and data[at + 2] == DASH and data[at + 3] == DASH:
        return _behind_comment(data, at + 4, end)
    if following in (BANG, QUESTION, SLASH):
        return _behind(data, at + 1, end)
    return _characters(data, at, end, page)


@kernel
def _behind(data: Bytes, at: Offset, end: Offset) -> Offset:
    while at < end and data[at] != GT:
        at += 1
    return at + 1


@kernel
def _behind_comment(data: Bytes, at: Offset, end: Offset) -> Offset:
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
def _name(data: Bytes, at: Offset, end: Offset) -> tuple[Offset, Any]:
    """Behind the tag's name, and its number (0 = unknown; a name with a hyphen is an element of the page's own)."""
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
def _looked_up(hashes: Any, numbers: Any, value: Any) -> Any:
    at = np.searchsorted(hashes, value)
    return numbers[at] if at < len(hashes) and hashes[at] == value else np.int64(0)


@kernel
def _start_tag(data: Bytes, start: Offset, end: Offset, page: Page, unclosed: Any) -> Offset:  # noqa: C901
    state = page.state
    at, tag = _name(data, start + 1, end)
    node = state[NODES] if state[NODES] < len(page.nodes) else len(page.nodes) - 1
    fresh = tag != 0 and tag <= _BLOCKS and state[NODES] < len(page.nodes)
    state[OWN], has_href = 0, False
    if tag == _A or 0 < tag <= _BLOCKS:
        at, has_href = _attributes(data, at, end, page, node, fresh)
    else:
        at = _behind_tag(data, at, end)
    if tag >= _FIRST_RAW:
        return _raw(data, at, end, page, tag, unclosed)
    if tag == 0:
        return at
    if tag <= _BLOCKS:
        if (tag in (_HTML, _BODY)) and page.last[tag] >= 0:
            return at
        _close_implied(page, tag, start)
        _finish(page, start)
        if tag == _SVG and at >= 2 and at <= end and data[at - 2] == SLASH:  # foreign elements alone may end themselves
            return at
        _push(page, tag, node, fresh, start)
        if tag == _BODY:
            state[BREAKS] = 0
    elif tag == _A:
        state[LINK] = state[OPEN] + 1 if has_href else 0
        if has_href:
            page.blocks[state[BLOCK], LINKS] += 1
    elif tag in (_B, _STRONG):
        state[IN_BOLD] = 1
    elif tag == _BR:
        _line_break(page, start)
    elif tag == _HR:
        _finish(page, start)
    elif tag == _IMG and state[IMAGES] < len(page.images):
        image = state[IMAGES]
        page.images[image, 0], page.images[image, 1], page.images[image, 2] = start, min(at, end), state[BLOCK]
        state[IMAGES] += 1
    return at


@kernel
def _line_break(page: Page, at: Offset) -> None:
    """A line ends; two breaks in a row end the block, as authors mean them for paragraphs."""
    state = page.state
    if state[HERE] == page.blocks[state[BLOCK], START]:
        return
    state[BREAKS] += 1
    if state[BREAKS] > 1 and not _inherited(page) & _PRE:
        _finish(page, at)
        return
    if not _inherited(page) & _SILENT:
        page.text[state[HERE]] = 10
        state[HERE] += 1
        page.blocks[state[BLOCK], LINES] += 1
    state[SPACE_DUE] = 0


@kernel
def _inherited(page: Page) -> Any:
    """Flags of the innermost open element."""
    depth = page.state[OPEN]
    return page.nodes[page.stack[depth - 1, 1], NODE_FLAGS] if depth > 0 else np.int64(0)


@kernel
def _push(page: Page, tag: Any, node: Any, fresh: Any, start: Offset) -> None:
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
def _pop_to(page: Page, depth: Any, at: Offset) -> None:
    """Closes the elements from the stack's place `depth` on."""
    state, stack = page.state, page.stack
    _finish(page, at)
    while state[OPEN] > depth:
        state[OPEN] -= 1
        top = state[OPEN]
        page.last[stack[top, 0]], state[SCOPE] = stack[top, 2], stack[top, 3]
    if state[LINK] > depth + 1:
        state[LINK] = 0
    page.blocks[state[BLOCK], NODE] = stack[depth - 1, 1] if depth > 0 else 0


@kernel
def _close_implied(page: Page, tag: Any, at: Offset) -> None:  # noqa: C901
    """What a start tag ends: an open paragraph, the item, row or cell before, a heading."""
    last, state = page.last, page.state
    table = last[_TABLE]
    if names.CLOSES_P[tag] and last[_P] > state[SCOPE]:
        _pop_to(page, last[_P], at)
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
        _pop_to(page, target, at)


@kernel
def _end_tag(data: Bytes, start: Offset, end: Offset, page: Page) -> Offset:
    state = page.state
    at, tag = _name(data, start, end)
    at = _behind_tag(data, at, end)
    if tag == 0 or tag >= _FIRST_RAW or tag in (_HTML, _BODY):
        return at
    if tag == _A:
        state[LINK] = 0
    elif tag in (_B, _STRONG):
        state[IN_BOLD] = 0
    elif tag == _BR:
        _line_break(page, start)
    elif tag <= _BLOCKS:
        if state[BEYOND] > 0:
            state[BEYOND] -= 1
            return at
        of_table = tag in (_TABLE, _TR, _TD, _TH, _THEAD, _TBODY, _TFOOT, _CAPTION)
        around = (page.last[_TABLE] if tag != _TABLE else np.int64(-1)) if of_table else state[SCOPE]
        found = page.last[tag]
        if found == around and tag == _TEMPLATE:  # itself a scope
            around -= 1
        if _H1 <= tag <= _H6 and state[OPEN] > 0:  # any heading's end tag ends the one that is open
            top = page.stack[state[OPEN] - 1, 0]
            found = state[OPEN] - 1 if _H1 <= top <= _H6 else found
        if found > around:
            _pop_to(page, found, start)
    return at


@kernel
def _behind_tag(data: Bytes, at: Offset, end: Offset) -> Offset:
    """Behind the `>` of an end tag; one in a quoted value is not the tag's."""
    before: Any = np.uint8(32)
    while at < end and data[at] != GT:
        byte: Any = data[at]
        if before == _EQUALS and (byte in (_QUOTE, _APOSTROPHE)):
            at += 1
            while at < end and data[at] != byte:
                at += 1
        if not is_space(byte):
            before = byte
        at += 1
    return at + 1


@kernel
def _attributes(data: Bytes, at: Offset, end: Offset, page: Page, node: Any, fresh: Any) -> tuple[Offset, Any]:  # noqa: C901
    """Behind the start tag, and whether it has an href. Writes the tokens of the node, if it is a `fresh` one."""
    state, has_href, tokens = page.state, False, 0
    signature = np.uint64(0)
    while at < end:
        while at < end and (is_space(data[at]) or data[at] == SLASH):
            at += 1
        if at >= end or data[at] == GT:
            break
        value = _SEED
        first = at
        while at < end and (
            not (is_space(data[at]) or data[at] == GT or data[at] == SLASH or data[at] == _EQUALS) or at == first
        ):
            value = (value ^ np.uint64(lower(data[at]))) * _MULTIPLIER
            at += 1
        while at < end and is_space(data[at]):
            at += 1
        start = stop = at
        if at < end and data[at] == _EQUALS:
            start, stop, at = _value(data, at + 1, end)
        if value == _HREF:
            has_href = True
        elif fresh and (value in (_CLASS, _ID)):
            tokens, found = _tokens(data, start, stop, page, node, tokens)
            if value == _CLASS:
                signature = found
        elif value == _ROLE:
            state[OWN] |= _looked_up(names.ROLE_HASHES, names.ROLE_FLAGS, _hash(data, start, stop))
        elif value == _ITEMPROP:
            state[OWN] |= _looked_up(names.PROPERTY_HASHES, names.PROPERTY_FLAGS, _hash(data, start, stop))
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
def _ends_name(byte: Any) -> Any:
    return is_space(byte) or byte in (GT, SLASH, _EQUALS)


@kernel
def _value(data: Bytes, at: Offset, end: Offset) -> tuple[Offset, Offset, Offset]:
    """First and last place of an attribute's value, and the place behind it."""
    while at < end and is_space(data[at]):
        at += 1
    if at < end and (data[at] == _QUOTE or data[at] == _APOSTROPHE):
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
    """`display: none`, with any white space."""
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
def _tokens(data: Bytes, start: Offset, stop: Offset, page: Page, node: Any, found: Any) -> tuple[Any, Any]:
    """Adds the words of a class or id (split at hyphens, capitals and the like, digits left out) to the node's.

    Returns how many it has now, and a hash of all.
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


@kernel
def _raw(data: Bytes, at: Offset, end: Offset, page: Page, tag: Any, unclosed: Any) -> Offset:
    """Behind an element whose content is no markup. A page's title is a block of its own.

    Where a start tag has no end tag, a script goes on to the page's end, and the others are ignored.
    """
    state, close = page.state, end
    if not unclosed[tag]:
        close = _end_of_raw(data, at, end, tag)
    if close == end:
        unclosed[tag] = True
        return end if tag in (_SCRIPT, _STYLE) else at
    if tag == _TITLE and state[TITLE] < 0:
        _finish(page, at)
        node = page.blocks[state[BLOCK], NODE]
        page.blocks[state[BLOCK], NODE] = 0
        block = state[BLOCK]
        while at < close:
            at = write(data, at, close, page.text, page.blocks, state, np.int64(0), True)
        _finish(page, close)
        if state[BLOCK] > block:
            state[TITLE] = block
        page.blocks[state[BLOCK], NODE] = node
    return _behind_tag(data, close + 2, end)


@kernel
def _end_of_raw(data: Bytes, at: Offset, end: Offset, tag: Any) -> Offset:
    """The place of the end tag, or `end`."""
    while at + 2 < end:
        # Every second byte will do: it is the slash, or the place before it.
        byte = data[at + 1]
        if byte == LT:
            at += 1
        elif byte != SLASH or data[at] != LT:
            at += 2
            continue
        if data[at + 1] == SLASH and at + 2 < end and is_letter(data[at + 2]):
            behind, name = _name(data, at + 2, min(end, at + 12))
            if name == tag:
                return at
            at = behind
        else:
            at += 1
    return end


@kernel
def _characters(data: Bytes, at: Offset, end: Offset, page: Page) -> Offset:
    """Writes the text up to the next `<`. The one at `at`, if it is one, is text."""
    flags = _inherited(page)
    if flags & _SILENT:
        at += 1
        while at < end and data[at] != LT:
            at += 1
        return at
    return write(data, at, end, page.text, page.blocks, page.state, flags & _PRE, False)


@kernel
def _finish(page: Page, at: Offset) -> None:
    """Ends the present block at the place `at` of the HTML; without text it goes on being the present one."""
    state, blocks, text = page.state, page.blocks, page.text
    block = state[BLOCK]
    start, here = blocks[block, START], state[HERE]
    while here > start and text[here - 1] <= 32:
        blocks[block, LINES] -= text[here - 1] == 10
        here -= 1
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

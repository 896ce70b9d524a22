"""What a page is made of while it is read: the columns of its tables, and how much room they have."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classifiers.blocks.html import names
from classifiers.kernels.arrays import Bytes, Int64s, UInt16s, UInt64s
from classifiers.kernels.jit import kernel

Offset = Any

MOST = 1 << 18  # nodes, and blocks, of a page
DEEPEST = 2_048  # open elements, as in libxml2
TOKENS = 8  # kept words of an element's class and id
TOKEN_SLOTS = 1 << 14
EVIDENCE_SLOTS = 1 << 11

# Columns of `blocks`: where the text and the HTML of a block begin and end, and what was counted while it was written.
START, END, HTML, HTML_END, NODE, CHARS, LINKED, LINKS, BOLD, LINES, PARTS = range(11)
BLOCK_COLUMNS = 11
# Columns of `nodes`.
PARENT, TAG, NODE_FLAGS, DEPTH, SIGNATURE, FOUND, NODE_HTML = range(7)
NODE_COLUMNS = 7
# Columns of `marks`, the start tags of links and images: where the tag begins and ends; where a link's text does, or an
# image's block and `IMAGE`.
MARK, MARK_END, MARK_AT, MARK_TEXT_END = range(4)
IMAGE, MOST_IMAGES = -1, 1000
# `state`
SIZE, BLOCK, NODES, OPEN, SCOPE, LINK, IN_BOLD, HERE, SPACE_DUE, TITLE, OWN, BEYOND, IMAGES, BREAKS = range(14)
EVIDENCE, KIND = 14, 15  # threes of words in the page's metadata, what the page says that it is
MARKS, OPEN_MARK = 16, 17  # how many there are; the mark of the open link (-1 = none)

_LT = np.uint8(ord("<"))


class ScannedPage(NamedTuple):
    """A page while it is read. Rows beyond the counts in `state` mean nothing."""

    text: Bytes
    blocks: Int64s
    nodes: Int64s
    tokens: UInt16s
    marks: Int64s
    stack: Int64s  # of open elements: tag, node, place of the next outer one of the same tag, of the next outer scope
    last: Int64s  # by tag, the innermost open element's place in the stack
    state: Int64s
    evidence: UInt64s  # bits: threes of words that the page's metadata says are main text


def new_page(html: Bytes) -> ScannedPage:
    """Room for the page: its text never takes more bytes than its HTML."""
    most = min(count(html, _LT) + 2, MOST)
    return ScannedPage(
        np.zeros(len(html) + 8, np.uint8),
        np.zeros((most, BLOCK_COLUMNS), np.int64),
        np.zeros((most, NODE_COLUMNS), np.int64),
        np.zeros((most, TOKENS), np.uint16),
        np.empty((most, 4), np.int64),
        np.empty((DEEPEST, 4), np.int64),
        np.full(names.NAMES, -1, np.int64),
        np.zeros(OPEN_MARK + 1, np.int64),
        np.zeros(EVIDENCE_SLOTS, np.uint64),
    )


@kernel
def count(data: Bytes, byte: Any) -> Any:
    found = 0
    for at in range(len(data)):
        found += data[at] == byte
    return found

"""Features of a block by itself: its text, its place on the page, how often its text occurs there."""

from __future__ import annotations

import numpy as np

from classifiers.blocks.features import columns as column
from classifiers.blocks.features.columns import OWN_AT, PLACE_AT
from classifiers.blocks.features.measure import (
    BULLET,
    CAPITALS,
    COMMAS,
    COPYRIGHT,
    DIGITS,
    ENDS_COLON,
    ENDS_SENTENCE,
    FIRST_CAPITAL,
    QUESTIONS,
    SENTENCES,
    STARTS_DIGIT,
    SYMBOLS,
    TITLE_SHARE,
    TITLED,
    UNSPACED,
    WORDS,
)
from classifiers.blocks.features.numbers import log, share, slot, table
from classifiers.blocks.html import names
from classifiers.blocks.html.layout import (
    BOLD,
    CHARS,
    DEPTH,
    END,
    HTML,
    HTML_END,
    LINES,
    LINKED,
    LINKS,
    NODE,
    NODE_FLAGS,
    START,
    TAG,
    ScannedPage,
)
from classifiers.kernels.arrays import Float32s, UInt64s
from classifiers.kernels.jit import kernel

FLAGS = len(names.FLAGS)
MOST_COPIES = 20  # further copies say no more
MOST_DEPTH = 64  # elements around a block; deeper nesting says no more
MOST_SINCE = 500  # blocks since a heading
NO_HEADING = -1  # no heading came before
_H1, _H6 = (np.int64(names.TAGS[name]) for name in ("h1", "h6"))


@kernel
def own(page: ScannedPage, raw: Float32s, features: Float32s) -> None:
    for block in range(len(features)):
        chars, words = page.blocks[block, CHARS], raw[block, WORDS]
        row = features[block, OWN_AT:]
        row[column.CHARS], row[column.WORDS] = log(chars), log(words)
        row[column.LINK_SHARE], row[column.LINKS] = share(page.blocks[block, LINKED], chars), page.blocks[block, LINKS]
        row[column.COMMAS], row[column.SENTENCES] = raw[block, COMMAS], raw[block, SENTENCES]
        row[column.DIGIT_SHARE] = share(raw[block, DIGITS], chars)
        row[column.CAPITAL_SHARE] = share(raw[block, CAPITALS], chars)
        row[column.UNSPACED_SHARE] = share(raw[block, UNSPACED], chars)
        row[column.SYMBOL_SHARE] = share(raw[block, SYMBOLS], chars)
        row[column.BOLD_SHARE] = share(page.blocks[block, BOLD], chars)
        row[column.WORD_LENGTH] = share(chars, words)
        row[column.LINES] = page.blocks[block, LINES]
        row[column.FIRST_CAPITAL] = raw[block, FIRST_CAPITAL]
        row[column.ENDS_SENTENCE], row[column.ENDS_COLON] = raw[block, ENDS_SENTENCE], raw[block, ENDS_COLON]
        row[column.BULLET], row[column.COPYRIGHT] = raw[block, BULLET], raw[block, COPYRIGHT]
        row[column.TITLED], row[column.TITLE_SHARE] = raw[block, TITLED], raw[block, TITLE_SHARE]
        row[column.QUESTIONS], row[column.STARTS_DIGIT] = raw[block, QUESTIONS], raw[block, STARTS_DIGIT]


@kernel
def copies(hashes: UInt64s, features: Float32s) -> None:
    """How often a block's text occurs on the page."""
    keys, counts = table(len(hashes))
    places = np.empty(len(hashes), np.int64)
    for block in range(len(hashes)):
        at = slot(keys, counts, hashes[block])
        keys[at] = hashes[block]
        counts[at] += 1
        places[block] = at
    for block in range(len(hashes)):
        features[block, OWN_AT + column.COPIES] = min(counts[places[block]], MOST_COPIES)


@kernel
def places(page: ScannedPage, features: Float32s) -> None:
    size = len(features)
    blocks, nodes = page.blocks, page.nodes
    total = max(np.int64(1), blocks[size - 1, END])
    html_total = max(np.int64(1), blocks[size - 1, HTML_END])
    h1_at = heading_at = -1
    before = np.int64(0)
    for block in range(size):
        node = blocks[block, NODE]
        tag, flags = nodes[node, TAG], nodes[node, NODE_FLAGS]
        row = features[block, PLACE_AT:]
        row[column.TEXT_POSITION] = blocks[block, START] / total
        row[column.HTML_POSITION] = blocks[block, HTML] / html_total
        row[column.CHARS_BEFORE], row[column.DEPTH] = log(before), min(nodes[node, DEPTH], MOST_DEPTH)
        row[column.TAG], row[column.HEADING_LEVEL] = tag, tag - _H1 + 1 if _H1 <= tag <= _H6 else 0
        count = 0
        for bit in range(1, FLAGS):
            count += (flags >> bit) & 1
        row[column.FLAG_COUNT] = count
        row[column.SINCE_H1] = min(block - h1_at, MOST_SINCE) if h1_at >= 0 else NO_HEADING
        row[column.SINCE_HEADING] = min(block - heading_at, MOST_SINCE) if heading_at >= 0 else NO_HEADING
        previous = blocks[block - 1, HTML_END] if block > 0 else np.int64(0)
        following = blocks[block + 1, HTML] if block + 1 < size else html_total
        row[column.GAP_BEFORE] = log(blocks[block, HTML] - previous)
        row[column.GAP_AFTER] = log(following - blocks[block, HTML_END])
        row[column.HTML_PER_CHAR] = log(share(blocks[block, HTML_END] - blocks[block, HTML], blocks[block, CHARS]))
        before += blocks[block, CHARS]
        if tag == _H1:
            h1_at = block
        if _H1 <= tag <= _H6:
            heading_at = block

"""Features of a block by itself: its text, its place on the page, how often its text is there."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    HTML,
    HTML_END,
    LINES,
    LINKED,
    LINKS,
    NODE,
    NODE_FLAGS,
    TAG,
    ScannedPage,
)
from classifiers.kernels.arrays import Float32s
from classifiers.kernels.jit import kernel

FLAGS = len(names.FLAGS)
_H1, _H6 = (np.int64(names.TAGS[name]) for name in ("h1", "h6"))


@kernel
def own(page: ScannedPage, raw: Float32s, features: Float32s) -> None:
    for block in range(len(features)):
        chars, words = page.blocks[block, CHARS], raw[block, WORDS]
        values = features[block, OWN_AT:]
        values[0], values[1] = log(chars), log(words)
        values[2], values[3] = share(page.blocks[block, LINKED], chars), page.blocks[block, LINKS]
        values[4], values[5] = raw[block, COMMAS], raw[block, SENTENCES]
        values[6], values[7] = share(raw[block, DIGITS], chars), share(raw[block, CAPITALS], chars)
        values[8], values[9] = share(raw[block, UNSPACED], chars), share(raw[block, SYMBOLS], chars)
        values[10], values[11] = share(page.blocks[block, BOLD], chars), share(chars, words)
        values[12] = page.blocks[block, LINES]
        values[13], values[14] = raw[block, FIRST_CAPITAL], raw[block, ENDS_SENTENCE]
        values[15], values[16], values[17] = raw[block, ENDS_COLON], raw[block, BULLET], raw[block, COPYRIGHT]
        values[18], values[19] = raw[block, TITLED], raw[block, TITLE_SHARE]
        values[20], values[21] = raw[block, QUESTIONS], raw[block, STARTS_DIGIT]


@kernel
def copies(hashes: Any, features: Float32s) -> None:
    """How often a block's text stands on the page."""
    keys, counts = table(len(hashes))
    places = np.empty(len(hashes), np.int64)
    for block in range(len(hashes)):
        at = slot(keys, counts, hashes[block])
        keys[at] = hashes[block]
        counts[at] += 1
        places[block] = at
    for block in range(len(hashes)):
        features[block, OWN_AT + 22] = min(counts[places[block]], 20)


@kernel
def places(page: ScannedPage, features: Float32s) -> None:
    size = len(features)
    blocks, nodes = page.blocks, page.nodes
    total = max(np.int64(1), blocks[size - 1, 1])
    html_total = max(np.int64(1), blocks[size - 1, HTML_END])
    h1_at = heading_at = -1
    before = np.int64(0)
    for block in range(size):
        node = blocks[block, NODE]
        tag, flags = nodes[node, TAG], nodes[node, NODE_FLAGS]
        values = features[block, PLACE_AT:]
        values[0], values[1] = blocks[block, 0] / total, blocks[block, HTML] / html_total
        values[2], values[3], values[4] = log(before), min(nodes[node, DEPTH], 64), tag
        values[5] = tag - _H1 + 1 if _H1 <= tag <= _H6 else 0
        count = 0
        for bit in range(1, FLAGS):
            count += (flags >> bit) & 1
        values[6] = count
        values[7] = min(block - h1_at, 500) if h1_at >= 0 else -1
        values[8] = min(block - heading_at, 500) if heading_at >= 0 else -1
        previous = blocks[block - 1, HTML_END] if block > 0 else np.int64(0)
        following = blocks[block + 1, HTML] if block + 1 < size else html_total
        values[9], values[10] = log(blocks[block, HTML] - previous), log(following - blocks[block, HTML_END])
        values[11] = log(share(blocks[block, HTML_END] - blocks[block, HTML], blocks[block, CHARS]))
        before += blocks[block, CHARS]
        if tag == _H1:
            h1_at = block
        if _H1 <= tag <= _H6:
            heading_at = block

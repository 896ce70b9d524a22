"""Features of the page's main region: how far a block is from the densest text in the tree, and what is around it."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.features.columns import REGION_AT
from classifiers.blocks.features.elements import CHARS_IN, LINKED_IN, SENTENCES_IN
from classifiers.blocks.features.measure import SENTENCES
from classifiers.blocks.features.numbers import log, share
from classifiers.blocks.html import names
from classifiers.blocks.html.layout import CHARS, DEPTH, KIND, LINKED, NODE, PARENT, TAG, ScannedPage
from classifiers.kernels.arrays import Float32s
from classifiers.kernels.jit import kernel

_H1, _H2, _ARTICLE = (np.int64(names.TAGS[name]) for name in ("h1", "h2", "article"))
WINDOW = 5  # blocks on one side


@kernel
def joined(page: ScannedPage, main: Any, levels: Any, joins: Any, branches: Any) -> None:
    """For each node: `levels` above `main` of the elements around it (-1 = not one of them), where its own line of
    ancestors `joins` them, and the `branch` below that place which it is in (itself, if it is around or at `main`).
    """
    levels[:] = -1
    node, level = main, 0
    while node > 0:
        levels[node] = level
        node, level = page.nodes[node, PARENT], level + 1
    levels[0] = level
    joins[0] = branches[0] = 0
    for node in range(1, len(levels)):
        parent = page.nodes[node, PARENT]
        joins[node] = node if levels[node] >= 0 else joins[parent]
        branches[node] = node if levels[node] >= 0 or levels[parent] >= 0 else branches[parent]


@kernel
def regions(page: ScannedPage, raw: Float32s, totals: Any, densest: Any, features: Float32s) -> None:
    size, nodes = len(features), page.nodes
    levels, joins, branches = np.empty((3, len(totals)), np.int64)
    joined(page, page.blocks[densest, NODE], levels, joins, branches)
    h1 = h2 = articles = 0
    for node in range(1, len(totals)):
        tag = nodes[node, TAG]
        h1 += tag == _H1
        h2 += tag == _H2
        articles += tag == _ARTICLE
    sums = np.zeros((size + 1, 3), np.float64)
    for block in range(size):
        sums[block + 1, 0] = sums[block, 0] + page.blocks[block, CHARS]
        sums[block + 1, 1] = sums[block, 1] + page.blocks[block, LINKED]
        sums[block + 1, 2] = sums[block, 2] + raw[block, SENTENCES]
    for block in range(size):
        values = features[block, REGION_AT:]
        first, last = max(block - WINDOW, 0), min(block + 1 + WINDOW, size)
        before, after = sums[block, 0] - sums[first, 0], sums[last, 0] - sums[block + 1, 0]
        values[0], values[1] = log(before), share(sums[block, 1] - sums[first, 1], before)
        values[2], values[3] = log(after), share(sums[last, 1] - sums[block + 1, 1], after)
        values[4] = log(sums[size, 2] - sums[block + 1, 2])
        values[5], values[6], values[7] = h1, min(h2, 50), min(articles, 50)
        values[8] = page.state[KIND]
        node = page.blocks[block, NODE]
        around, branch = joins[node], branches[node]
        values[9], values[10] = levels[around], share(totals[around, CHARS_IN], totals[0, CHARS_IN])
        values[11] = nodes[node, DEPTH] - nodes[around, DEPTH]
        chars = totals[branch, CHARS_IN]
        values[12], values[13] = log(chars), share(chars, totals[around, CHARS_IN])
        values[14], values[15] = share(totals[branch, LINKED_IN], chars), log(totals[branch, SENTENCES_IN])

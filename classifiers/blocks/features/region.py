"""Features of the page's main region: how far a block is from the densest text in the tree, and what is around it."""

from __future__ import annotations

import numpy as np

from classifiers.blocks.features import columns as column
from classifiers.blocks.features.columns import REGION_AT
from classifiers.blocks.features.elements import CHARS_IN, LINKED_IN, SENTENCES_IN
from classifiers.blocks.features.measure import SENTENCES
from classifiers.blocks.features.numbers import log, share
from classifiers.blocks.html import names
from classifiers.blocks.html.layout import CHARS, DEPTH, KIND, LINKED, NODE, PARENT, TAG, ScannedPage
from classifiers.kernels.arrays import Float32s, Int, Int64s
from classifiers.kernels.jit import kernel

_H1, _H2, _ARTICLE = (np.int64(names.TAGS[name]) for name in ("h1", "h2", "article"))
WINDOW = 5  # blocks on one side
MOST_H2 = MOST_ARTICLES = 50  # more of them say no more
_CHARS, _LINKED, _SENTENCES = range(3)  # columns of running sums over the blocks


@kernel
def joined(page: ScannedPage, main: Int, levels: Int64s, joins: Int64s, branches: Int64s) -> None:
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
def regions(page: ScannedPage, raw: Float32s, totals: Float32s, densest: Int, features: Float32s) -> None:
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
        sums[block + 1, _CHARS] = sums[block, _CHARS] + page.blocks[block, CHARS]
        sums[block + 1, _LINKED] = sums[block, _LINKED] + page.blocks[block, LINKED]
        sums[block + 1, _SENTENCES] = sums[block, _SENTENCES] + raw[block, SENTENCES]
    for block in range(size):
        row = features[block, REGION_AT:]
        first, last = max(block - WINDOW, 0), min(block + 1 + WINDOW, size)
        before, after = sums[block, _CHARS] - sums[first, _CHARS], sums[last, _CHARS] - sums[block + 1, _CHARS]
        row[column.BEFORE5_CHARS], row[column.AFTER5_CHARS] = log(before), log(after)
        row[column.BEFORE5_LINK_SHARE] = share(sums[block, _LINKED] - sums[first, _LINKED], before)
        row[column.AFTER5_LINK_SHARE] = share(sums[last, _LINKED] - sums[block + 1, _LINKED], after)
        row[column.AFTER_SENTENCES] = log(sums[size, _SENTENCES] - sums[block + 1, _SENTENCES])
        row[column.PAGE_H1], row[column.PAGE_H2] = h1, min(h2, MOST_H2)
        row[column.PAGE_ARTICLES], row[column.PAGE_KIND] = min(articles, MOST_ARTICLES), page.state[KIND]
        node = page.blocks[block, NODE]
        around, branch = joins[node], branches[node]
        row[column.REGION_LEVEL] = levels[around]
        row[column.REGION_SHARE] = share(totals[around, CHARS_IN], totals[0, CHARS_IN])
        row[column.REGION_DEPTH] = nodes[node, DEPTH] - nodes[around, DEPTH]
        chars = totals[branch, CHARS_IN]
        row[column.BRANCH_CHARS], row[column.BRANCH_SHARE] = log(chars), share(chars, totals[around, CHARS_IN])
        row[column.BRANCH_LINK_SHARE] = share(totals[branch, LINKED_IN], chars)
        row[column.BRANCH_SENTENCES] = log(totals[branch, SENTENCES_IN])

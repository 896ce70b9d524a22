"""Features of what is around a block: the whole page, and the blocks before and after it."""

from __future__ import annotations

import numpy as np

from classifiers.blocks.features import columns as column
from classifiers.blocks.features.columns import NEAR_AT, PAGE_AT
from classifiers.blocks.features.measure import ENDS_SENTENCE, SENTENCES, UNSPACED
from classifiers.blocks.features.numbers import log, share
from classifiers.blocks.html import names
from classifiers.blocks.html.layout import CHARS, LINKED, NODE, PARENT, TAG, ScannedPage
from classifiers.kernels.arrays import Float32s, Float64s, Int
from classifiers.kernels.jit import kernel

LONG = 100  # characters of a long block
DENSE = 3  # blocks on one side among which the densest text is searched
NEAR, WIDE = 3, 10  # blocks on one side; the features' names say the same
MOST_DISTANCE = 200  # blocks from the densest one; more says no more
NO_BLOCK = -1  # the page begins or ends there
_CHARS, _LINKED, _SENTENCES = range(3)  # columns of running sums over the blocks
_P = np.int64(names.TAGS["p"])


@kernel
def pages(page: ScannedPage, raw: Float32s, features: Float32s) -> None:
    size = len(features)
    chars = linked = long = unspaced = in_p = np.int64(0)
    sentences = np.float32(0)
    for block in range(size):
        here = page.blocks[block, CHARS]
        chars += here
        linked += page.blocks[block, LINKED]
        long += here if here >= LONG else 0
        unspaced += np.int64(raw[block, UNSPACED])
        in_p += here if page.nodes[page.blocks[block, NODE], TAG] == _P else 0
        sentences += raw[block, SENTENCES]
    for block in range(size):
        row = features[block, PAGE_AT:]
        row[column.PAGE_CHARS], row[column.PAGE_BLOCKS] = log(chars), log(size)
        row[column.PAGE_LINK_SHARE], row[column.PAGE_LONG_SHARE] = share(linked, chars), share(long, chars)
        row[column.PAGE_SENTENCES], row[column.PAGE_UNSPACED] = log(sentences), share(unspaced, chars)
        row[column.PAGE_P_SHARE] = share(in_p, chars)


@kernel
def neighbours(page: ScannedPage, raw: Float32s, features: Float32s) -> Int:
    """Returns the densest block: the one in the midst of the most text outside of links."""
    size, blocks = len(features), page.blocks
    sums = np.zeros((size + 1, 3), np.float64)
    for block in range(size):
        sums[block + 1, _CHARS] = sums[block, _CHARS] + blocks[block, CHARS]
        sums[block + 1, _LINKED] = sums[block, _LINKED] + blocks[block, LINKED]
        sums[block + 1, _SENTENCES] = sums[block, _SENTENCES] + raw[block, SENTENCES]
    densest, most = 0, np.float64(-1)
    for block in range(size):
        first, last = max(block - DENSE, 0), min(block + DENSE + 1, size)
        plain = (sums[last, _CHARS] - sums[first, _CHARS]) - (sums[last, _LINKED] - sums[first, _LINKED])
        if plain > most:
            densest, most = block, plain
    for block in range(size):
        row = features[block, NEAR_AT:]
        for side in range(2):
            for distance in range(1, 3):
                other = block - distance if side == 0 else block + distance
                _neighbour(page, raw, block, other, row[(2 * side + distance - 1) * column.NEIGHBOUR_COLUMNS :])
        _surroundings(sums, block, row)
        row[column.DENSEST_DISTANCE] = min(max(block - densest, -MOST_DISTANCE), MOST_DISTANCE)
        row[column.DENSEST_CHARS] = log(most)
    return densest


@kernel
def _neighbour(page: ScannedPage, raw: Float32s, block: Int, other: Int, row: Float32s) -> None:
    blocks, nodes = page.blocks, page.nodes
    if not 0 <= other < len(raw):
        row[column.NEIGHBOUR_CHARS] = NO_BLOCK
        return
    chars, own, its = blocks[other, CHARS], blocks[block, NODE], blocks[other, NODE]
    row[column.NEIGHBOUR_CHARS] = log(chars)
    row[column.NEIGHBOUR_LINK_SHARE] = share(blocks[other, LINKED], chars)
    row[column.NEIGHBOUR_ENDS_SENTENCE] = raw[other, ENDS_SENTENCE]
    row[column.NEIGHBOUR_TAG_SAME] = nodes[own, TAG] == nodes[its, TAG]
    row[column.NEIGHBOUR_PARENT_SAME] = own == its or nodes[own, PARENT] == nodes[its, PARENT]


@kernel
def _surroundings(sums: Float64s, block: Int, row: Float32s) -> None:
    """Text, links and sentences among the blocks at most NEAR and at most WIDE away."""
    size = len(sums) - 1
    first, last = max(block - NEAR, 0), min(block + NEAR + 1, size)
    chars = sums[last, _CHARS] - sums[first, _CHARS]
    row[column.NEAR3_CHARS] = log(chars / (last - first))
    row[column.NEAR3_LINK_SHARE] = share(sums[last, _LINKED] - sums[first, _LINKED], chars)
    first, last = max(block - WIDE, 0), min(block + WIDE + 1, size)
    chars = sums[last, _CHARS] - sums[first, _CHARS]
    row[column.NEAR10_CHARS] = log(chars / (last - first))
    row[column.NEAR10_LINK_SHARE] = share(sums[last, _LINKED] - sums[first, _LINKED], chars)
    row[column.NEAR10_SENTENCES] = (sums[last, _SENTENCES] - sums[first, _SENTENCES]) / (last - first)

"""Features of what is around a block: the whole page, and the blocks before and after it."""

from __future__ import annotations

import numpy as np

from classifiers.blocks.features import columns as column
from classifiers.blocks.features.columns import NEAR_AT, PAGE_AT
from classifiers.blocks.features.measure import ENDS_SENTENCE, SENTENCES, UNSPACED
from classifiers.blocks.features.numbers import log, share
from classifiers.blocks.html import names
from classifiers.blocks.html.layout import CHARS, LINKED, NODE, PARENT, TAG, ScannedPage
from classifiers.kernels.arrays import Float, Float32s, Float64s, Int, Int64s
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
    """Returns the densest block: the one in the midst of the most text outside of links.

    The inner loop is one piece: a function that takes arrays costs several times what it does for one neighbour.
    """
    size, blocks, nodes = len(features), page.blocks, page.nodes
    sums = np.zeros((size + 1, 3), np.float64)
    densest, most = _densest(blocks, raw, sums)
    for block in range(size):
        own, at = blocks[block, NODE], NEAR_AT
        for side in (-1, 1):
            for distance in (1, 2):
                other = block + side * distance
                if 0 <= other < size:
                    chars, its = blocks[other, CHARS], blocks[other, NODE]
                    same_parent = own == its or nodes[own, PARENT] == nodes[its, PARENT]
                    features[block, at + column.NEIGHBOUR_CHARS] = log(chars)
                    features[block, at + column.NEIGHBOUR_LINK_SHARE] = share(blocks[other, LINKED], chars)
                    features[block, at + column.NEIGHBOUR_ENDS_SENTENCE] = raw[other, ENDS_SENTENCE]
                    features[block, at + column.NEIGHBOUR_TAG_SAME] = nodes[own, TAG] == nodes[its, TAG]
                    features[block, at + column.NEIGHBOUR_PARENT_SAME] = same_parent
                else:
                    features[block, at + column.NEIGHBOUR_CHARS] = NO_BLOCK
                at += column.NEIGHBOUR_COLUMNS
        features[block, NEAR_AT + column.DENSEST_DISTANCE] = min(max(block - densest, -MOST_DISTANCE), MOST_DISTANCE)
        features[block, NEAR_AT + column.DENSEST_CHARS] = log(most)
    _surroundings(sums, features)
    return densest


@kernel
def _densest(blocks: Int64s, raw: Float32s, sums: Float64s) -> tuple[Int, Float]:
    """The densest block and its text; fills the running sums over the blocks."""
    densest, most, size = 0, np.float64(-1), len(raw)
    for block in range(size):
        sums[block + 1, _CHARS] = sums[block, _CHARS] + blocks[block, CHARS]
        sums[block + 1, _LINKED] = sums[block, _LINKED] + blocks[block, LINKED]
        sums[block + 1, _SENTENCES] = sums[block, _SENTENCES] + raw[block, SENTENCES]
    for block in range(size):
        first, last = max(block - DENSE, 0), min(block + DENSE + 1, size)
        plain = (sums[last, _CHARS] - sums[first, _CHARS]) - (sums[last, _LINKED] - sums[first, _LINKED])
        if plain > most:
            densest, most = block, plain
    return densest, most


@kernel
def _surroundings(sums: Float64s, features: Float32s) -> None:
    """Text, links and sentences among the blocks at most NEAR and at most WIDE away."""
    size = len(features)
    for block in range(size):
        row = features[block, NEAR_AT:]
        first, last = max(block - NEAR, 0), min(block + NEAR + 1, size)
        chars = sums[last, _CHARS] - sums[first, _CHARS]
        row[column.NEAR3_CHARS] = log(chars / (last - first))
        row[column.NEAR3_LINK_SHARE] = share(sums[last, _LINKED] - sums[first, _LINKED], chars)
        first, last = max(block - WIDE, 0), min(block + WIDE + 1, size)
        chars = sums[last, _CHARS] - sums[first, _CHARS]
        row[column.NEAR10_CHARS] = log(chars / (last - first))
        row[column.NEAR10_LINK_SHARE] = share(sums[last, _LINKED] - sums[first, _LINKED], chars)
        row[column.NEAR10_SENTENCES] = (sums[last, _SENTENCES] - sums[first, _SENTENCES]) / (last - first)

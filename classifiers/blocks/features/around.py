"""Features of what stands around a block: the whole page, and the blocks before and behind."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.features.columns import NEAR_AT, PAGE_AT
from classifiers.blocks.features.measure import ENDS_SENTENCE, SENTENCES, UNSPACED
from classifiers.blocks.features.numbers import log, share
from classifiers.blocks.html import names
from classifiers.blocks.html.layout import CHARS, LINKED, NODE, PARENT, TAG, ScannedPage
from classifiers.kernels.arrays import Float32s
from classifiers.kernels.jit import kernel

LONG = 100  # characters of a long block
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
        values = features[block, PAGE_AT:]
        values[0], values[1], values[2] = log(chars), log(size), share(linked, chars)
        values[3], values[4], values[5] = share(long, chars), log(sentences), share(unspaced, chars)
        values[6] = share(in_p, chars)


@kernel
def neighbours(page: ScannedPage, raw: Float32s, features: Float32s) -> Any:
    """Returns the densest block: the one in the midst of the most text outside of links."""
    size, blocks, nodes = len(features), page.blocks, page.nodes
    sums = np.zeros((size + 1, 3), np.float64)
    for block in range(size):
        sums[block + 1, 0] = sums[block, 0] + blocks[block, CHARS]
        sums[block + 1, 1] = sums[block, 1] + blocks[block, LINKED]
        sums[block + 1, 2] = sums[block, 2] + raw[block, SENTENCES]
    densest, most = 0, np.float64(-1)
    for block in range(size):
        first, last = max(block - 3, 0), min(block + 4, size)
        plain = (sums[last, 0] - sums[first, 0]) - (sums[last, 1] - sums[first, 1])
        if plain > most:
            densest, most = block, plain
    for block in range(size):
        node = blocks[block, NODE]
        place = NEAR_AT
        for side in (-1, 1):
            for distance in (1, 2):
                other = block + side * distance
                if 0 <= other < size:
                    chars, there = blocks[other, CHARS], blocks[other, NODE]
                    features[block, place] = log(chars)
                    features[block, place + 1] = share(blocks[other, LINKED], chars)
                    features[block, place + 2] = raw[other, ENDS_SENTENCE]
                    features[block, place + 3] = nodes[node, TAG] == nodes[there, TAG]
                    features[block, place + 4] = node == there or nodes[node, PARENT] == nodes[there, PARENT]
                else:
                    features[block, place] = -1
                place += 5
        for width in (3, 10):
            first, last = max(block - width, 0), min(block + width + 1, size)
            chars = sums[last, 0] - sums[first, 0]
            features[block, place] = log(chars / (last - first))
            features[block, place + 1] = share(sums[last, 1] - sums[first, 1], chars)
            place += 2
            if width == 10:
                features[block, place] = (sums[last, 2] - sums[first, 2]) / (last - first)
                place += 1
        features[block, place] = min(max(block - densest, -200), 200)
        features[block, place + 1] = log(most)
    return densest

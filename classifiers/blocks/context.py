"""Features of the second stage: what the first one said of the blocks around."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.features import Blocks
from classifiers.blocks.layout import CHARS, DEPTH, NODE, NODES, PARENT, Page
from classifiers.blocks.names import listed
from classifiers.blocks.region import joined
from classifiers.blocks.trees import Floats
from classifiers.jit import kernel

CONTEXT = listed(
    "own before1 before2 before3 after1 after2 after3 near3 near10 node parent grand page most rank_share "
    "chars_before_share chars_after_share main_level main_depth main_share branch branch_share branch_mass"
)
MAIN = 0.7  # of the probable main text is in the innermost element that is taken for the main one


def extended(blocks: Blocks, first: Floats) -> Floats:
    """The features and, behind them, those of the first stage's probabilities."""
    rows = np.empty((blocks.size, blocks.features.shape[1] + len(CONTEXT)), np.float32)
    rows[:, : blocks.features.shape[1]] = blocks.features
    if blocks.size:
        fill(blocks.page, first, rows[:, blocks.features.shape[1] :])
    return rows


@kernel
def fill(page: Page, first: Floats, out: Any) -> None:
    size, nodes = len(first), page.nodes
    sums = np.zeros((size + 1, 2), np.float64)
    weighed = np.zeros((page.state[NODES], 2), np.float64)
    most = np.float32(0)
    for block in range(size):
        weight = np.float64(page.blocks[block, CHARS])
        sums[block + 1, 0] = sums[block, 0] + weight * first[block]
        sums[block + 1, 1] = sums[block, 1] + weight
        weighed[page.blocks[block, NODE], 0] += weight * first[block]
        weighed[page.blocks[block, NODE], 1] += weight
        most = max(most, first[block])
    for node in range(len(weighed) - 1, 0, -1):
        weighed[nodes[node, PARENT], 0] += weighed[node, 0]
        weighed[nodes[node, PARENT], 1] += weighed[node, 1]
    total = max(sums[size, 0], 1e-6)
    main = 0
    for node in range(1, len(weighed)):
        if weighed[node, 0] >= MAIN * total:
            main = node
    levels, joins, branches = np.empty((3, len(weighed)), np.int64)
    joined(page, main, levels, joins, branches)
    for block in range(size):
        out[block, 0] = first[block]
        for distance in range(1, 4):
            out[block, distance] = first[block - distance] if block >= distance else -1
            out[block, 3 + distance] = first[block + distance] if block + distance < size else -1
        for k in range(2):
            width = 3 if k == 0 else 10
            low, high = max(block - width, 0), min(block + width + 1, size)
            out[block, 7 + k] = (sums[high, 0] - sums[low, 0]) / max(sums[high, 1] - sums[low, 1], 1.0)
        node = page.blocks[block, NODE]
        around, branch = joins[node], branches[node]
        if branch == main:
            branch = node
        out[block, 17], out[block, 18] = levels[around], nodes[node, DEPTH] - nodes[main, DEPTH]
        out[block, 19] = weighed[main, 0] / max(weighed[main, 1], 1.0)
        out[block, 20] = weighed[branch, 0] / max(weighed[branch, 1], 1.0)
        out[block, 21] = weighed[branch, 1] / max(weighed[around, 1], 1.0)
        out[block, 22] = weighed[branch, 0] / total
        for k in range(3):
            out[block, 9 + k] = weighed[node, 0] / max(weighed[node, 1], 1.0)
            node = nodes[node, PARENT]
        out[block, 12], out[block, 13] = sums[size, 0] / max(sums[size, 1], 1.0), most
        out[block, 14] = first[block] / max(most, np.float32(1e-6))
        out[block, 15], out[block, 16] = sums[block, 0] / total, (sums[size, 0] - sums[block + 1, 0]) / total

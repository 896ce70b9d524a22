"""Features of the second stage: the first stage's scores of a block, of those around it, and of its elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.cut import cut
from classifiers.blocks.features.numbers import log
from classifiers.blocks.html.layout import NODE, NODES, PARENT, ScannedPage
from classifiers.blocks.html.names import listed
from classifiers.kernels.arrays import Float32s
from classifiers.kernels.jit import kernel

SECOND = listed(
    "score before1_score after1_score before2_score after2_score before4_score after4_score before12_score "
    "after12_score main_before main_after main_here node_score parent_score grand_score great_score parent_main "
    "grand_main page_main page_main_share page_cut run_distance run_gap page_kept_share"
)
_WINDOWS = (4, 12)  # blocks on one side
_GAP = 3  # blocks below the cut that do not end a run of those above it
_FAR = 100


def beside(page: ScannedPage, scores: Float32s, sizes: Float32s) -> Float32s:
    """A row of `SECOND` for each block. `sizes` are words."""
    out = np.zeros((len(scores), len(SECOND)), np.float32)
    if len(scores):
        _fill(page, scores, sizes, np.float32(cut(scores, sizes)[0]), out)
    return out


@kernel
def _fill(page: ScannedPage, scores: Float32s, sizes: Float32s, least: Any, out: Float32s) -> None:
    size = len(scores)
    main, words = np.zeros(size + 1, np.float64), np.zeros(size + 1, np.float64)
    above = 0
    for block in range(size):
        main[block + 1] = main[block] + scores[block] * sizes[block]
        words[block + 1] = words[block] + sizes[block]
        above += scores[block] >= least
    whole = max(main[size], 1e-6)
    _windows(scores, main, words, out)
    _elements(page, scores, sizes, whole, out)
    _run(scores, sizes, words, least, out)
    for block in range(size):
        values = out[block]
        values[9], values[10] = main[block] / whole, (main[size] - main[block + 1]) / whole
        values[11] = scores[block] * sizes[block] / whole
        values[18], values[19] = log(main[size]), main[size] / max(words[size], 1)
        values[20], values[23] = least, above / size


@kernel
def _windows(scores: Float32s, main: Any, words: Any, out: Float32s) -> None:
    size = len(scores)
    for block in range(size):
        values = out[block]
        values[0] = scores[block]
        for distance in range(1, 3):
            values[2 * distance - 1] = scores[block - distance] if block >= distance else -1
            values[2 * distance] = scores[block + distance] if block + distance < size else -1
        place = 5
        for width in _WINDOWS:
            first, last = max(block - width, 0), min(block + 1 + width, size)
            values[place] = (main[block] - main[first]) / max(words[block] - words[first], 1)
            values[place + 1] = (main[last] - main[block + 1]) / max(words[last] - words[block + 1], 1)
            place += 2


@kernel
def _elements(page: ScannedPage, scores: Float32s, sizes: Float32s, whole: Any, out: Float32s) -> None:
    count = page.state[NODES]
    main, words = np.zeros(count, np.float64), np.zeros(count, np.float64)
    for block in range(len(scores)):
        main[page.blocks[block, NODE]] += scores[block] * sizes[block]
        words[page.blocks[block, NODE]] += sizes[block]
    for node in range(count - 1, 0, -1):
        main[page.nodes[node, PARENT]] += main[node]
        words[page.nodes[node, PARENT]] += words[node]
    for block in range(len(scores)):
        node = page.blocks[block, NODE]
        for level in range(4):
            out[block, 12 + level] = main[node] / max(words[node], 1)
            if level in (1, 2):
                out[block, 15 + level] = main[node] / whole
            node = page.nodes[node, PARENT]


@kernel
def _run(scores: Float32s, sizes: Float32s, words: Any, least: Any, out: Float32s) -> None:
    """How far a block is from the heaviest run of blocks above the cut: in blocks, and the words between."""
    start = first = last = 0
    previous, most, here = -_GAP - 2, -1.0, 0.0
    for block in range(len(scores)):
        if scores[block] < least:
            continue
        if block - previous > _GAP + 1:
            start, here = block, 0.0
        here += scores[block] * sizes[block]
        previous = block
        if here > most:
            most, first, last = here, start, block
    for block in range(len(scores)):
        values = out[block]
        values[21] = max(block - first, -_FAR) if block < first else min(max(block - last, 0), _FAR)
        low, high = (last + 1, block) if block > last else (block + 1, first) if block < first else (block, block)
        values[22] = log(words[high] - words[low])

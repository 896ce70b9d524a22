"""Features of the second stage: the first stage's scores of a block, of those around it, and of its elements."""

from __future__ import annotations

import numpy as np

from classifiers.blocks.cut import best_cut
from classifiers.blocks.features.numbers import log
from classifiers.blocks.html.layout import NODE, NODES, PARENT, ScannedPage
from classifiers.blocks.html.names import listed
from classifiers.kernels.arrays import Float, Float32s, Float64s, Int
from classifiers.kernels.jit import kernel

SECOND = listed(
    "score before1_score after1_score before2_score after2_score before4_score after4_score before12_score "
    "after12_score main_before main_after main_here node_score parent_score grand_score great_score parent_main "
    "grand_main page_main page_main_share page_cut run_distance run_gap page_kept_share"
)
# Each column by its name, in capitals.
(SCORE, BEFORE1_SCORE, AFTER1_SCORE, BEFORE2_SCORE, AFTER2_SCORE, BEFORE4_SCORE, AFTER4_SCORE, BEFORE12_SCORE,
 AFTER12_SCORE, MAIN_BEFORE, MAIN_AFTER, MAIN_HERE, NODE_SCORE, PARENT_SCORE, GRAND_SCORE, GREAT_SCORE, PARENT_MAIN,
 GRAND_MAIN, PAGE_MAIN, PAGE_MAIN_SHARE, PAGE_CUT, RUN_DISTANCE, RUN_GAP,
 PAGE_KEPT_SHARE) = range(len(SECOND))  # fmt: skip
_NEAR, _WIDE = 4, 12  # blocks on one side; the columns' names say the same
_LEVELS = 4  # elements around a block, from the inside out
_GAP = 3  # blocks below the cut that do not end a run of those above it
_FAR = 100  # blocks; more distance says no more
_NO_BLOCK = -1  # the page begins or ends there


def around(page: ScannedPage, scores: Float32s, sizes: Float32s) -> Float32s:
    """A row of `SECOND` for each block. `sizes` are words."""
    out = np.zeros((len(scores), len(SECOND)), np.float32)
    if len(scores):
        _fill(page, scores, sizes, np.float32(best_cut(scores, sizes)[0]), out)
    return out


@kernel
def _fill(page: ScannedPage, scores: Float32s, sizes: Float32s, least: Float, out: Float32s) -> None:
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
        row = out[block]
        row[MAIN_BEFORE], row[MAIN_AFTER] = main[block] / whole, (main[size] - main[block + 1]) / whole
        row[MAIN_HERE] = scores[block] * sizes[block] / whole
        row[PAGE_MAIN], row[PAGE_MAIN_SHARE] = log(main[size]), main[size] / max(words[size], 1)
        row[PAGE_CUT], row[PAGE_KEPT_SHARE] = least, above / size


@kernel
def _windows(scores: Float32s, main: Float64s, words: Float64s, out: Float32s) -> None:
    size = len(scores)
    for block in range(size):
        row = out[block]
        row[SCORE] = scores[block]
        row[BEFORE1_SCORE] = scores[block - 1] if block >= 1 else _NO_BLOCK
        row[AFTER1_SCORE] = scores[block + 1] if block + 1 < size else _NO_BLOCK
        row[BEFORE2_SCORE] = scores[block - 2] if block >= 2 else _NO_BLOCK
        row[AFTER2_SCORE] = scores[block + 2] if block + 2 < size else _NO_BLOCK
        first, last = max(block - _NEAR, 0), min(block + 1 + _NEAR, size)
        row[BEFORE4_SCORE], row[AFTER4_SCORE] = _sides(main, words, first, block, last)
        first, last = max(block - _WIDE, 0), min(block + 1 + _WIDE, size)
        row[BEFORE12_SCORE], row[AFTER12_SCORE] = _sides(main, words, first, block, last)


@kernel
def _sides(main: Float64s, words: Float64s, first: Int, block: Int, last: Int) -> tuple[Float, Float]:
    """Share of main text among the words from block `first` up to this one, and after this one up to `last`."""
    before: Float = words[block] - words[first]
    after: Float = words[last] - words[block + 1]
    return (main[block] - main[first]) / max(before, 1), (main[last] - main[block + 1]) / max(after, 1)


@kernel
def _elements(page: ScannedPage, scores: Float32s, sizes: Float32s, whole: Float, out: Float32s) -> None:
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
        for level in range(_LEVELS):
            out[block, NODE_SCORE + level] = main[node] / max(words[node], 1)
            if level == 1:
                out[block, PARENT_MAIN] = main[node] / whole
            elif level == 2:
                out[block, GRAND_MAIN] = main[node] / whole
            node = page.nodes[node, PARENT]


@kernel
def _run(scores: Float32s, sizes: Float32s, words: Float64s, least: Float, out: Float32s) -> None:
    """How far a block is from the heaviest run of blocks above the cut: in blocks, and in the words between."""
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
        row = out[block]
        row[RUN_DISTANCE] = max(block - first, -_FAR) if block < first else min(max(block - last, 0), _FAR)
        low, high = (last + 1, block) if block > last else (block + 1, first) if block < first else (block, block)
        row[RUN_GAP] = log(words[high] - words[low])

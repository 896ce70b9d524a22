"""Features of the elements that a block is in: what else is in them, their class words, whether they repeat."""

from __future__ import annotations

import numpy as np

from classifiers.blocks.features import columns as column
from classifiers.blocks.features.columns import PARENTS_AT, RECORD_AT
from classifiers.blocks.features.measure import SENTENCES
from classifiers.blocks.features.numbers import log, share, slot, table
from classifiers.blocks.html import names
from classifiers.blocks.html.layout import CHARS, FOUND, LINKED, NODE, PARENT, SIGNATURE, SIZE, TAG, TITLE, ScannedPage
from classifiers.kernels.arrays import Float32s, Int, Int64s
from classifiers.kernels.hash import FNV_PRIME
from classifiers.kernels.jit import inlined, kernel

_P = np.int64(names.TAGS["p"])
# Totals of a node: characters, those in links, blocks, sentences.
CHARS_IN, LINKED_IN, BLOCKS_IN, SENTENCES_IN = range(4)
TOTALS = 4
# Cues of a node: its own mean, its parent's, the least and the most of all elements around it, a fading sum.
OWN_CUE, PARENT_CUE, LEAST_CUE, MOST_CUE, CUE_SUM = range(5)
CUES = 5
FADING = np.float32(0.7)  # what is left of the sum of cues at each level down
REPEATS = 3  # times that an element must occur to be a record
RECORD_BLOCKS = 2  # blocks in an element, at the least, to be a record

Cues = Float32s  # log-odds by token slot


@kernel
def sum_nodes(page: ScannedPage, raw: Float32s, totals: Float32s) -> None:
    """Sum up what each element holds, in one pass from the last to the first: parents have the lower numbers."""
    for block in range(page.state[SIZE]):
        if block == page.state[TITLE]:
            continue
        node = page.blocks[block, NODE]
        totals[node, CHARS_IN] += page.blocks[block, CHARS]
        totals[node, LINKED_IN] += page.blocks[block, LINKED]
        totals[node, BLOCKS_IN] += 1
        totals[node, SENTENCES_IN] += raw[block, SENTENCES]
    for node in range(len(totals) - 1, 0, -1):
        for k in range(TOTALS):
            totals[page.nodes[node, PARENT], k] += totals[node, k]


@kernel
def cue_nodes(page: ScannedPage, cues: Cues, found: Float32s) -> None:
    """Log-odds of each node's tokens, in the columns OWN_CUE to CUE_SUM."""
    for node in range(1, len(found)):
        parent, own, tokens = page.nodes[node, PARENT], np.float32(0), page.nodes[node, FOUND]
        for k in range(tokens):
            own += cues[page.tokens[node, k]]
        if tokens > 0:
            own /= np.float32(tokens)
        found[node, OWN_CUE], found[node, PARENT_CUE] = own, found[parent, OWN_CUE]
        found[node, LEAST_CUE] = min(found[parent, LEAST_CUE], own)
        found[node, MOST_CUE] = max(found[parent, MOST_CUE], own)
        found[node, CUE_SUM] = found[parent, CUE_SUM] * FADING + own


@kernel
def parents(page: ScannedPage, totals: Float32s, features: Float32s) -> None:
    for block in range(len(features)):
        node = page.blocks[block, NODE]
        for level in range(column.LEVELS):
            if level > 0:
                node = page.nodes[node, PARENT]
            row = features[block, PARENTS_AT + column.PARENT_COLUMNS * level :]
            chars = totals[node, CHARS_IN]
            row[column.PARENT_CHARS], row[column.PARENT_BLOCKS] = log(chars), log(totals[node, BLOCKS_IN])
            row[column.PARENT_LINK_SHARE] = share(totals[node, LINKED_IN], chars)
            row[column.PARENT_SHARE] = share(chars, totals[0, CHARS_IN])
            row[column.PARENT_SENTENCES] = log(totals[node, SENTENCES_IN])


@kernel
def records(page: ScannedPage, totals: Float32s, features: Float32s) -> None:
    """Elements that repeat: how many have the tag, class and parent's class of the block's element, and what they hold;
    and the same of the innermost element around it that occurs REPEATS times or more (a post, an entry of a listing).
    """
    count, nodes = len(totals), page.nodes
    keys, counts = table(count)
    sums = np.zeros((len(keys), TOTALS), np.float32)
    places = np.zeros(count, np.int64)
    for node in range(1, count):
        key = _likeness(nodes, node)
        at = slot(keys, counts, key)
        keys[at] = key
        counts[at] += 1
        for k in range(TOTALS):
            sums[at, k] += totals[node, k]
        places[node] = at
    record = np.zeros(count, np.int64)
    for node in range(1, count):
        parent = nodes[node, PARENT]
        repeats = counts[places[node]] >= REPEATS and nodes[node, TAG] != _P
        record[node] = node if repeats and totals[node, BLOCKS_IN] >= RECORD_BLOCKS else record[parent]
    for block in range(len(features)):
        node = page.blocks[block, NODE]
        row = features[block, RECORD_AT:]
        if node > 0:
            at = places[node]
            row[column.SAME_COUNT], row[column.SAME_CHARS] = log(counts[at]), log(sums[at, CHARS_IN] / counts[at])
            row[column.SAME_LINK_SHARE] = share(sums[at, LINKED_IN], sums[at, CHARS_IN])
        if record[node] > 0:
            at = places[record[node]]
            row[column.RECORD_COUNT], row[column.RECORD_CHARS] = log(counts[at]), log(sums[at, CHARS_IN] / counts[at])
            row[column.RECORD_LINK_SHARE] = share(sums[at, LINKED_IN], sums[at, CHARS_IN])
            row[column.RECORD_SENTENCES] = sums[at, SENTENCES_IN] / counts[at]


@inlined
def _likeness(nodes: Int64s, node: Int) -> Int:
    """A hash of an element's tag and class and of its parent's: equal for the entries of a list."""
    parent = nodes[node, PARENT]
    own = np.uint64(nodes[node, SIGNATURE]) * np.uint64(31) + np.uint64(nodes[node, TAG])
    around = np.uint64(nodes[parent, SIGNATURE]) * np.uint64(17) + np.uint64(nodes[parent, TAG])
    return own * FNV_PRIME + around

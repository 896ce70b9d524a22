"""Features of the elements that a block is in: what else is in them, their class words, whether they repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.features.columns import PARENTS_AT, RECORD_AT
from classifiers.blocks.features.measure import SENTENCES
from classifiers.blocks.features.numbers import log, share, slot, table
from classifiers.blocks.html import names
from classifiers.blocks.html.layout import CHARS, FOUND, LINKED, NODE, PARENT, SIGNATURE, SIZE, TAG, TITLE, ScannedPage
from classifiers.kernels.arrays import Float32s
from classifiers.kernels.jit import kernel

_P = np.int64(names.TAGS["p"])
# Totals of a node: characters, those in links, blocks, sentences.
CHARS_IN, LINKED_IN, BLOCKS_IN, SENTENCES_IN = range(4)

Cues = Float32s  # log-odds by token slot


@kernel
def sum_nodes(page: ScannedPage, raw: Float32s, totals: Any) -> None:
    """A parent's number is below its children's: one pass from the last to the first."""
    for block in range(page.state[SIZE]):
        if block == page.state[TITLE]:
            continue
        node = page.blocks[block, NODE]
        totals[node, CHARS_IN] += page.blocks[block, CHARS]
        totals[node, LINKED_IN] += page.blocks[block, LINKED]
        totals[node, BLOCKS_IN] += 1
        totals[node, SENTENCES_IN] += raw[block, SENTENCES]
    for node in range(len(totals) - 1, 0, -1):
        for k in range(4):
            totals[page.nodes[node, PARENT], k] += totals[node, k]


@kernel
def cue_nodes(page: ScannedPage, cues: Cues, found: Any) -> None:
    """Log-odds of a node's tokens: its mean, its parent's, the least and most of all around it, a fading sum."""
    for node in range(1, len(found)):
        parent, own, tokens = page.nodes[node, PARENT], np.float32(0), page.nodes[node, FOUND]
        for k in range(tokens):
            own += cues[page.tokens[node, k]]
        if tokens > 0:
            own /= np.float32(tokens)
        found[node, 0], found[node, 1] = own, found[parent, 0]
        found[node, 2], found[node, 3] = min(found[parent, 2], own), max(found[parent, 3], own)
        found[node, 4] = found[parent, 4] * np.float32(0.7) + own


@kernel
def parents(page: ScannedPage, totals: Any, features: Float32s) -> None:
    for block in range(len(features)):
        node = page.blocks[block, NODE]
        for level in range(3):
            if level > 0:
                node = page.nodes[node, PARENT]
            values = features[block, PARENTS_AT + 5 * level :]
            chars = totals[node, CHARS_IN]
            values[0], values[1], values[2] = (
                log(chars),
                share(totals[node, LINKED_IN], chars),
                log(totals[node, BLOCKS_IN]),
            )
            values[3], values[4] = share(chars, totals[0, CHARS_IN]), log(totals[node, SENTENCES_IN])


@kernel
def records(page: ScannedPage, totals: Any, features: Float32s) -> None:
    """Elements that repeat: how many have the block's element's tag, class and parent's class, and what is in them all;
    and the same of the innermost element around it that occurs three times or more (a post, a listing's entry).
    """
    count, nodes = len(totals), page.nodes
    keys, counts = table(count)
    sums = np.zeros((len(keys), 3), np.float32)
    places = np.zeros(count, np.int64)
    for node in range(1, count):
        own = np.uint64(nodes[node, SIGNATURE]) * np.uint64(31) + np.uint64(nodes[node, TAG])
        parent = nodes[node, PARENT]
        around = np.uint64(nodes[parent, SIGNATURE]) * np.uint64(17) + np.uint64(nodes[parent, TAG])
        key = own * np.uint64(1_099_511_628_211) + around
        at = slot(keys, counts, key)
        keys[at] = key
        counts[at] += 1
        sums[at, 0] += totals[node, CHARS_IN]
        sums[at, 1] += totals[node, LINKED_IN]
        sums[at, 2] += totals[node, SENTENCES_IN]
        places[node] = at
    record = np.zeros(count, np.int64)
    for node in range(1, count):
        parent = nodes[node, PARENT]
        is_record = counts[places[node]] >= 3 and nodes[node, TAG] != _P and totals[node, BLOCKS_IN] >= 2
        record[node] = node if is_record else record[parent]
    for block in range(len(features)):
        node = page.blocks[block, NODE]
        values = features[block, RECORD_AT:]
        if node > 0:
            at = places[node]
            values[0], values[1] = log(counts[at]), log(sums[at, 0] / max(counts[at], 1))
            values[2] = share(sums[at, 1], sums[at, 0])
        around = record[node]
        if around > 0:
            at = places[around]
            values[3], values[4] = log(counts[at]), log(sums[at, 0] / counts[at])
            values[5], values[6] = share(sums[at, 1], sums[at, 0]), sums[at, 2] / counts[at]

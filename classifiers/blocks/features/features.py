"""Features of a page's blocks: one row of float32 for each, from `scan`'s parts and `measure`'s counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classifiers.blocks.features.alone import FLAGS, copies, own, places
from classifiers.blocks.features.around import neighbours, pages
from classifiers.blocks.features.columns import CUE_AT, EVIDENCE_AT, FEATURES, FLAG_AT
from classifiers.blocks.features.elements import Cues, cue_nodes, parents, records, sum_nodes
from classifiers.blocks.features.evidence import support
from classifiers.blocks.features.measure import RAW, measure
from classifiers.blocks.features.numbers import log
from classifiers.blocks.features.region import regions
from classifiers.blocks.html import scan
from classifiers.blocks.html.layout import EVIDENCE, NODE, NODE_FLAGS, NODES, PARENT, SIZE, ScannedPage, new_page
from classifiers.kernels.arrays import Bytes, Float32s, UInt64s
from classifiers.kernels.jit import kernel


class PageBlocks(NamedTuple):
    """A page read: `features` has a row for each block, `hashes` one of its text."""

    page: ScannedPage
    raw: Float32s
    features: Float32s
    hashes: UInt64s

    @property
    def size(self) -> int:
        return int(self.page.state[SIZE])


def read(html: bytes | memoryview | Bytes, cues: Cues) -> PageBlocks:
    """Blocks and features of a page in UTF-8 (other bytes do no harm)."""
    data = np.frombuffer(html, np.uint8)
    page = new_page(data)
    scan.read(data, page)
    return featured(page, cues)


def featured(page: ScannedPage, cues: Cues) -> PageBlocks:
    size = int(page.state[SIZE])
    raw, hashes = np.zeros((size, len(RAW)), np.float32), np.zeros(size, np.uint64)
    features = np.zeros((size, len(FEATURES)), np.float32)
    if size:
        measure(page.text, page.blocks, page.state, size, raw, hashes)
        fill(page, cues, raw, hashes, features)
    return PageBlocks(page, raw, features, hashes)


@kernel
def fill(page: ScannedPage, cues: Cues, raw: Float32s, hashes: Any, features: Float32s) -> None:
    size, nodes = page.state[SIZE], page.state[NODES]
    totals = np.zeros((nodes, 4), np.float32)
    sum_nodes(page, raw, totals)
    node_cues = np.zeros((nodes, 5), np.float32)
    cue_nodes(page, cues, node_cues)
    own(page, raw, features)
    copies(hashes, features)
    places(page, features)
    for block in range(size):
        flags = page.nodes[page.blocks[block, NODE], NODE_FLAGS]
        for bit in range(1, FLAGS):
            features[block, FLAG_AT + bit - 1] = (flags >> bit) & 1
        node = page.blocks[block, NODE]
        parent = page.nodes[node, PARENT]
        for k in range(5):
            features[block, CUE_AT + k] = node_cues[node, k]
        features[block, CUE_AT + 5] = node_cues[page.nodes[parent, PARENT], 0]
    pages(page, raw, features)
    parents(page, totals, features)
    records(page, totals, features)
    regions(page, raw, totals, neighbours(page, raw, features), features)
    if page.state[EVIDENCE] > 0:
        shares = np.empty(size, np.float32)
        seen = support(page, shares)
        for block in range(size):
            values = features[block, EVIDENCE_AT:]
            values[0], values[1], values[2] = shares[block], log(page.state[EVIDENCE]), seen

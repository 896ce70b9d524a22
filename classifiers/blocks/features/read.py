"""From the bytes of a page to its blocks with their features: one row of float32 for each block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.blocks.features import columns as column
from classifiers.blocks.features.alone import FLAGS, copies, own, places
from classifiers.blocks.features.around import neighbours, pages
from classifiers.blocks.features.columns import CUE_AT, EVIDENCE_AT, FEATURES, FLAG_AT
from classifiers.blocks.features.elements import CUES, OWN_CUE, TOTALS, Cues, cue_nodes, parents, records, sum_nodes
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


def read_blocks(html: bytes | memoryview | Bytes, cues: Cues) -> PageBlocks:
    """Blocks and features of a page in UTF-8 (other bytes do no harm)."""
    data = np.frombuffer(html, np.uint8)
    page = new_page(data)
    scan.read(data, page)
    return featured(page, cues)


def featured(page: ScannedPage, cues: Cues) -> PageBlocks:
    """The features of a page that was scanned."""
    size = int(page.state[SIZE])
    raw, hashes = np.zeros((size, len(RAW)), np.float32), np.zeros(size, np.uint64)
    features = np.zeros((size, len(FEATURES)), np.float32)
    if size:
        measure(page.text, page.blocks, page.state, size, raw, hashes)
        fill(page, cues, raw, hashes, features)
    return PageBlocks(page, raw, features, hashes)


@kernel
def fill(page: ScannedPage, cues: Cues, raw: Float32s, hashes: UInt64s, features: Float32s) -> None:
    size, nodes = page.state[SIZE], page.state[NODES]
    totals = np.zeros((nodes, TOTALS), np.float32)
    sum_nodes(page, raw, totals)
    node_cues = np.zeros((nodes, CUES), np.float32)
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
        for k in range(CUES):
            features[block, CUE_AT + k] = node_cues[node, k]
        features[block, CUE_AT + CUES] = node_cues[page.nodes[parent, PARENT], OWN_CUE]  # of the grandparent
    pages(page, raw, features)
    parents(page, totals, features)
    records(page, totals, features)
    regions(page, raw, totals, neighbours(page, raw, features), features)
    if page.state[EVIDENCE] > 0:
        shares = np.empty(size, np.float32)
        seen = support(page, shares)
        for block in range(size):
            row = features[block, EVIDENCE_AT:]
            row[column.SUPPORTED], row[column.PAGE_EVIDENCE] = shares[block], log(page.state[EVIDENCE])
            row[column.PAGE_EVIDENCE_SEEN] = seen

"""Features of a page's blocks: one row of float32 for each, from `scan`'s parts and `measure`'s counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from classifiers.blocks import names, scan
from classifiers.blocks.measure import (
    BULLET,
    CAPITALS,
    COMMAS,
    COPYRIGHT,
    DIGITS,
    ENDS_COLON,
    ENDS_SENTENCE,
    FIRST_CAPITAL,
    QUESTIONS,
    RAW,
    SENTENCES,
    STARTS_DIGIT,
    SYMBOLS,
    TITLE_SHARE,
    TITLED,
    UNSPACED,
    WORDS,
    Raw,
    measure,
)  # fmt: skip
from classifiers.blocks.names import listed
from classifiers.blocks.scan import (
    BOLD,
    CHARS,
    DEPTH,
    FOUND,
    HTML,
    HTML_END,
    LINES,
    LINKED,
    LINKS,
    NODE,
    NODE_FLAGS,
    NODES,
    PARENT,
    SIGNATURE,
    SIZE,
    TAG,
    TITLE,
    TOKENS,
    Page,
)  # fmt: skip
from classifiers.jit import kernel

Features = npt.NDArray[np.float32]
Cues = npt.NDArray[np.float32]  # log-odds by token slot

_OWN = listed(
    "chars words link_share links commas sentences digit_share capital_share unspaced_share symbol_share bold_share "
    "word_length lines first_capital ends_sentence ends_colon bullet copyright titled title_share questions "
    "starts_digit copies"
)
_PLACE = listed(
    "text_position html_position chars_before depth tag heading_level flag_count since_h1 since_heading gap_before "
    "gap_after html_per_char"
)
_FLAG = [f"in_{name}" for name in names.FLAGS if name != "silent"]
_CUE = listed("cue_own cue_parent cue_least cue_most cue_sum cue_grand")
_PAGE = listed("page_chars page_blocks page_link_share page_long_share page_sentences page_unspaced page_p_share")
_PARENTS = [
    f"{who}_{what}"
    for who in ("parent", "grand", "great")
    for what in ("chars", "link_share", "blocks", "share", "sentences")
]
_RECORD = listed("same_count same_chars same_link_share record_count record_chars record_link_share record_sentences")
_NEAR = [
    f"{side}{distance}_{what}"
    for side in ("before", "after")
    for distance in (1, 2)
    for what in ("chars", "link_share", "ends_sentence", "tag_same", "parent_same")
] + listed(
    "near3_chars near3_link_share near10_chars near10_link_share near10_sentences densest_distance densest_chars"
)
FEATURES = (*_OWN, *_PLACE, *_FLAG, *_CUE, *_PAGE, *_PARENTS, *_RECORD, *_NEAR)
_AT = {name: place for place, name in enumerate(FEATURES)}
_OWN_AT, _PLACE_AT, _FLAG_AT, _CUE_AT, _PAGE_AT, _PARENTS_AT, _RECORD_AT, _NEAR_AT = (
    _AT[group[0]] for group in (_OWN, _PLACE, _FLAG, _CUE, _PAGE, _PARENTS, _RECORD, _NEAR)
)
_FLAGS = len(names.FLAGS)
_H1, _H6, _P = (np.int64(names.TAGS[name]) for name in ("h1", "h6", "p"))
LONG = 100  # characters of a long block

# Totals of a node: characters, those in links, blocks, sentences.
_T_CHARS, _T_LINKED, _T_BLOCKS, _T_SENTENCES = range(4)


class Blocks(NamedTuple):
    """A page read: `features` has a row for each block."""

    page: Page
    raw: Raw
    features: Features

    @property
    def size(self) -> int:
        return int(self.page.state[SIZE])


def read(html: bytes | memoryview | scan.Bytes, cues: Cues) -> Blocks:
    """Blocks and features of a page in UTF-8 (other bytes do no harm)."""
    data = np.frombuffer(html, np.uint8)
    page = scan.new_page(data)
    scan.read(data, page)
    return featured(page, cues)


def featured(page: Page, cues: Cues) -> Blocks:
    size = int(page.state[SIZE])
    raw, hashes = np.zeros((size, len(RAW)), np.float32), np.zeros(size, np.uint64)
    features = np.zeros((size, len(FEATURES)), np.float32)
    if size:
        measure(page.text, page.blocks, page.state, size, raw, hashes)
        fill(page, cues, raw, hashes, features)
    return Blocks(page, raw, features)


@kernel
def fill(page: Page, cues: Cues, raw: Raw, hashes: Any, features: Features) -> None:
    size, nodes = page.state[SIZE], page.state[NODES]
    totals = np.zeros((nodes, 4), np.float32)
    _sum_nodes(page, raw, totals)
    node_cues = np.zeros((nodes, 5), np.float32)
    _cue_nodes(page, cues, node_cues)
    _own(page, raw, features)
    _copies(hashes, features)
    _places(page, features)
    for block in range(size):
        flags = page.nodes[page.blocks[block, NODE], NODE_FLAGS]
        for bit in range(1, _FLAGS):
            features[block, _FLAG_AT + bit - 1] = (flags >> bit) & 1
        node = page.blocks[block, NODE]
        parent = page.nodes[node, PARENT]
        for k in range(5):
            features[block, _CUE_AT + k] = node_cues[node, k]
        features[block, _CUE_AT + 5] = node_cues[page.nodes[parent, PARENT], 0]
    _pages(page, raw, features)
    _parents(page, totals, features)
    _records(page, totals, features)
    _neighbours(page, raw, features)


@kernel
def _log(value: Any) -> Any:
    return np.float32(np.log1p(np.float32(max(value, np.float32(0)))))


@kernel
def _share(part: Any, whole: Any) -> Any:
    return np.float32(part) / np.float32(max(whole, 1))


@kernel
def _sum_nodes(page: Page, raw: Raw, totals: Any) -> None:
    """A parent's number is below its children's: one pass from the last to the first."""
    for block in range(page.state[SIZE]):
        if block == page.state[TITLE]:
            continue
        node = page.blocks[block, NODE]
        totals[node, _T_CHARS] += page.blocks[block, CHARS]
        totals[node, _T_LINKED] += page.blocks[block, LINKED]
        totals[node, _T_BLOCKS] += 1
        totals[node, _T_SENTENCES] += raw[block, SENTENCES]
    for node in range(len(totals) - 1, 0, -1):
        for k in range(4):
            totals[page.nodes[node, PARENT], k] += totals[node, k]


@kernel
def _cue_nodes(page: Page, cues: Cues, found: Any) -> None:
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
def _own(page: Page, raw: Raw, features: Features) -> None:
    for block in range(len(features)):
        chars, words = page.blocks[block, CHARS], raw[block, WORDS]
        values = features[block, _OWN_AT:]
        values[0], values[1] = _log(chars), _log(words)
        values[2], values[3] = _share(page.blocks[block, LINKED], chars), page.blocks[block, LINKS]
        values[4], values[5] = raw[block, COMMAS], raw[block, SENTENCES]
        values[6], values[7] = _share(raw[block, DIGITS], chars), _share(raw[block, CAPITALS], chars)
        values[8], values[9] = _share(raw[block, UNSPACED], chars), _share(raw[block, SYMBOLS], chars)
        values[10], values[11] = _share(page.blocks[block, BOLD], chars), _share(chars, words)
        values[12] = page.blocks[block, LINES]
        values[13], values[14] = raw[block, FIRST_CAPITAL], raw[block, ENDS_SENTENCE]
        values[15], values[16], values[17] = raw[block, ENDS_COLON], raw[block, BULLET], raw[block, COPYRIGHT]
        values[18], values[19] = raw[block, TITLED], raw[block, TITLE_SHARE]
        values[20], values[21] = raw[block, QUESTIONS], raw[block, STARTS_DIGIT]


@kernel
def _copies(hashes: Any, features: Features) -> None:
    """How often a block's text stands on the page."""
    slots = 4
    while slots < 2 * len(hashes):
        slots *= 2
    keys, counts = np.zeros(slots, np.uint64), np.zeros(slots, np.int32)
    places = np.empty(len(hashes), np.int64)
    for block in range(len(hashes)):
        at = _slot(keys, counts, hashes[block])
        keys[at] = hashes[block]
        counts[at] += 1
        places[block] = at
    for block in range(len(hashes)):
        features[block, _OWN_AT + 22] = min(counts[places[block]], 20)


@kernel
def _slot(keys: Any, counts: Any, key: Any) -> Any:
    """The key's place in an open hash table, or the free one where it belongs."""
    mask = np.uint64(len(keys) - 1)
    at = np.int64(((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask)
    while counts[at] > 0 and keys[at] != key:
        at = (at + 1) & np.int64(mask)
    return at


@kernel
def _places(page: Page, features: Features) -> None:
    size = len(features)
    blocks, nodes = page.blocks, page.nodes
    total = max(np.int64(1), blocks[size - 1, 1])
    html_total = max(np.int64(1), blocks[size - 1, HTML_END])
    h1_at = heading_at = -1
    before = np.int64(0)
    for block in range(size):
        node = blocks[block, NODE]
        tag, flags = nodes[node, TAG], nodes[node, NODE_FLAGS]
        values = features[block, _PLACE_AT:]
        values[0], values[1] = blocks[block, 0] / total, blocks[block, HTML] / html_total
        values[2], values[3], values[4] = _log(before), min(nodes[node, DEPTH], 64), tag
        values[5] = tag - _H1 + 1 if _H1 <= tag <= _H6 else 0
        count = 0
        for bit in range(1, _FLAGS):
            count += (flags >> bit) & 1
        values[6] = count
        values[7] = min(block - h1_at, 500) if h1_at >= 0 else -1
        values[8] = min(block - heading_at, 500) if heading_at >= 0 else -1
        previous = blocks[block - 1, HTML_END] if block > 0 else np.int64(0)
        following = blocks[block + 1, HTML] if block + 1 < size else html_total
        values[9], values[10] = _log(blocks[block, HTML] - previous), _log(following - blocks[block, HTML_END])
        values[11] = _log(_share(blocks[block, HTML_END] - blocks[block, HTML], blocks[block, CHARS]))
        before += blocks[block, CHARS]
        if tag == _H1:
            h1_at = block
        if _H1 <= tag <= _H6:
            heading_at = block


@kernel
def _pages(page: Page, raw: Raw, features: Features) -> None:
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
        values = features[block, _PAGE_AT:]
        values[0], values[1], values[2] = _log(chars), _log(size), _share(linked, chars)
        values[3], values[4], values[5] = _share(long, chars), _log(sentences), _share(unspaced, chars)
        values[6] = _share(in_p, chars)


@kernel
def _parents(page: Page, totals: Any, features: Features) -> None:
    for block in range(len(features)):
        node = page.blocks[block, NODE]
        for level in range(3):
            if level > 0:
                node = page.nodes[node, PARENT]
            values = features[block, _PARENTS_AT + 5 * level :]
            chars = totals[node, _T_CHARS]
            values[0], values[1], values[2] = (
                _log(chars),
                _share(totals[node, _T_LINKED], chars),
                _log(totals[node, _T_BLOCKS]),
            )
            values[3], values[4] = _share(chars, totals[0, _T_CHARS]), _log(totals[node, _T_SENTENCES])


@kernel
def _records(page: Page, totals: Any, features: Features) -> None:
    """Elements that repeat: how many have the block's element's tag, class and parent's class, and what is in them all;
    and the same of the innermost element around it that occurs three times or more (a post, a listing's entry).
    """
    count, nodes = len(totals), page.nodes
    slots = 4
    while slots < 2 * count:
        slots *= 2
    keys, counts = np.zeros(slots, np.uint64), np.zeros(slots, np.int32)
    sums = np.zeros((slots, 3), np.float32)
    places = np.zeros(count, np.int64)
    for node in range(1, count):
        own = np.uint64(nodes[node, SIGNATURE]) * np.uint64(31) + np.uint64(nodes[node, TAG])
        parent = nodes[node, PARENT]
        around = np.uint64(nodes[parent, SIGNATURE]) * np.uint64(17) + np.uint64(nodes[parent, TAG])
        key = own * np.uint64(1_099_511_628_211) + around
        at = _slot(keys, counts, key)
        keys[at] = key
        counts[at] += 1
        sums[at, 0] += totals[node, _T_CHARS]
        sums[at, 1] += totals[node, _T_LINKED]
        sums[at, 2] += totals[node, _T_SENTENCES]
        places[node] = at
    record = np.zeros(count, np.int64)
    for node in range(1, count):
        parent = nodes[node, PARENT]
        is_record = counts[places[node]] >= 3 and nodes[node, TAG] != _P and totals[node, _T_BLOCKS] >= 2
        record[node] = node if is_record else record[parent]
    for block in range(len(features)):
        node = page.blocks[block, NODE]
        values = features[block, _RECORD_AT:]
        if node > 0:
            at = places[node]
            values[0], values[1] = _log(counts[at]), _log(sums[at, 0] / max(counts[at], 1))
            values[2] = _share(sums[at, 1], sums[at, 0])
        around = record[node]
        if around > 0:
            at = places[around]
            values[3], values[4] = _log(counts[at]), _log(sums[at, 0] / counts[at])
            values[5], values[6] = _share(sums[at, 1], sums[at, 0]), sums[at, 2] / counts[at]


@kernel
def _neighbours(page: Page, raw: Raw, features: Features) -> None:
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
        place = _NEAR_AT
        for side in (-1, 1):
            for distance in (1, 2):
                other = block + side * distance
                if 0 <= other < size:
                    chars, there = blocks[other, CHARS], blocks[other, NODE]
                    features[block, place] = _log(chars)
                    features[block, place + 1] = _share(blocks[other, LINKED], chars)
                    features[block, place + 2] = raw[other, ENDS_SENTENCE]
                    features[block, place + 3] = nodes[node, TAG] == nodes[there, TAG]
                    features[block, place + 4] = node == there or nodes[node, PARENT] == nodes[there, PARENT]
                else:
                    features[block, place] = -1
                place += 5
        for width in (3, 10):
            first, last = max(block - width, 0), min(block + width + 1, size)
            chars = sums[last, 0] - sums[first, 0]
            features[block, place] = _log(chars / (last - first))
            features[block, place + 1] = _share(sums[last, 1] - sums[first, 1], chars)
            place += 2
            if width == 10:
                features[block, place] = (sums[last, 2] - sums[first, 2]) / (last - first)
                place += 1
        features[block, place] = min(max(block - densest, -200), 200)
        features[block, place + 1] = _log(most)


__all__ = ["FEATURES", "TOKENS", "Blocks", "featured", "read"]

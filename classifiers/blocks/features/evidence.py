"""What a page's metadata says about its main text: the `articleBody` of its JSON, with which blocks are compared.

A script's JSON is not parsed: its key is searched for, and the string after the key is read to its end. Every three
words in a row are put into a Bloom filter; a block is supported by the share of its words that are in such threes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.features.measure import CAPITAL, DIGIT, LETTER, LONE, MARK, kind_of
from classifiers.blocks.html.characters import AMP, LT, SLASH, is_letter, is_space, reference
from classifiers.blocks.html.layout import END, EVIDENCE, SIZE, START, TITLE, Offset, ScannedPage
from classifiers.kernels.arrays import Bytes
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode_trusted, put

KEY = np.frombuffer(b'"articleBody"', np.uint8)
_SHIFTS = np.full(256, len(KEY), np.int64)  # Horspool's algorithm: how far the key can move on, by the byte at its end
_SHIFTS[KEY[:-1]] = len(KEY) - 1 - np.arange(len(KEY) - 1)
_SEED, _MULTIPLIER = np.uint64(14_695_981_039_346_656_037), np.uint64(1_099_511_628_211)
_QUOTE, _BACKSLASH, _COLON, _U, _GT = (np.uint8(ord(c)) for c in '"\\:u>')


@kernel
def collect(data: Bytes, at: Offset, end: Offset, page: ScannedPage) -> None:
    """Remember the words of every `articleBody` in a script."""
    last = len(KEY) - 1
    at += last
    while at < end:
        if data[at] != KEY[last]:
            at += _SHIFTS[data[at]]
            continue
        k = 0
        while k < last and data[at - last + k] == KEY[k]:
            k += 1
        at = _remember(data, at + 1, end, page) + last if k == last else at + _SHIFTS[data[at]]


@kernel
def _remember(data: Bytes, at: Offset, end: Offset, page: ScannedPage) -> Offset:
    """Remember the words of the string that is the key's value, if it is a string. Returns where it ends."""
    while at < end and (is_space(data[at]) or data[at] == _COLON):
        at += 1
    if at >= end or data[at] != _QUOTE:
        return at
    stop = at + 1
    while stop < end and data[stop] != _QUOTE:
        stop += 2 if data[stop] == _BACKSLASH else 1
    stop = min(stop, end)
    text = np.zeros(stop - at + 4, np.uint8)
    size = _unescaped(data, at + 1, stop, text)
    words = np.empty(size, np.uint64)
    count = words_of(text, 0, size, words)
    for k in range(count - 2):
        slot, bit = _place(words[k], words[k + 1], words[k + 2], len(page.evidence))
        page.evidence[slot] |= bit
    page.state[EVIDENCE] += max(count - 2, 0)
    return stop + 1


@kernel
def _unescaped(data: Bytes, at: Offset, end: Offset, text: Bytes) -> Any:
    """Write the characters of a JSON string, without tags. Returns their size, at most that of the string."""
    here = 0
    while at < end:
        byte = data[at]
        if byte == _BACKSLASH and at + 1 < end:
            if data[at + 1] == _U and at + 5 < end:
                point = np.int64(0)
                for k in range(2, 6):
                    digit = np.int64(data[at + k] | 32)
                    point = point * 16 + (digit - 87 if digit >= 97 else digit - 48)
                here = put(text, here, point if 0 < point < 0xD800 or 0xE000 <= point < 0x10000 else np.int64(32))
                at += 6
                continue
            text[here] = data[at + 1] if data[at + 1] in (_QUOTE, _BACKSLASH, SLASH) else 32
            at += 2
        elif byte == LT and at + 1 < end and (is_letter(data[at + 1]) or data[at + 1] == SLASH):
            while at < end and data[at] != _GT:
                at += 1
            text[here] = 32
            at += 1
        elif byte == AMP:
            point, size = reference(data, at, end)
            here = put(text, here, point)
            at += size
            continue
        else:
            text[here] = byte
            at += 1
        here += 1
    return here


@kernel
def words_of(text: Bytes, at: Offset, end: Offset, out: Any) -> Any:
    """Hashes of a text's words, ignoring ASCII case; in scripts without spaces, of its characters. Returns how many."""
    count, in_word, word = 0, False, _SEED
    while at < end:
        point, size = decode_trusted(text, at)
        kind = kind_of(point)
        at += size
        if kind in (LETTER, CAPITAL, DIGIT, LONE) or (kind == MARK and in_word):
            if kind == LONE and in_word:
                out[count] = word
                count, word = count + 1, _SEED
            small = point | 32 if kind == CAPITAL and point < 128 else point
            word = (word ^ np.uint64(small)) * _MULTIPLIER
            in_word = True
        if in_word and kind not in (LETTER, CAPITAL, DIGIT, MARK):
            out[count] = word
            count, word, in_word = count + 1, _SEED, False
    if in_word:
        out[count] = word
        count += 1
    return count


@kernel
def _place(first: Any, second: Any, third: Any, slots: Any) -> tuple[Any, Any]:
    value = ((first * np.uint64(31) ^ second) * np.uint64(0x9E3779B97F4A7C15) ^ third) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64((value >> np.uint64(40)) % np.uint64(slots)), np.uint64(1) << (value >> np.uint64(58))


@kernel
def support(page: ScannedPage, shares: Any) -> Any:
    """Fill in the share of each block's words that the evidence has. Returns the share of the evidence that was seen.

    Threes of words cross the borders of blocks, so that a heading is recognised by the paragraph after it.
    """
    most = np.int64(0)
    for block in range(page.state[SIZE]):
        most += page.blocks[block, END] - page.blocks[block, START]
    words, counts = np.empty(most + 1, np.uint64), np.empty(page.state[SIZE], np.int64)
    total = np.int64(0)
    for block in range(page.state[SIZE]):
        counts[block] = words_of(page.text, page.blocks[block, START], page.blocks[block, END], words[total:])
        if block == page.state[TITLE]:
            counts[block] = 0
        total += counts[block]
    covered, seen = np.zeros(total, np.bool_), np.int64(0)
    for k in range(total - 2):
        slot, bit = _place(words[k], words[k + 1], words[k + 2], len(page.evidence))
        if page.evidence[slot] & bit:
            covered[k] = covered[k + 1] = covered[k + 2] = True
            seen += 1
    at = np.int64(0)
    for block in range(page.state[SIZE]):
        found = np.int64(0)
        for k in range(counts[block]):
            found += covered[at + k]
        at += counts[block]
        shares[block] = found / max(counts[block], 1)
    return seen / max(page.state[EVIDENCE], 1)

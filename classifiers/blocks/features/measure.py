"""What the characters of each block say: words, punctuation, scripts."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.html.layout import END, START, TITLE
from classifiers.blocks.html.names import listed
from classifiers.kernels.arrays import Bytes, Float32s, Int, Int64s, UInt64s
from classifiers.kernels.hash import FNV_SEED, fnv
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode_trusted

RAW = listed(
    "words commas sentences digits capitals unspaced symbols first_capital ends_sentence ends_colon bullet copyright "
    "titled title_share questions starts_digit"
)
(WORDS, COMMAS, SENTENCES, DIGITS, CAPITALS, UNSPACED, SYMBOLS, FIRST_CAPITAL, ENDS_SENTENCE, ENDS_COLON, BULLET,
 COPYRIGHT, TITLED, TITLE_SHARE, QUESTIONS, STARTS_DIGIT) = range(len(RAW))  # fmt: skip

_TITLE_WORDS = 64  # of a title and of a block that are compared; hardly any title has more
_WIDE = 0x3000  # from this code point on, punctuation is as wide as a character and needs no space after it
_COPYRIGHT_SIGN = 0xA9

# Kinds of characters. LONE: of a script without spaces, counts as a word. CLOSING: a quote or bracket at the end.
NOTHING, LETTER, CAPITAL, DIGIT, SPACE, COMMA, STOP, QUESTION, COLON, SYMBOL, LONE, MARK, CLOSING = range(13)
_KIND_COUNT = 13


def _classes() -> Any:
    """Of the code points below 0x3100; `kind_of` knows the others."""
    import unicodedata

    kinds = np.zeros(0x3100, np.int8)
    by_category = {
        "Lu": CAPITAL,
        "Lt": CAPITAL,
        "Nd": DIGIT,
        "Zs": SPACE,
        "Mn": MARK,
        "Mc": MARK,
        "Pf": CLOSING,
        "Pe": CLOSING,
    }
    for point in range(len(kinds)):
        category = unicodedata.category(chr(point))
        kinds[point] = by_category.get(category, LETTER if category[0] in "LN" else SYMBOL)
    for kind, characters in (
        (SPACE, "\n\t\r"),
        (COMMA, ",;،؛、·"),
        (STOP, ".!…؟۔।။።。"),
        (QUESTION, "?;"),
        (COLON, ":："),
        (CLOSING, "\"')]”’»"),
    ):
        for character in characters:
            if ord(character) < len(kinds):
                kinds[ord(character)] = kind
    for first, last in ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF)):
        for point in range(first, last + 1):
            if kinds[point] == LETTER:
                kinds[point] = LONE
    return kinds


_KINDS = _classes()


@kernel
def kind_of(point: Int) -> Int:
    """The kind of a code point."""
    if point < 0x3100:
        return np.int64(_KINDS[point])
    if 0x3400 <= point < 0xA000 or 0xF900 <= point < 0xFB00 or 0x20000 <= point < 0x32000:
        return np.int64(LONE)
    if 0xFF00 <= point < 0xFF66:
        if point == 0xFF0C or point == 0xFF1B:
            return np.int64(COMMA)
        if point == 0xFF0E or point == 0xFF01:
            return np.int64(STOP)
        return np.int64(QUESTION) if point == 0xFF1F else np.int64(COLON) if point == 0xFF1A else np.int64(SYMBOL)
    return np.int64(SYMBOL) if 0x1F000 <= point < 0x20000 or 0xE000 <= point < 0xF900 else np.int64(LETTER)


@kernel
def measure(text: Bytes, blocks: Int64s, state: Int64s, size: Int, raw: Float32s, hashes: UInt64s) -> None:
    """Fills a row of `raw` and a hash for each block."""
    title = np.zeros(_TITLE_WORDS, np.uint64)
    words, known = np.zeros(_TITLE_WORDS, np.uint64), 0
    if state[TITLE] >= 0:
        known = _measure_one(
            text, blocks[state[TITLE], START], blocks[state[TITLE], END], raw, state[TITLE], hashes, title
        )
        title[:known].sort()
    for block in range(size):
        found = _measure_one(text, blocks[block, START], blocks[block, END], raw, block, hashes, words)
        if 0 < found < _TITLE_WORDS and known > 0:
            common = 0
            for k in range(found):
                at = np.searchsorted(title[:known], words[k])
                common += at < known and title[at] == words[k]
            raw[block, TITLED] = common / found
            raw[block, TITLE_SHARE] = min(common / known, 1.0)


@kernel
def _measure_one(text: Bytes, start: Int, end: Int, raw: Float32s, block: Int, hashes: UInt64s, words: UInt64s) -> Int:
    """Measure one block. Returns how many words were put into `words` (at most its length)."""
    at, in_word, word, whole, kept, count = start, False, FNV_SEED, FNV_SEED, 0, 0
    seen, first, last = np.zeros(_KIND_COUNT, np.int64), np.int64(NOTHING), np.int64(NOTHING)
    sentences: Int = 0
    pending: Int = False  # a full stop waits for its space
    ended: Int = False
    while at < end:
        point, size = np.int64(text[at]), 1
        if point >= 0x80:
            point, size = decode_trusted(text, at)
        kind = kind_of(point)
        seen[kind] += 1
        if kind in (LETTER, CAPITAL, DIGIT, LONE) or (kind == MARK and in_word):
            if kind == LONE or not in_word:
                count += 1
                kept = _keep(words, kept, word) if in_word else kept
                word = FNV_SEED
            word = fnv(word, point | 32 if kind == CAPITAL and point < 128 else point)
            in_word, pending, ended = True, False, False
        else:
            kept = _keep(words, kept, word) if in_word else kept
            in_word, word = False, FNV_SEED
            if kind == SPACE:
                sentences, pending = sentences + pending, False
            elif kind in (STOP, QUESTION):  # those of Chinese and Japanese need no space after them
                sentences += point >= _WIDE
                pending, ended = point < _WIDE, True
            elif kind != CLOSING:
                ended = False
            if point == _COPYRIGHT_SIGN:
                raw[block, COPYRIGHT] = 1
        first = kind if first == NOTHING and kind != SPACE else first
        last = kind if kind != SPACE else last
        whole = fnv(whole, point)
        at += size
    hashes[block] = whole
    _record(seen, first, last, raw[block])
    raw[block, WORDS], raw[block, SENTENCES], raw[block, ENDS_SENTENCE] = count, sentences + pending, ended
    return _keep(words, kept, word) if in_word else kept


@kernel
def _keep(words: UInt64s, kept: Int, word: Int) -> Int:
    """Keep a word while there is room. Returns how many are kept."""
    if kept == len(words):
        return kept
    words[kept] = word
    return kept + 1


@kernel
def _record(seen: Int64s, first: Int, last: Int, row: Float32s) -> None:
    """What the numbers of characters of each kind say, and the first and the last character."""
    row[COMMAS], row[DIGITS], row[CAPITALS] = seen[COMMA], seen[DIGIT], seen[CAPITAL]
    row[UNSPACED], row[SYMBOLS], row[QUESTIONS] = seen[LONE], seen[SYMBOL], seen[QUESTION]
    row[FIRST_CAPITAL], row[STARTS_DIGIT] = first == CAPITAL, first == DIGIT
    row[BULLET], row[ENDS_COLON] = first == SYMBOL, last == COLON

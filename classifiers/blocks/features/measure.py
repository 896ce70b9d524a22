"""What the characters of each block say: words, punctuation, scripts. The kernels' part of `features`."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.html.layout import END, START, TITLE
from classifiers.blocks.html.names import listed
from classifiers.kernels.arrays import Bytes, Float32s, Int64s
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode_trusted

RAW = listed(
    "words commas sentences digits capitals unspaced symbols first_capital ends_sentence ends_colon bullet copyright "
    "titled title_share questions starts_digit"
)
(WORDS, COMMAS, SENTENCES, DIGITS, CAPITALS, UNSPACED, SYMBOLS, FIRST_CAPITAL, ENDS_SENTENCE, ENDS_COLON, BULLET,
 COPYRIGHT, TITLED, TITLE_SHARE, QUESTIONS, STARTS_DIGIT) = range(len(RAW))  # fmt: skip

_SEED, _MULTIPLIER = np.uint64(14_695_981_039_346_656_037), np.uint64(1_099_511_628_211)
_TITLE_WORDS = 64

NOTHING, LETTER, CAPITAL, DIGIT, SPACE, COMMA, STOP, QUESTION, COLON, SYMBOL, LONE, MARK, CLOSING = range(13)


def _classes() -> Any:
    """Of the code points below 0x3100; the others are told by `kind_of`."""
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
def kind_of(point: Any) -> Any:
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
def measure(text: Bytes, blocks: Int64s, state: Int64s, size: Any, raw: Float32s, hashes: Any) -> None:
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
def _measure_one(text: Bytes, start: Any, end: Any, raw: Float32s, block: Any, hashes: Any, words: Any) -> Any:  # noqa: C901 (one loop over characters)
    """How many words were put into `words` (at most its length)."""
    at, in_word, word, whole, kept = start, False, _SEED, _SEED, 0
    count = commas = sentences = digits = capitals = lone = symbols = questions = 0
    pending, first, last = False, NOTHING, np.int64(NOTHING)
    ended = False
    while at < end:
        byte = np.int64(text[at])
        if byte < 0x80:
            point, size = byte, 1
        else:
            point, size = decode_trusted(text, at)
        kind = kind_of(point)
        if kind in (LETTER, CAPITAL, DIGIT, LONE) or (kind == MARK and in_word):
            if kind == LONE or not in_word:
                count += 1
                if in_word and kept < len(words):
                    words[kept] = word
                    kept += 1
                word = _SEED
            in_word = True
            small = point | 32 if kind == CAPITAL and point < 128 else point
            word = (word ^ np.uint64(small)) * _MULTIPLIER
            digits += kind == DIGIT
            capitals += kind == CAPITAL
            lone += kind == LONE
            pending, ended = False, False
        else:
            if in_word and kept < len(words):
                words[kept] = word
                kept += 1
            in_word, word = False, _SEED
            if kind == SPACE:
                sentences += pending
                pending = False
            elif kind in (STOP, QUESTION):
                questions += kind == QUESTION
                pending, ended = True, True
                if point >= 0x3000:
                    sentences += 1
                    pending = False
            elif kind == COMMA:
                commas += 1
                ended = False
            elif kind != CLOSING:
                symbols += kind == SYMBOL
                ended = False
            if point == 169:
                raw[block, COPYRIGHT] = 1
        if first == NOTHING and kind != SPACE:
            first = kind
        if kind != SPACE:
            last = kind
        whole = (whole ^ np.uint64(point)) * _MULTIPLIER
        at += size
    if in_word and kept < len(words):
        words[kept] = word
        kept += 1
    raw[block, WORDS], raw[block, COMMAS], raw[block, SENTENCES] = count, commas, sentences + pending
    raw[block, DIGITS], raw[block, CAPITALS], raw[block, UNSPACED] = digits, capitals, lone
    raw[block, SYMBOLS], raw[block, QUESTIONS] = symbols, questions
    raw[block, FIRST_CAPITAL], raw[block, STARTS_DIGIT] = first == CAPITAL, first == DIGIT
    raw[block, BULLET], raw[block, ENDS_SENTENCE], raw[block, ENDS_COLON] = first == SYMBOL, ended, last == COLON
    hashes[block] = whole
    return kept

"""Entry point of `repetition_v1`: thirteen fractions of a document and their denominator (`MEASURES`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bytes, Float64s, Int, Offsets
from classifiers.kernels.jit import kernel
from classifiers.kernels.table import Slots, new_slots
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import CharacterTables, tables
from stages.kernels.ngrams import (
    Joined,
    Ngrams,
    greedy_repeats,
    join_words,
    keep_repeated,
    lengthen,
    most_frequent_cover,
    most_frequent_spaced,
    new_joined,
    new_ngrams,
    repeated_cover,
    single_words,
)
from stages.kernels.segments import Segments, new_segments, raw_segments, repeated_segments, stripped_segments
from stages.kernels.words import Words, longest, new_words, split_words

MEASURES = (
    "characters",  # the denominator of fractions of characters
    "duplicate_lines",
    "duplicate_paragraphs",
    "duplicate_line_characters",
    "duplicate_paragraph_characters",
    *(f"top_{n}gram" for n in range(2, 5)),
    *(f"duplicate_{n}grams" for n in range(5, 11)),
)
# The columns of a row of measures; that of the n-grams is NGRAMS + n.
CHARACTERS, LINES, PARAGRAPHS, LINE_CHARACTERS, PARAGRAPH_CHARACTERS = range(5)
NGRAMS = MEASURES.index("top_2gram") - 2
# Of lines and of paragraphs: how many line feeds in a row end one, and the columns of the fractions.
_SEGMENTS = ((1, LINES, LINE_CHARACTERS), (2, PARAGRAPHS, PARAGRAPH_CHARACTERS))


class Scratch(NamedTuple):
    """What the kernels write while they measure one document."""

    parts: Words
    lines: Segments
    grams: Ngrams
    joined: Joined
    slots: Slots


def measure_repetition(text: pa.ChunkedArray, datatrove: bool, unspaced: bool) -> Float64s:
    """Measures of every document, one row each, in the order of `MEASURES`, in either dialect."""
    offsets, data = utf8_views(text)
    size = longest(offsets)
    slots = new_slots(size // 2 + 3)
    scratch = Scratch(new_words(size), new_segments(size), new_ngrams(size), new_joined(datatrove * size), slots)
    out = np.zeros((len(offsets) - 1, len(MEASURES)), np.float64)
    measure = measure_datatrove if datatrove else measure_gopher
    measure(offsets, data, tables(), unspaced, scratch, out)
    return out


@kernel
def measure_gopher(
    offsets: Offsets, data: Bytes, tables: CharacterTables, unspaced: bool, scratch: Scratch, out: Float64s
) -> None:
    """Measure as Gopher's paper describes it; `out` starts as zeros."""
    parts = scratch.parts
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        words, breaks, _ = split_words(text, tables, unspaced, parts)
        out[row, CHARACTERS] = parts.before[words]
        if words > 0:
            _gopher_segments(text, words, breaks, scratch, out[row])
            _gopher_ngrams(text, words, scratch, out[row])


@kernel
def _gopher_segments(text: Bytes, words: Int, breaks: Int, scratch: Scratch, out: Float64s) -> None:
    parts, lines = scratch.parts, scratch.lines
    for feeds, segments, characters in _SEGMENTS:
        found = stripped_segments(words, breaks, feeds, parts, lines)
        later, later_chars, first, first_chars = repeated_segments(text, found, lines, scratch.slots)
        out[segments] = (first + later) / found
        out[characters] = (first_chars + later_chars) / parts.before[words]


@kernel
def _gopher_ngrams(text: Bytes, words: Int, scratch: Scratch, out: Float64s) -> None:
    grams, slots, before = scratch.grams, scratch.slots, scratch.parts.before
    listed = single_words(text, words, scratch.parts, grams, slots)
    for n in range(2, 11):
        if listed < 2:
            return
        listed, different = lengthen(listed, grams, slots)
        listed = keep_repeated(listed, grams)
        if n <= 4:
            covered = most_frequent_cover(n, listed, different, before, grams)
        else:
            covered = repeated_cover(n, listed, before, grams)
        out[NGRAMS + n] = covered / before[words]


@kernel
def measure_datatrove(
    offsets: Offsets, data: Bytes, tables: CharacterTables, unspaced: bool, scratch: Scratch, out: Float64s
) -> None:
    """Measure as datatrove 0.10.1 counts; `out` starts as zeros."""
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        words, breaks, chars = split_words(text, tables, unspaced, scratch.parts)
        out[row, CHARACTERS] = chars
        if chars > 0:
            _datatrove_segments(text, words, breaks, chars, scratch, out[row])
            _datatrove_ngrams(text, words, chars, scratch, out[row])


@kernel
def _datatrove_segments(text: Bytes, words: Int, breaks: Int, chars: Int, scratch: Scratch, out: Float64s) -> None:
    for feeds, segments, characters in _SEGMENTS:
        found = raw_segments(words, breaks, chars, len(text), feeds, scratch.parts, scratch.lines)
        later, later_chars, _, _ = repeated_segments(text, found, scratch.lines, scratch.slots)
        out[segments] = later / found
        out[characters] = later_chars / chars


@kernel
def _datatrove_ngrams(text: Bytes, words: Int, chars: Int, scratch: Scratch, out: Float64s) -> None:
    parts, grams, slots = scratch.parts, scratch.grams, scratch.slots
    listed = single_words(text, words, parts, grams, slots)
    for n in range(2, 5):
        listed, different = lengthen(listed, grams, slots)
        listed = keep_repeated(listed, grams)
        out[NGRAMS + n] = most_frequent_spaced(n, words, different, parts.before, grams) / chars
    join_words(text, words, parts, scratch.joined)
    for n in range(5, min(words, 10) + 1):
        out[NGRAMS + n] = greedy_repeats(n, words, parts.before, scratch.joined, slots) / chars

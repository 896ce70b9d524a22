"""Entry point of `fineweb_v1`: counts of lines, their ends, lengths and copies (`COUNTS`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bools, Bytes, Int, Int64s, Offsets
from classifiers.kernels.jit import kernel
from classifiers.kernels.table import Slots, new_slots
from classifiers.kernels.utf8 import decode
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import CharacterTables, tables
from stages.kernels.segments import Segments, new_segments, raw_segments, repeated_segments
from stages.kernels.words import Words, longest, new_words, split_words

COUNTS = (
    "lines",  # that are not blank
    "punctuated_lines",
    "short_lines",
    "duplicate_characters",  # of second and later copies of lines
    "characters",  # without line feeds
    "new_lines",
    "words",
)
# The columns of a row of counts.
LINES, PUNCTUATED_LINES, SHORT_LINES, DUPLICATE_CHARACTERS, CHARACTERS, NEW_LINES, WORDS = range(len(COUNTS))
_LINE = np.int64(1)  # line feeds in a row that end a line


class LineScratch(NamedTuple):
    """What the kernel writes while it measures one document."""

    parts: Words
    lines: Segments
    slots: Slots


def measure_fineweb(text: pa.ChunkedArray, ends: Bools, short: int, unspaced: bool) -> Int64s:
    """Counts of every document, one row each, in the order of `COUNTS`.

    `ends`: by code point, whether a punctuated line may end with it; `short`: characters of the longest short line.
    """
    offsets, data = utf8_views(text)
    size = longest(offsets)
    scratch = LineScratch(new_words(size), new_segments(size), new_slots(size // 2 + 3))
    out = np.zeros((len(offsets) - 1, len(COUNTS)), np.int64)
    _measure(offsets, data, tables(), ends, short, unspaced, scratch, out)
    return out


@kernel
def _measure(
    offsets: Offsets,
    data: Bytes,
    tables: CharacterTables,
    ends: Bools,
    short: Int,
    unspaced: bool,
    scratch: LineScratch,
    out: Int64s,
) -> None:
    parts, lines = scratch.parts, scratch.lines
    for row in range(len(offsets) - 1):
        text, counts = data[offsets[row] : offsets[row + 1]], out[row]
        words, breaks, chars = split_words(text, tables, unspaced, parts)
        found = raw_segments(words, breaks, chars, len(text), _LINE, parts, lines)
        found = _without_blank(found, lines)
        _, later_chars, _, _ = repeated_segments(text, found, lines, scratch.slots)
        feeds = _line_feeds(breaks, parts)
        counts[LINES], counts[DUPLICATE_CHARACTERS] = found, later_chars
        counts[CHARACTERS], counts[NEW_LINES], counts[WORDS] = chars - feeds, feeds, words
        for line in range(found):
            counts[PUNCTUATED_LINES] += ends[_last_character(text, lines.start[line], lines.end[line])]
            counts[SHORT_LINES] += lines.chars[line] <= short


@kernel
def _line_feeds(breaks: Int, parts: Words) -> Int:
    feeds = 0
    for run in range(breaks):
        feeds += parts.break_end[run] - parts.break_start[run]
    return feeds


@kernel
def _without_blank(found: Int, lines: Segments) -> Int:
    """Close the gaps that blank lines leave; returns how many lines are left."""
    kept = 0
    for line in range(found):
        if lines.words[line] > 0:
            lines.start[kept], lines.end[kept] = lines.start[line], lines.end[line]
            lines.chars[kept], lines.hash[kept] = lines.chars[line], lines.hash[line]
            kept += 1
    return kept


@kernel
def _last_character(text: Bytes, start: Int, end: Int) -> Int:
    at = end - 1
    while at > start and text[at] & 0xC0 == 0x80 and end - at < 4:
        at -= 1
    point, _ = decode(text, at)
    return point

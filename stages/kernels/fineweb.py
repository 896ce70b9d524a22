"""Entry point of `fineweb_v1`: counts of lines, their ends, lengths and copies (`COUNTS`)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bools, Bytes, Int, Int64s, Offsets
from classifiers.kernels.jit import kernel
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import CharacterTables, tables
from stages.kernels.segments import Segments, new_segments, raw_segments, repeated_segments
from stages.kernels.utf8 import decode
from stages.kernels.words import Slots, Words, longest, new_slots, new_words, split_words

COUNTS = (
    "lines",  # that are not blank
    "punctuated_lines",
    "short_lines",
    "duplicate_characters",  # of second and later copies of lines
    "characters",  # without line feeds
    "new_lines",
    "words",
)
_LINES = np.int64(1)  # line feeds in a row that end a line


def measure_fineweb(text: pa.ChunkedArray, ends: Bools, short: int, unspaced: bool) -> Int64s:
    """Counts of every document, one row each, in the order of `COUNTS`.

    `ends`: by code point, may a punctuated line end with it; `short`: characters of the longest short line.
    """
    offsets, data = utf8_views(text)
    size = longest(offsets)
    out = np.zeros((len(offsets) - 1, len(COUNTS)), np.int64)
    parts, lines, slots = new_words(size), new_segments(size), new_slots(size // 2 + 3)
    _measure(offsets, data, tables(), ends, short, unspaced, parts, lines, slots, out)
    return out


@kernel
def _measure(
    offsets: Offsets,
    data: Bytes,
    tables: CharacterTables,
    ends: Bools,
    short: Int,
    unspaced: bool,
    parts: Words,
    lines: Segments,
    slots: Slots,
    out: Int64s,
) -> None:
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        words, breaks, chars = split_words(text, tables, unspaced, parts)
        found = raw_segments(words, breaks, chars, len(text), _LINES, parts, lines)
        found = _without_blank(found, lines)
        _, later_chars, _, _ = repeated_segments(text, found, lines, slots)
        feeds = _line_feeds(breaks, parts)
        out[row, 0], out[row, 3], out[row, 4] = found, later_chars, chars - feeds
        out[row, 5], out[row, 6] = feeds, words
        for line in range(found):
            out[row, 1] += ends[_last_character(text, lines.start[line], lines.end[line])]
            out[row, 2] += lines.chars[line] <= short


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

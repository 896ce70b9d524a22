"""Kernels of `lines_v1`: counts of each line of a text column, and the column with lines left out or replaced."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Bools, Bytes, Int, Int64s, Offsets
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import DIGIT, MARK, SPACE, UNSPACED, UPPER, WORD_CHARACTER, CharacterTables, tables

_NEWLINE = 10  # the line feed


class LineTable(NamedTuple):
    """The lines of all rows, in order. A line ends before its line feed: a row with n line feeds has n + 1 lines."""

    first: Int64s  # the first line of each row; one entry more than there are rows
    start: Offsets  # first byte
    end: Offsets  # byte after the last one
    characters: Int64s  # without the white space around the line
    visible: Int64s  # characters other than white space
    upper: Int64s  # upper-case letters
    digits: Int64s  # decimal digits of any script
    words: Int64s  # words with a letter, mark or number


def scan_lines(column: pa.Array, unspaced: bool) -> LineTable:
    """The counts of every line of every row. A null row is one empty line.

    `unspaced` as in `stages.kernels.words`: letters of scripts written without spaces are words.
    """
    offsets, data = utf8_views(column)
    breaks = np.flatnonzero(data[offsets[0] : offsets[-1]] == _NEWLINE) + offsets[0]
    first = np.searchsorted(breaks, offsets) + np.arange(len(offsets))
    lines = LineTable(first, *np.zeros((7, first[-1]), np.int64))
    _scan(data, offsets, tables(), unspaced, lines)
    return lines


def join_lines(column: pa.Array, lines: LineTable, kept: Bools, replaced: Int64s, replacements: pa.Array) -> pa.Array:
    """Each row made of its `kept` lines, joined by line feeds; line `replaced[r]` becomes `replacements[r]`.

    `replaced` ascends. One of the blank lines that meet where a line was left out stays, and none at the edge of a row.
    Nulls stay.
    """
    offsets, data = utf8_views(column)
    new_offsets, new_data = utf8_views(replacements)
    out = np.empty(len(data) + len(new_data), np.uint8)
    ends = np.zeros(len(offsets), np.int64)
    _join(data, lines, _without_idle_blanks(lines, kept), replaced, new_offsets, new_data, out, ends)
    joined = pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]]))
    return pc.if_else(column.is_valid(), joined, None).cast(column.type)


@kernel
def _scan(data: Bytes, offsets: Offsets, tables: CharacterTables, unspaced: bool, lines: LineTable) -> None:
    for row in range(len(offsets) - 1):
        start = offsets[row]
        for line in range(lines.first[row], lines.first[row + 1]):
            end = start
            while end < offsets[row + 1] and data[end] != _NEWLINE:
                end += 1
            lines.start[line], lines.end[line] = start, end
            _count(data[start:end], tables, unspaced, lines, line)
            start = end + 1


@kernel
def _count(text: Bytes, tables: CharacterTables, unspaced: bool, lines: LineTable, line: Int) -> None:
    page, classes = tables.page, tables.flags
    at, characters, visible, upper, digits, words = 0, 0, 0, 0, 0, 0
    pending, in_word, counts, alone = 0, False, False, False
    while at < len(text):
        point, size = decode(text, at)
        flags = np.int64(classes[np.int64(page[point >> 8]), point & 255])
        at += size
        space = flags & SPACE != 0
        if in_word and (space or (unspaced and flags & MARK == 0 and (alone or flags & UNSPACED != 0))):
            words, in_word = words + counts, False
        if space:
            pending += visible > 0
            continue
        if not in_word or flags & MARK == 0:
            alone = flags & UNSPACED != 0
        counts = (in_word and counts) or flags & WORD_CHARACTER != 0
        in_word = True
        characters, pending, visible = characters + pending + 1, 0, visible + 1
        upper, digits = upper + (flags & UPPER != 0), digits + (flags & DIGIT != 0)
    lines.characters[line], lines.visible[line], lines.upper[line] = characters, visible, upper
    lines.digits[line], lines.words[line] = digits, words + (in_word and counts)


@kernel
def _without_idle_blanks(lines: LineTable, kept: Bools) -> Bools:
    """`kept` without the blank lines that only separated lines that are left out."""
    kept = kept.copy()
    for row in range(len(lines.first) - 1):
        cut, edge = False, lines.first[row]  # edge: after the last kept line that is not blank
        blank = True
        for line in range(lines.first[row], lines.first[row + 1]):
            if not kept[line]:
                cut = True
            elif lines.visible[line] > 0:
                cut, blank, edge = False, False, line + 1
            elif cut and blank:
                kept[line] = False
            else:
                blank = True
        if cut:
            kept[edge : lines.first[row + 1]] = False
    return kept


@kernel
def _join(
    data: Bytes,
    lines: LineTable,
    kept: Bools,
    replaced: Int64s,
    new_offsets: Offsets,
    new_data: Bytes,
    out: Bytes,
    ends: Offsets,
) -> None:
    to, new = 0, 0
    for row in range(len(lines.first) - 1):
        begun = False
        for line in range(lines.first[row], lines.first[row + 1]):
            part = data[lines.start[line] : lines.end[line]]
            if new < len(replaced) and replaced[new] == line:
                part = new_data[new_offsets[new] : new_offsets[new + 1]]
                new += 1
            if not kept[line]:
                continue
            if begun:
                out[to] = _NEWLINE
                to += 1
            out[to : to + len(part)] = part
            begun, to = True, to + len(part)
        ends[row + 1] = to

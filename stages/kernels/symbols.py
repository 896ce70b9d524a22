"""The symbols of a document, and how its lines start and end: some of the counts of `stages.kernels.quality`."""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int64s
from classifiers.kernels.jit import kernel
from classifiers.kernels.utf8 import decode
from stages.kernels.classes import LINE_BREAK, SPACE, CharacterTables
from stages.kernels.quality_counts import BULLET_LINES, ELLIPSES, ELLIPSIS_LINES, HASHES, LINES
from stages.kernels.words import NEWLINE

_HASH, _DOT, _RETURN, _STAR, _DASH, _BLANK = ord("#"), ord("."), ord("\r"), ord("*"), ord("-"), ord(" ")
_NOWHERE: Int = np.int64(-1)  # where a line without a visible character starts
_E2 = 0xE2  # the first of the three bytes of `•`, `●` and `…`
_BULLET, _DISC, _ELLIPSIS = np.int64(0x80A2), np.int64(0x978F), np.int64(0x80A6)  # their second and third bytes


@kernel
def count_symbols(text: Bytes, datatrove: bool, out: Int64s) -> None:
    """Count `#` and ellipses: `...`, `…` and, except in datatrove's dialect, `. . .`; each as `str.count` does."""
    hashes, ellipses, dots, free = 0, 0, 0, 0
    for at in range(len(text)):
        byte = text[at]
        if byte == _DOT:
            dots += 1
            ellipses += dots % 3 == 0
            if not datatrove and at >= free and _is_spaced(text, at):
                ellipses, free = ellipses + 1, at + 5
        else:
            dots = 0
            hashes += byte == _HASH
            if byte == _E2:
                ellipses += _is_mark(text, at, _ELLIPSIS)
    out[HASHES], out[ELLIPSES] = hashes, ellipses


@kernel
def _is_mark(text: Bytes, at: Int, mark: Int) -> bool:
    """Whether the three bytes at `at` are those of `mark`."""
    if at + 3 > len(text) or text[at] != _E2:
        return False
    return bool(np.int64(text[at + 1]) << 8 | np.int64(text[at + 2]) == mark)


@kernel
def _is_spaced(text: Bytes, at: Int) -> bool:
    """Whether `. . .` starts at byte `at`."""
    if text[at] != _DOT or at + 4 >= len(text) or text[at + 1] != _BLANK or text[at + 3] != _BLANK:
        return False
    return bool(text[at + 2] == _DOT and text[at + 4] == _DOT)


@kernel
def count_lines(text: Bytes, tables: CharacterTables, datatrove: bool, out: Int64s) -> None:
    """Count lines that are not blank and end at line feeds; in datatrove's dialect, all lines of `str.splitlines`."""
    page, classes = tables.page, tables.flags
    at, begin, first, last = 0, 0, _NOWHERE, 0
    while at <= len(text):
        if at < len(text) and _BLANK < text[at] < 0x80:  # most text, so its class is not looked up
            first, at = at if first < 0 else first, at + 1
            last = at
            continue
        point, size = (NEWLINE, 1) if at == len(text) else decode(text, at)
        flags = np.int64(classes[np.int64(page[point >> 8]), point & 255])
        if point == NEWLINE or (datatrove and flags & LINE_BREAK):
            out[LINES] += first >= 0 or (datatrove and (at < len(text) or begin < at))
            if first >= 0:
                out[BULLET_LINES] += _starts_with_bullet(text, first, datatrove)
                out[ELLIPSIS_LINES] += _ends_with_ellipsis(text, first, last, datatrove)
            if datatrove and point == _RETURN and at + 1 < len(text) and text[at + 1] == NEWLINE:
                size = 2
            begin, first = at + size, _NOWHERE
        elif flags & SPACE == 0:
            first, last = at if first < 0 else first, at + size
        at += size


@kernel
def _starts_with_bullet(text: Bytes, first: Int, datatrove: bool) -> bool:
    """Whether the line starts with `•` or `-`, or (except in datatrove's dialect) with `●` or `*`."""
    if text[first] == _DASH or _is_mark(text, np.int64(first), _BULLET):
        return True
    return not datatrove and (text[first] == _STAR or _is_mark(text, np.int64(first), _DISC))


@kernel
def _ends_with_ellipsis(text: Bytes, first: Int, last: Int, datatrove: bool) -> bool:
    """Whether the line ends with `...` or `…`, or (except in datatrove's dialect) with `. . .`."""
    if last - first < 3:
        return False
    if text[last - 1] == _DOT and text[last - 2] == _DOT and text[last - 3] == _DOT:
        return True
    return _is_mark(text, np.int64(last - 3), _ELLIPSIS) or (
        not datatrove and last - first >= 5 and _is_spaced(text, last - 5)
    )

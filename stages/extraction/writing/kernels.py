"""What the writer asks about whole pages: where elements end, and whether HTML holds formulas or ruby."""

from __future__ import annotations

import numpy as np

from classifiers.blocks.html.characters import GT, LT, SLASH, is_letter, lower
from classifiers.kernels.arrays import Bytes, Int, Int64s
from classifiers.kernels.jit import kernel

_M, _A, _T, _H, _R, _U, _S, _C, _I, _L, _E, _X, _COLON = (ord(letter) for letter in "mathruscilex:")


@kernel
def has_signs(data: Bytes, start: Int, end: Int) -> bool:
    """Whether there is a `<math>` (of any namespace), a `<ruby>`, a script of TeX or an image of a formula.

    Every byte is looked at twice at most.
    """
    at = start
    while at + 4 < end:
        if data[at] != LT:
            at += 1
            continue
        at += 1
        first, second, third = lower(data[at]), lower(data[at + 1]), lower(data[at + 2])
        if first == _M and ((second == _A and third == _T) or second == _COLON or (second == _M and third == _L)):
            return True
        if first == _R and second == _U:
            return True
        if (first == _S and second == _C) or (first == _I and second == _M):
            while at + 4 < end and data[at] != GT:
                if _names_formula(data, at, first == _S):
                    return True
                at += 1
    return False


@kernel
def _names_formula(data: Bytes, at: Int, is_script: bool) -> bool:
    """Whether `math/` or `tex` of a script's type is here, or `math`, `tex` of an image's class."""
    first, second, third = lower(data[at]), lower(data[at + 1]), lower(data[at + 2])
    if first == _T and second == _E and third == _X and not is_letter(data[at + 3]):
        return True
    is_math = first == _M and second == _A and third == _T and lower(data[at + 3]) == _H
    return is_math and (not is_script or data[at + 4] == SLASH)


@kernel
def _most_inside(parents: Int64s, numbers: Int64s) -> Int64s:
    """Raise the number of each node to the largest inside it."""
    for node in range(len(parents) - 1, 0, -1):
        numbers[parents[node]] = max(numbers[parents[node]], numbers[node])
    return numbers


@kernel
def last_inside(parents: Int64s) -> Int64s:
    """The last node inside each node: nodes are numbered in the order of the page."""
    return _most_inside(parents, np.arange(len(parents)))


@kernel
def first_inside(parents: Int64s, nodes: Int64s) -> Int64s:
    """The first block inside each node, the number of blocks where there is none; `nodes` are those of the blocks."""
    first = np.full(len(parents), len(nodes), np.int64)
    for block in range(len(nodes) - 1, -1, -1):
        first[nodes[block]] = block
    for node in range(len(parents) - 1, 0, -1):
        first[parents[node]] = min(first[parents[node]], first[node])
    return first


@kernel
def last_block_inside(parents: Int64s, nodes: Int64s) -> Int64s:
    """The last block inside each node, -1 where there is none."""
    last = np.full(len(parents), -1, np.int64)
    for block in range(len(nodes)):
        last[nodes[block]] = block
    return _most_inside(parents, last)

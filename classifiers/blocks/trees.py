"""Gradient-boosted trees as plain arrays, and their evaluation; lightgbm makes them and is not needed here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from classifiers.kernels.arrays import Float32s, UInt16s, UInt32s
from classifiers.kernels.jit import kernel

SURE = -4.0  # log-odds; a block with no more after half of the trees is not shown to the others
PIECE = 8_192  # rows that are copied at a time, so that a huge page does not double its memory
DEEPEST = 512  # levels of a tree
CHUNK = 32  # rows whose features stay in a core's first cache while they walk through all trees


class Trees(NamedTuple):
    """The nodes of all trees, tree by tree. A leaf leads to itself, so a walk takes `depths` steps from any root."""

    feature: UInt16s
    threshold: Float32s  # values up to this one go to the first child
    first_child: UInt32s  # the second child is the node after it
    value: Float32s  # of a leaf
    roots: UInt32s
    depths: UInt16s


_TYPES = dict(zip(Trees._fields, ("uint16", "float32", "uint32", "float32", "uint32", "uint16"), strict=True))


def check(trees: Trees, features: int) -> None:
    """Raises ValueError unless every walk stays within the nodes and the features, and ends."""
    for name, values in trees._asdict().items():
        wanted = _TYPES[name]
        size = len(trees.depths) if name in ("roots", "depths") else len(trees.feature)
        if values.dtype != wanted or values.shape != (size,):
            raise ValueError(f"{name} has {values.shape} values of {values.dtype}, not ({size},) of {wanted}")
    if not len(trees.roots) or not len(trees.feature):
        raise ValueError("it has no trees")
    nodes, child = np.arange(len(trees.feature)), trees.first_child.astype(np.int64)
    leaf = child == nodes
    onwards = (child > nodes) & (child + 1 < len(nodes))
    if not (leaf | onwards).all() or not (trees.threshold[leaf] == np.inf).all():
        raise ValueError("a node leads out of the trees, or back")
    if trees.roots.max() >= len(nodes) or trees.depths.max() > DEEPEST or trees.feature.max() >= features:
        raise ValueError(f"roots, depths or features beyond {len(nodes)} nodes, {DEEPEST} levels, {features} features")
    if not np.isfinite(trees.value).all():
        raise ValueError("the value of a leaf is not a number")


def from_dump(dump: dict[str, Any]) -> Trees:
    """The trees of a lightgbm model (`Booster.dump_model()`); numerical splits only, no missing values."""
    nodes: list[tuple[int, float, int, float]] = []  # feature, threshold, first child, value
    roots, depths = [], []
    for tree in dump["tree_info"]:
        roots.append(len(nodes))
        level, depth = [tree["tree_structure"]], 0
        nodes.append((0, 0.0, 0, 0.0))
        places = [roots[-1]]
        while level:
            inner, inner_places = [], []
            for node, place in zip(level, places, strict=True):
                if "split_feature" not in node:
                    nodes[place] = (0, np.inf, place, node["leaf_value"])
                    continue
                nodes[place] = (node["split_feature"], node["threshold"], len(nodes), 0.0)
                inner_places += [len(nodes), len(nodes) + 1]
                inner += [node["left_child"], node["right_child"]]
                nodes += [(0, 0.0, 0, 0.0)] * 2
            level, places, depth = inner, inner_places, depth + bool(inner)
        depths.append(depth)
    feature, threshold, first_child, value = zip(*nodes, strict=True)
    return Trees(
        np.array(feature, np.uint16),
        _rounded_down(np.array(threshold, np.float64)),
        np.array(first_child, np.uint32),
        np.array(value, np.float32),
        np.array(roots, np.uint32),
        np.array(depths, np.uint16),
    )


def _rounded_down(values: Any) -> Float32s:
    """The largest float32 not above each value: float32 features then take the same way as with float64 thresholds."""
    narrow = values.astype(np.float32)
    above = narrow.astype(np.float64) > values
    narrow[above] = np.nextafter(narrow[above], np.float32(-np.inf))
    return np.asarray(narrow, np.float32)


@kernel
def margins(trees: Trees, first_tree: Any, last_tree: Any, rows: Float32s, out: Float32s) -> None:
    """Add each row's leaf values to `out`. CHUNK rows go down level by level, so no walk waits for another."""
    at = np.empty(CHUNK, np.uint32)
    for first in range(0, len(rows), CHUNK):
        size = min(CHUNK, len(rows) - first)
        for tree in range(first_tree, last_tree):
            at[:] = trees.roots[tree]
            for _ in range(trees.depths[tree]):
                for k in range(size):
                    node = at[k]
                    goes_right = rows[first + k, trees.feature[node]] > trees.threshold[node]
                    at[k] = trees.first_child[node] + np.uint32(goes_right)
            for k in range(size):
                out[first + k] += trees.value[at[k]]


def probabilities(trees: Trees, rows: Float32s) -> Float32s:
    """The probability of each row. Rows that the first half of the trees rules out are not shown to the second half."""
    out, half = np.zeros(len(rows), np.float32), len(trees.roots) // 2
    margins(trees, 0, half, rows, out)
    for alive in pieces(np.flatnonzero(out > SURE)):
        rest = out[alive]
        margins(trees, half, len(trees.roots), rows[alive], rest)
        out[alive] = rest
    return np.asarray(1 / (1 + np.exp(-out)), np.float32)


def pieces(numbers: Any) -> Iterator[Any]:
    """The numbers in pieces of at most PIECE, which bounds what is copied at a time, however large the page is."""
    for first in range(0, len(numbers), PIECE):
        yield numbers[first : first + PIECE]

"""Connected components are those of plain Python, whatever the order, the chunks or the direction of the edges."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.kernels.arrays import UInt64s
from stages.kernels import edges as edges_module
from stages.kernels import unionfind
from stages.kernels.edges import grouped_edges
from stages.kernels.rows import sort_rows
from stages.kernels.unionfind import Components, bytes_needed, forest
from tests.stages.kernels.graphs import SHAPES, Edge, arrays, column, edge_lists, listed, nodes, oracle, shaped

Row = tuple[int, int, int]

rows_of_any = st.lists(st.tuples(nodes, st.integers(0, 1), nodes), max_size=60)


def labels(edges: Iterable[Edge], chunk: int = 1 << 30) -> list[Edge]:
    components, (a, b) = Components(), arrays(edges)
    for start in range(0, len(a), chunk):
        components.add(a[start : start + chunk], b[start : start + chunk])
    return listed(components.labels())


@given(edge_lists, st.integers(1, 10), st.randoms())
def test_labels_are_the_oracles_whatever_the_order_chunks_and_direction(edges: list[Edge], chunk: int, random) -> None:  # type: ignore[no-untyped-def]
    expected = sorted(oracle(edges).items())
    assert labels(edges) == expected
    turned = [(b, a) if random.random() < 0.5 else (a, b) for a, b in edges * 2]
    random.shuffle(turned)
    assert labels(turned, chunk) == expected


def components_by_spreading(a: UInt64s, b: UInt64s) -> tuple[UInt64s, UInt64s]:
    """Labels by another method, for large graphs: the smaller label crosses each edge until nothing changes."""
    nodes, ends = np.unique(np.concatenate((a, b)), return_inverse=True)
    left, right = ends[: len(a)], ends[len(a) :]
    label = np.arange(len(nodes))
    while (label[left] != label[right]).any():
        least = np.minimum(label[left], label[right])
        np.minimum.at(label, label[left], least)
        np.minimum.at(label, label[right], least)
        while (label != label[label]).any():
            label = label[label]
    return nodes, nodes[label]


@pytest.mark.parametrize("shape", SHAPES)
def test_labels_of_large_graphs(shape: str) -> None:
    a, b = shaped(shape, 100_000)
    components = Components()
    components.add(a, b)
    assert len(components) == len(np.unique((a, b)))
    for found, expected in zip(components.labels(), components_by_spreading(a, b), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert len(components) == 0


def test_components_of_nothing() -> None:
    assert labels([]) == []


@pytest.mark.parametrize("edges", [1, 300, 5_000, 200_000, 300_000, 450_000])
def test_memory_stays_below_what_was_said(edges: int) -> None:
    """No two edges share a node: the worst case."""
    a = np.arange(edges, dtype=np.uint64)
    b = a + np.uint64(1 << 32)
    components = Components()
    tracemalloc.start()
    components.add(a, b)
    assert len(components.labels()[0]) == 2 * edges
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 16 * 2 * edges <= peak <= bytes_needed(edges)


def test_too_many_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unionfind, "MAX_NODES", 100)
    monkeypatch.setattr(unionfind, "CHUNK", 10)
    components = Components()
    with pytest.raises(OverflowError, match="star operations"):
        components.add(np.arange(1_000, dtype=np.uint64), np.arange(1_000, 2_000, dtype=np.uint64))
    assert len(components) <= 100


@given(edge_lists, st.randoms())
def test_a_forest_has_the_same_components_and_depends_on_the_set_of_edges_only(edges: list[Edge], random) -> None:  # type: ignore[no-untyped-def]
    found = listed(forest(*arrays(edges)))
    joined = {node: label for node, label in oracle(edges).items() if node != label}
    assert found == [(joined[node], node) for node in sorted(joined)]
    shuffled = [(b, a) for a, b in edges] + edges
    random.shuffle(shuffled)
    assert listed(forest(*arrays(shuffled))) == found
    assert listed(forest(*arrays(found))) == found


def grouped(rows: list[Row], with_checks: bool) -> list[Edge]:
    keys, checks, nodes = (column(row[i] for row in rows) for i in range(3))
    return listed(grouped_edges(keys, checks if with_checks else None, nodes))


def star_edges(rows: Iterable[Row], with_checks: bool) -> set[Edge]:
    """From the smallest node of each group to its others."""
    members: dict[Edge, set[int]] = {}
    for key, check, node in rows:
        members.setdefault((key, check if with_checks else 0), set()).add(node)
    return {(min(group), node) for group in members.values() for node in group if node != min(group)}


@given(rows_of_any, st.booleans(), st.randoms())
def test_grouped_edges_are_the_stars_of_the_groups(rows: list[Row], with_checks: bool, random) -> None:  # type: ignore[no-untyped-def]
    found = grouped(rows, with_checks)
    assert set(found) == star_edges(rows, with_checks)
    assert len(found) <= len(rows)
    random.shuffle(rows)
    assert set(grouped(rows, with_checks)) == set(found)


@pytest.mark.parametrize("different", [1, 2, 5_000, 40_000, 1 << 40])
@pytest.mark.parametrize("with_checks", [False, True])
def test_grouped_edges_of_many_rows_are_those_of_a_sort(different: int, with_checks: bool) -> None:
    """Many buckets; from a single group to hardly any; keys that differ only in their low bits, unlike any hash."""
    rng = np.random.default_rng(different)
    keys, checks, nodes = rng.integers(0, [[different], [2], [1 << 62]], (3, 50_000), np.uint64)
    found = np.stack(grouped_edges(keys, checks if with_checks else None, nodes), axis=1)
    checks *= np.uint64(with_checks)
    order = np.lexsort((nodes, checks, keys))
    keys, checks, nodes = keys[order], checks[order], nodes[order]
    first = np.r_[True, (np.diff(keys) != 0) | (np.diff(checks) != 0)]
    edges = np.stack((nodes[np.maximum.accumulate(np.where(first, np.arange(len(keys)), 0))], nodes), axis=1)
    expected = np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0)
    np.testing.assert_array_equal(np.unique(found, axis=0), expected)
    assert len(found) == len(expected)


@pytest.mark.parametrize("different", [1, 1 << 60])
def test_grouped_edges_take_no_more_than_the_input_again(different: int) -> None:
    rng = np.random.default_rng(1)
    keys, nodes = rng.integers(0, [[different], [1 << 62]], (2, 1_000_000), np.uint64)
    grouped_edges(keys[:10], None, nodes[:10])
    tracemalloc.start()
    a, _ = grouped_edges(keys, None, nodes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(a) == (0 if different > 1 else len(keys) - 1)
    assert peak <= 1.1 * (keys.nbytes + nodes.nbytes)


def test_a_bucket_with_more_keys_than_its_table_has_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges_module, "BUCKET", 1 << 20)
    monkeypatch.setattr(edges_module, "TABLE", 4)
    keys = np.random.default_rng(2).integers(0, 300, 1_000, np.uint64)
    rows = [(key, 0, i) for i, key in enumerate(keys.tolist())]
    assert set(grouped(rows, False)) == star_edges(rows, False)


@given(st.lists(st.tuples(nodes, nodes), max_size=60))
def test_sorted_rows(rows: list[Edge]) -> None:
    both = np.array(rows, np.uint64).reshape(-1, 2)
    assert [tuple(row) for row in sort_rows(both.copy(), 0, 1).tolist()] == sorted(rows)
    assert [tuple(row) for row in sort_rows(both.copy(), 1).tolist()] == sorted(rows, key=lambda row: row[1])


BROKEN = [
    (np.zeros(2, np.int64), "uint64"),
    (np.zeros((2, 2), np.uint64), "one-dimensional"),
    ([1, 2], "list"),
    (np.zeros(3, np.uint64), "equal lengths"),
]


@pytest.mark.parametrize(("wrong", "message"), BROKEN)
@pytest.mark.parametrize(
    "function", [forest, lambda a, b: grouped_edges(a, None, b), lambda a, b: Components().add(a, b)]
)
def test_wrong_columns_are_refused(function: Callable[..., object], wrong: UInt64s, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        function(np.zeros(2, np.uint64), wrong)

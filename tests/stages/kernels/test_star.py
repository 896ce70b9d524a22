"""Large-star and small-star, shuffled over any number of partitions, give the labels of union-find."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.kernels.arrays import UInt64s
from stages.kernels.star import (
    Least,
    Stars,
    both_directions,
    downwards,
    large_star,
    large_star_part,
    small_star,
    small_star_part,
)
from stages.kernels.unionfind import Components, forest
from tests.stages.kernels.graphs import SHAPES, Edge, arrays, edge_lists, listed, oracle, shaped

Pair = tuple[UInt64s, UInt64s]
Operation = Callable[[UInt64s, UInt64s], Stars]


def shuffled(rows: Pair, operation: Operation, partitions: int) -> Stars:
    """Apply the operation to each partition of the rows by node; the output of all partitions."""
    node, neighbour = rows
    home = (node ^ (node >> np.uint64(32))) % np.uint64(partitions)
    stars = [operation(node[home == part], neighbour[home == part]) for part in range(partitions)]
    a, b = (np.concatenate([star[i] for star in stars]) for i in range(2))
    return Stars(a, b, sum(star.changed for star in stars))


def rounds(a: UInt64s, b: UInt64s, partitions: int) -> list[Stars]:
    """The edges after each round; the last round changes nothing."""
    found = [Stars(a, b, 1)]
    while found[-1].changed:
        large = shuffled(both_directions(found[-1].a, found[-1].b), large_star, partitions)
        small = shuffled(downwards(large.a, large.b), small_star, partitions)
        found.append(small._replace(changed=large.changed + small.changed))
    return found[1:]


@given(edge_lists, st.integers(1, 7), st.randoms())
def test_the_last_round_is_the_forest_of_union_find(edges: list[Edge], partitions: int, random) -> None:  # type: ignore[no-untyped-def]
    last = rounds(*arrays(edges), partitions)[-1]
    expected = {(label, node) for node, label in oracle(edges).items() if node != label}
    assert sorted(listed((last.a, last.b))) == sorted(expected)
    random.shuffle(edges)
    again = rounds(*arrays([(b, a) for a, b in edges]), partitions)[-1]
    assert listed((again.a, again.b)) == listed((last.a, last.b))


@pytest.mark.parametrize("small", [False, True])
@given(edges=edge_lists, size=st.integers(1, 9))
def test_part_by_part_an_operation_finds_the_same_edges(small: bool, edges: list[Edge], size: int) -> None:
    """So a hub's partition need not be in memory. An edge may be found once in each part."""
    node, neighbour = (downwards if small else both_directions)(*arrays(edges))
    parts = [(node[at : at + size], neighbour[at : at + size]) for at in range(0, len(node), size)]
    least = Least()
    for part in parts:
        least.add(*part)
    whole = (small_star if small else large_star)(node, neighbour)
    found = [(small_star_part if small else large_star_part)(*part, least) for part in parts]
    assert {edge for stars in found for edge in listed((stars.a, stars.b))} == set(listed((whole.a, whole.b)))
    assert (sum(stars.changed for stars in found) == 0) == (whole.changed == 0)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_large_graphs_converge_in_few_rounds(shape: str, in_order: bool) -> None:
    """As the paper proves: O(log² n) rounds, and large-star and small-star add no edges."""
    a, b = shaped(shape, 100_000, in_order)
    found = rounds(a, b, 3)
    print(f"{shape}, {len(a):,} edges: {len(found)} rounds")
    assert len(found) <= log2(len(a)) ** 2 / 8
    sizes = [len(stars.a) for stars in found]
    assert sizes == sorted(sizes, reverse=True)
    nodes, labels = forest_labels(a, b)
    order = np.argsort(found[-1].b)
    np.testing.assert_array_equal(found[-1].b[order], nodes)
    np.testing.assert_array_equal(found[-1].a[order], labels)


def forest_labels(a: UInt64s, b: UInt64s) -> Pair:
    """(node, label) of all nodes except the labels themselves, by union-find."""
    components = Components()
    components.add(a, b)
    nodes, labels = components.labels()
    return nodes[nodes != labels], labels[nodes != labels]


@pytest.mark.parametrize("operation", [large_star, small_star])
@given(edges=edge_lists)
def test_an_operation_gives_each_edge_once_and_keeps_the_components(operation: Operation, edges: list[Edge]) -> None:
    a, b = arrays(edges)
    rows = both_directions(a, b) if operation is large_star else downwards(a, b)
    stars = operation(*rows)
    found = listed((stars.a, stars.b))
    assert found == sorted(set(found))
    assert all(a < b for a, b in found)
    assert listed(forest(stars.a, stars.b)) == listed(forest(a, b))
    twice = operation(np.tile(rows[0], 2), np.tile(rows[1], 2))
    assert listed((twice.a, twice.b)) == found
    assert (stars.changed == 0) == (set(found) == {(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]})


def test_memory_is_twice_the_input_more() -> None:
    node, neighbour = downwards(*np.random.default_rng(3).integers(0, 1 << 62, (2, 300_000), np.uint64))
    small_star(node[:9], neighbour[:9])
    tracemalloc.start()
    small_star(node, neighbour)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 2.01 * (node.nbytes + neighbour.nbytes)


def test_small_star_refuses_edges_from_their_smaller_end() -> None:
    with pytest.raises(ValueError, match="downwards"):
        small_star(np.zeros(1, np.uint64), np.ones(1, np.uint64))

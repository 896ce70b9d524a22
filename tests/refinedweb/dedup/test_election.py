"""Partial minima: the best of the best of any parts is the best of all, and every member is counted once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.dedup.context import OLD
from refinedweb.dedup.election import BEST, MEMBER, best_members, joined, winners_of

MEMBERS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([0, OLD]), st.integers(0, 4)), max_size=40
)


def table(rows: list[tuple[int, int, int, int]]) -> pa.Table:
    """Members of clusters (component, rank, first shard, block), each with its own address."""
    columns = [
        pa.array([component for component, *_ in rows], pa.uint64()),
        pa.array([(first << 32) + row for row, (_, _, first, _) in enumerate(rows)], pa.uint64()),
        pa.array([rank for _, rank, _, _ in rows], pa.uint64()),
        pa.array([f"id {row}" for row in range(len(rows))]),
        pa.array(np.ones(len(rows), np.int64)),
        pa.array([block for *_, block in rows], pa.uint32()),
    ]
    return pa.table(columns, schema=BEST)


@given(MEMBERS)
def test_the_best_of_the_best_of_each_block_is_the_best(rows: list[tuple[int, int, int, int]]) -> None:
    members = table(rows)
    block = members.column("block").to_numpy()
    parts = [best_members(members.filter(pa.array(block == number))) for number in range(5)]
    found = best_members(pa.concat_tables(parts)).to_pylist()
    clusters: dict[int, list[dict[str, int]]] = {}
    for row in members.to_pylist():
        clusters.setdefault(row["component"], []).append(row)
    assert [row["component"] for row in found] == sorted(clusters)
    for row in found:
        cluster = clusters[row["component"]]
        first = min(cluster, key=lambda one: (one["address"] < OLD << 32, one["rank"], one["address"]))
        assert (row["address"], row["id"], row["members"]) == (first["address"], first["id"], len(cluster))


@given(MEMBERS)
def test_each_member_is_told_who_won(rows: list[tuple[int, int, int, int]]) -> None:
    members = table(rows)
    best = best_members(members)
    winners = winners_of(best, best)
    decided = joined(members.select(MEMBER.names), winners, "copy").to_pylist()
    won = {row["component"]: row for row in best.to_pylist()}
    for row, told in zip(members.to_pylist(), decided, strict=True):
        winner = won[row["component"]]
        stays = winner["address"] == row["address"]
        assert told == {
            "address": row["address"],
            "id": row["id"],
            "reason": None if stays else "copy",
            "kept_id": None if stays else winner["id"],
            "kept_at": None if stays else winner["address"],
            "cluster_size": winner["members"],
        }

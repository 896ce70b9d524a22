"""Which member of a cluster stays, and what weight it gets."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.recipe.load import load_stages
from stages.base import build
from stages.dedup import rank_by_id
from stages.errors import ConfigError, WrongUse
from stages.keep import rank
from stages.schema import documents
from stages.weight import FINEWEB2

load_stages()
IDS = [f"id-{n}" for n in range(6)]


def best(keep: str, **columns: object) -> str:
    return IDS[int(np.argmin(rank(keep, documents(id=IDS, **columns))))]


def test_each_way_keeps_what_it_says() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [None, *(start + timedelta(days=day) for day in (3, 1, 9, 5, 2))]
    assert best("newest", timestamp=times) == IDS[3]
    assert best("oldest", timestamp=times) == IDS[2]
    assert best("longest", text=["a", None, "ab", "äöü", "zz", ""]) == IDS[3]
    assert best("score:s", s=[0.1, None, float("nan"), -5.0, 0.7, 0.6]) == IDS[4]
    assert best("score:s", s=[-3, -2, -9, None, -1, -4]) == IDS[4]
    assert best("source:wiki,news", source=["web/1", None, "news/1", "x/wiki/2", "web", "news"]) == IDS[3]
    assert best("source:none,news", source=["web/1", None, "web", "web", "web", "news"]) == IDS[5]
    assert rank("first", documents(id=IDS)).tolist() == [0] * 6
    assert rank("hash", documents(id=IDS)).tolist() == rank_by_id(documents(id=IDS)).tolist()


@pytest.mark.parametrize("keep", ["newest", "oldest", "longest", "score:s", "source:a"])
def test_equal_values_are_decided_by_the_hash_of_the_id(keep: str) -> None:
    docs = documents(id=IDS, text=["same"] * 6, source=["a"] * 6, s=[1.0] * 6)
    assert np.argmin(rank(keep, docs)) == np.argmin(rank_by_id(docs))
    order = random.Random(1).sample(range(6), 6)
    assert rank(keep, docs)[order].tolist() == rank(keep, docs.take(pa.array(order))).tolist()


@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=6))
def test_higher_scores_never_rank_behind(scores: list[float]) -> None:
    ranks = rank("score:s", documents(id=IDS[: len(scores)], s=scores)) >> np.uint64(20)
    order = np.argsort(-np.array(scores), kind="stable")
    assert (np.diff(ranks[order].astype(np.int64)) >= 0).all()


@pytest.mark.parametrize("stage", ["minhash_v1", "exact_v1", "url_dedup_v1"])
@pytest.mark.parametrize("keep", ["best", "score:", "source:a,,b", "longest:text"])
def test_what_is_not_a_way_is_refused(stage: str, keep: str) -> None:
    with pytest.raises(ConfigError, match="keep must be hash, newest"):
        build(stage, {"keep": keep})


def test_a_column_that_is_not_there_or_has_no_numbers_is_wrong_use() -> None:
    with pytest.raises(WrongUse, match="no column 'stars'"):
        rank("score:stars", documents(id=IDS))
    with pytest.raises(WrongUse, match="not numbers"):
        rank("score:url", documents(id=IDS))


def weights(table: str, sizes: list[int | None]) -> list[float]:
    docs = documents(id=[str(n) for n in range(len(sizes))], cluster_size=sizes)
    found: list[float] = build("weight_v1", {"table": table})(docs).column("weight").to_pylist()
    return found


def test_weights_follow_the_published_table() -> None:
    sizes = [1, 2, 3, 4, 5, 99, 100, 999, 1000, 10**9, None]
    assert weights("fineweb2", sizes) == [1, 2, 3, 3, 5, 5, 8, 8, 1, 1, 1]
    assert weights("fineweb2", list(FINEWEB2)) == list(FINEWEB2.values())
    assert weights("identity", [1, 7, None]) == [1, 7, 1]
    assert weights("log", [1, 2, 8]) == [1, 2, 4]
    with pytest.raises(ConfigError, match="table must be"):
        build("weight_v1", {"table": "none"})

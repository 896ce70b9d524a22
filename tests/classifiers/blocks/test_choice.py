"""From scores to a choice of blocks: the best cut, passages that a page holds twice, what the second stage sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.blocks import cut, model, second, trees
from classifiers.blocks.features.read import read_blocks
from classifiers.blocks.html import layout

CUES = np.zeros(layout.TOKEN_SLOTS, np.float32)
SENTENCE = "The river rose again in the night and nobody in the valley was surprised by it any more"


def expected(least: float, scores: Any, sizes: Any) -> float:
    """F of what is at or above `least`, by shift of the log-odds: 100,000 of them in place of five."""
    shifts = cut.SPREAD * np.random.default_rng(2).normal(size=100_000)[:, None]
    odds = np.log(scores / (1 - scores)) * np.sqrt(1 + np.pi / 8 * cut.SPREAD**2)
    words = sizes / (1 + np.exp(-odds - shifts))
    kept, weight = scores >= least, cut.BETA**2
    found = (1 + weight) * words[:, kept].sum(axis=1) / (sizes[kept].sum() + weight * words.sum(axis=1))
    return float(found.mean())


def test_the_cut_is_the_best_of_all_cuts() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        scores = rng.uniform(0.01, 0.99, 9).astype(np.float32)
        sizes = rng.integers(1, 50, 9).astype(np.float32)
        least, f = cut.best_cut(scores, sizes)
        best = max(expected(float(each), scores, sizes) for each in scores)
        assert expected(least, scores, sizes) == pytest.approx(best, abs=0.01)
        assert f == pytest.approx(best, abs=0.01)


def test_a_doubtful_list_does_not_outweigh_the_article() -> None:
    """Its items are right or wrong together, so that many of them are no surer than one."""
    scores = np.array([0.95] * 8 + [0.4] * 60, np.float32)
    sizes = np.array([60] * 8 + [12] * 60, np.float32)
    assert cut.best_cut(scores, sizes)[0] == pytest.approx(0.95)


def test_no_blocks_and_unlikely_ones_keep_nothing() -> None:
    assert cut.best_cut(np.zeros(0, np.float32), np.zeros(0, np.float32)) == (1.0, 0.0)
    blocks = read_blocks(b"<p>Log in<p>Register<p>Password", CUES)
    kept, _ = model.chosen(blocks, np.array([0.3, 0.2, 0.1], np.float32))
    assert kept.tolist() == [False, False, False]


def passages(*texts: str) -> tuple[Any, Any]:
    hashes = np.array([hash(text) & 0xFFFF_FFFF for text in texts], np.uint64)
    return hashes, np.array([len(text) for text in texts], np.float32)


def left(*texts: str) -> str:
    kept = np.ones(len(texts), np.bool_)
    cut.once(*passages(*texts), kept)
    return " ".join(text for text, is_kept in zip(texts, kept, strict=True) if is_kept)


def test_a_passage_that_is_kept_twice_is_kept_once() -> None:
    assert left("title", "one", "two", "three", "one", "two", "three") == "title one two three"
    assert left("one", "two", "one", "two", "one", "two") == "one two"


def test_a_single_repeat_and_a_short_one_stay() -> None:
    assert left("one", "two", "one") == "one two one"
    assert left("same", "same", "same") == "same same same"
    assert left("a", "b", "long" * 10, "a", "b") == f"a b {'long' * 10} a b"


@given(st.lists(st.sampled_from("abcdefg"), max_size=40), st.data())
def test_no_text_is_lost_by_it(texts: list[str], data: st.DataObject) -> None:
    before = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), np.bool_)
    after = before.copy()
    cut.once(*passages(*texts), after)
    assert not (after & ~before).any()
    assert {t for t, k in zip(texts, before, strict=True) if k} == {t for t, k in zip(texts, after, strict=True) if k}


def html_of(rng: np.random.Generator, depth: int = 0) -> str:
    """Elements in elements, with a paragraph here and there."""
    inside = [
        f"<p>{SENTENCE[: rng.integers(1, len(SENTENCE))]}</p>"
        if depth == 4 or rng.random() < 0.5
        else f"<div>{html_of(rng, depth + 1)}</div>"
        for _ in range(rng.integers(1, 6))
    ]
    return "".join(inside)


@pytest.mark.parametrize("seed", range(5))
def test_the_second_stage_sees_the_scores_around_a_block(seed: int) -> None:
    """Against sums written out block by block."""
    rng = np.random.default_rng(seed)
    blocks = read_blocks(html_of(rng).encode(), CUES)
    page, count = blocks.page, blocks.size
    scores, sizes = rng.random(count).astype(np.float32), model.sizes_of(blocks)
    rows = second.around(page, scores, sizes)
    names, nodes = {name: at for at, name in enumerate(second.SECOND)}, page.blocks[:count, layout.NODE]

    def mean(chosen: Any) -> float:
        return float((scores[chosen] * sizes[chosen]).sum() / max(sizes[chosen].sum(), 1))

    def around(node: int) -> list[int]:
        """The blocks in an element."""
        found = []
        for block in range(count):
            at = int(nodes[block])
            while at > node:
                at = int(page.nodes[at, layout.PARENT])
            found += [block] * (at == node)
        return found

    for block in range(count):
        row = rows[block]
        assert row[names["score"]] == scores[block]
        assert row[names["before4_score"]] == pytest.approx(mean(np.arange(max(block - 4, 0), block)), abs=1e-5)
        assert row[names["after12_score"]] == pytest.approx(
            mean(np.arange(block + 1, min(block + 13, count))), abs=1e-5
        )
        parent = int(page.nodes[nodes[block], layout.PARENT])
        assert row[names["parent_score"]] == pytest.approx(mean(around(parent)), abs=1e-5)
        parts = [row[names[name]] for name in ("main_before", "main_here", "main_after")]
        assert sum(parts) == pytest.approx(1, abs=1e-5)
    least = np.float32(cut.best_cut(scores, sizes)[0])
    assert rows[:, names["page_kept_share"]] == pytest.approx((scores >= least).mean())
    assert (rows[scores >= least, names["run_distance"]] == 0).any(), "one run is the heaviest"


def test_a_large_pages_blocks_are_scored_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped, html = model.load(), html_of(np.random.default_rng(7)).encode() * 20
    _, whole = shipped.scored(html)
    monkeypatch.setattr(trees, "PIECE", 7)
    _, by_pieces = shipped.scored(html)
    assert len(whole) > 100
    assert (whole > model.ALIVE).sum() > 7
    assert np.array_equal(whole, by_pieces)

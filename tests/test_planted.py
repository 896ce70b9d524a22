"""The planted corpus: what its truth says is so, and the judge of answers counts what plain Python counts."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import planted
from benchmarks.planted import TARGETS, jaccard, replaced, shingles_of
from benchmarks.planted_recall import clusters_of, report, s_curve, score

DOCUMENTS = 600


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("planted") / "corpus"
    planted.write(out, DOCUMENTS, 3, seed=7)
    return out


def texts(corpus: Path) -> dict[str, str]:
    table = pq.read_table(corpus / "documents")
    return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.lower().replace(".", "").split()
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def test_the_recorded_similarity_is_that_of_the_written_texts(corpus: Path) -> None:
    found, truth = texts(corpus), pq.read_table(corpus / "truth.parquet").to_pylist()
    assert len(truth) > DOCUMENTS / 20
    for pair in truth:
        a, b = shingles(found[pair["id_a"]]), shingles(found[pair["id_b"]])
        assert pair["jaccard"] == pytest.approx(len(a & b) / len(a | b), abs=1e-12)
    near = [min(abs(pair["jaccard"] - target) for target in TARGETS) for pair in truth if pair["members"] == 2]
    assert np.mean(near) < 0.002


def test_pairs_that_are_not_in_the_truth_have_next_to_nothing_in_common(corpus: Path) -> None:
    sets = {name: shingles(text) for name, text in texts(corpus).items()}
    planted_pairs = {(pair["id_a"], pair["id_b"]) for pair in pq.read_table(corpus / "truth.parquet").to_pylist()}
    others = [pair for pair in combinations(sorted(sets), 2) if pair not in planted_pairs]
    assert len(others) + len(planted_pairs) == DOCUMENTS * (DOCUMENTS - 1) // 2
    assert max(jaccard(sets[a], sets[b]) for a, b in others[::7]) < 0.02


def test_documents_have_the_lengths_and_names_they_should(corpus: Path) -> None:
    found = texts(corpus)
    assert len(found) == DOCUMENTS
    assert all(150 <= len(text.split()) <= 900 for text in found.values())
    assert [file.name for file in sorted((corpus / "documents").iterdir())] == [f"{i:05d}.parquet" for i in range(3)]


def test_the_same_seed_makes_the_same_corpus(corpus: Path, tmp_path: Path) -> None:
    planted.write(tmp_path / "again", DOCUMENTS, 2, seed=7)
    assert texts(tmp_path / "again") == texts(corpus)
    planted.write(tmp_path / "other", DOCUMENTS, 2, seed=8)
    assert set(texts(tmp_path / "other").values()).isdisjoint(texts(corpus).values())


@given(st.integers(150, 900), st.sampled_from(TARGETS), st.integers(0, 1 << 32))
def test_a_copy_is_as_similar_as_whole_shingles_allow(words: int, target: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    original = random.permutation(planted.VOCABULARY)[:words]
    copy = replaced(original, target, random)
    share = jaccard(shingles_of(original), shingles_of(copy))
    different = (1 - share) / (1 + share) * (words - 4)
    assert abs(different - (1 - target) / (1 + target) * (words - 4)) <= 0.5 + 1e-6


def truth_of(pairs: list[tuple[str, str, float, int, int]]) -> pa.Table:
    return pa.table(dict(zip(("id_a", "id_b", "jaccard", "family", "members"), zip(*pairs, strict=True), strict=True)))


def test_the_score_counts_pairs() -> None:
    truth = truth_of(
        [("a", "b", 0.8, 0, 2), ("c", "d", 0.8, 1, 2), ("e", "f", 0.5, 2, 2)]
        + [(x, y, 0.9, 3, 3) for x, y in combinations("ghi", 2)]
    )
    found = score(truth, {"a": 1, "b": 1, "c": 2, "z": 2, "g": 3, "h": 3, "i": 3, "e": 3}, 14, 8)
    assert [(one.jaccard, one.pairs, one.found) for one in found.bins] == [(0.5, 1, 0), (0.8, 2, 1)]
    assert found.bins[1].expected == pytest.approx(2 * s_curve(0.8, 14, 8))
    assert (found.clustered_pairs, found.planted_pairs) == (1 + 1 + 6, 1 + 3)
    assert found.precision == 0.5
    assert found.family_recall == 4 / 6


def test_an_answer_drawn_from_the_curve_agrees_with_it_and_others_do_not() -> None:
    random = np.random.default_rng(4)
    similar = random.choice([0.6, 0.7, 0.8], 3_000)
    pairs = [(f"a{i}", f"b{i}", float(s), i, 2) for i, s in enumerate(similar)]
    hits = random.random(3_000) < [s_curve(s, 14, 8) for s in similar]
    answer = {name: i for i, hit in enumerate(hits) for name in (f"a{i}", f"b{i}") if hit}
    assert all(one.agrees() for one in score(truth_of(pairs), answer, 14, 8).bins)
    assert not any(one.agrees() for one in score(truth_of(pairs), answer, 450, 20).bins)
    assert not any(one.agrees() for one in score(truth_of(pairs), {}, 14, 8).bins)


def test_the_papers_values_of_the_curve() -> None:
    values = [s_curve(s, 450, 20) for s in (0.6, 0.7, 0.75, 0.8, 0.9)]
    assert values == pytest.approx([0.016, 0.302, 0.760, 0.995, 1.0], abs=6e-4)


def test_clusters_follow_kept_documents_to_the_end() -> None:
    assert clusters_of({"b": "a", "c": "b", "y": "x"}) == dict.fromkeys("abc", "a") | dict.fromkeys("xy", "x")
    with pytest.raises(ValueError, match="ring"):
        clusters_of({"a": "b", "b": "a"})


def test_the_report_has_a_line_per_similarity(corpus: Path) -> None:
    truth = pq.read_table(corpus / "truth.parquet").to_pylist()
    perfect = {pair[side]: pair["family"] for pair in truth for side in ("id_a", "id_b")}
    lines = report({"all": perfect, "nothing": {}}, corpus, 14, 8).splitlines()
    assert len(lines) == 2 + len(TARGETS) + 1
    assert lines[-1] == "| precision | | | 100.000% | 100.000% |"
    assert "| 100.0% | 0.0% (!) |" in lines[-2]

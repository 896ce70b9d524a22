"""Laws of an index: what an earlier part had does not come back, and parts keep what one piece keeps."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.views.verify import verify
from stages.errors import ConfigError
from tests.examples import examples
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS, SETTINGS
from tests.refinedweb.engine.inline import corpus, ok, removed, rows_of, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting")

CUTS = "minhash_v1,substring_v1,url_dedup_v1,pii_v1"  # as in the shipped recipes
PASSES = "exact_v1,pii_v1,minhash_v1,substring_v1"  # the texts change between two clustered steps, too
KEYS = ("minhash_v1.write_index=true",)
MAILS = [
    {**doc, "text": f"Write to {doc['id'][:6]}@site.example now.\n{doc['text']}"}
    for doc in DOCUMENTS[:160]
    if doc["text"]
]


def parts_of(spec: str, parts: list[list[dict[str, Any]]], folder: Path, *given: str) -> list[Path]:
    """A run for each part, with all earlier ones as its index."""
    outs: list[Path] = []
    preset = SETTINGS if "minhash_v1" in spec else ()
    for number, docs in enumerate(parts):
        (path,) = write_shards(docs, folder / f"in-{number}", 1)
        ok(run(spec, [path], folder / f"part-{number}", *preset, *given, index=outs))
        outs.append(folder / f"part-{number}")
    return outs


@pytest.mark.parametrize("keys", [(), KEYS], ids=["signed again", "keys"])
@pytest.mark.parametrize("spec", [CUTS, PASSES])
def test_a_part_fed_again_keeps_nothing_and_names_documents_of_the_old_corpus(
    tmp_path: Path, spec: str, keys: tuple[str, ...]
) -> None:
    again = [{**doc, "id": f"again-{doc['id']}"} for doc in MAILS]
    first, second = parts_of(spec, [MAILS, again], tmp_path, *keys)
    assert corpus(first)
    assert corpus(second) == []
    fates = removed(first)
    reasons = {reason for reason, _, _ in fates.values()}
    assert "near_duplicate" in reasons
    assert spec != CUTS or "mostly_duplicated_text" in reasons
    old = {i for i, _ in corpus(first)} | {i for i, (_, kept, _) in fates.items() if kept}
    lost = {i for i, (_, kept, _) in fates.items() if kept is None}
    for _, kept_id, _ in removed(second).values():
        assert kept_id in old | lost, "an old document"
    for out in (first, second):
        assert not verify(str(out)).problems


SPANS = ["paragraph_v1", "paragraph_v2", "substring_v1", "substring_v2", "exact_v2,substring_v2,pii_v1,paragraph_v2"]


@pytest.mark.parametrize("spec", SPANS)
def test_passages_of_an_earlier_part_are_seen(tmp_path: Path, spec: str) -> None:
    first, second = parts_of(spec, [MAILS[:80], MAILS[:80]], tmp_path)
    assert len(corpus(first)) > 20
    texts = {doc["id"]: doc["text"] for doc in MAILS[:80]}
    for i, _ in corpus(second):  # no step says anything of a text that is shorter than its passages
        assert "paragraph" not in spec
        assert len(texts[i].split()) < 50
    assert len(corpus(second)) <= 2
    assert {kept for _, kept, _ in removed(second).values()} <= {doc["id"] for doc in MAILS[:80]}
    assert not verify(str(second)).problems


def test_an_earlier_part_wins_and_new_passages_stay(tmp_path: Path) -> None:
    old, new = [doc["text"].strip() for doc in MAILS if "ha ha" not in doc["text"]][:2]
    parts = [[{"id": "old", "text": old}], [{"id": "new", "text": f"{new}\n\n{old}"}]]
    for spec in ("paragraph_v2", "substring_v2"):
        first, second = parts_of(spec, parts, tmp_path / spec)
        assert corpus(first) == [("old", old)]
        assert corpus(second) == [("new", new)]


def test_a_stage_may_do_without_the_index_of_the_others(tmp_path: Path) -> None:
    parts = [MAILS[:20], MAILS[:20]]
    _, second = parts_of("url_dedup_v1,substring_v2", parts, tmp_path, "url_dedup_v1.index=[]")
    assert {reason for reason, _, _ in removed(second).values()} == {"mostly_duplicated_text"}


def test_keys_and_signing_again_make_the_same_index(tmp_path: Path) -> None:
    answers = []
    for keys in ((), KEYS):
        outs = parts_of(CUTS, [MAILS[:120], MAILS[60:]], tmp_path / str(len(keys)), *keys)
        answers.append([(corpus(out), removed(out)) for out in outs])
    assert answers[0] == answers[1]


def test_what_a_later_local_stage_removed_is_not_in_the_index(tmp_path: Path) -> None:
    docs = [{"id": f"{n}", "url": None, "text": f"{word} " * 30} for n, word in enumerate(("one", "two"))]
    spec, few = "exact_v1,quality_v1", ("quality_v1.min_words=10", "exact_v1.write_index=true")
    parts = parts_of(spec, [docs, docs], tmp_path, *few)
    assert not corpus(parts[0])
    assert not rows_of(parts[0], "index")
    assert {reason for reason, _, _ in removed(parts[1]).values()} == {removed(parts[0])["0"][0]}


def test_an_index_that_cannot_be_right_is_refused(tmp_path: Path) -> None:
    (first,) = parts_of(CUTS, [MAILS[:20]], tmp_path)
    next((first / "00-filter" / "kept").iterdir()).unlink()
    with pytest.raises(ConfigError, match="write_index=true"):
        run(CUTS, write_shards(MAILS[:5], tmp_path / "new", 1), tmp_path / "out", *SETTINGS, index=[first])


COPIES = st.lists(st.integers(0, 7), min_size=3, max_size=14)
EQUAL = [MAILS[n] for n in (0, 1, 2, 3, 4, 5, 7)]  # no two of these texts are alike
ALIKE = MAILS[:8]  # the texts 0 and 6 are near-duplicates


def check_parts_against_one_piece(texts: list[dict[str, Any]], chosen: list[int], count: int) -> None:
    """`count` parts keep a text of each cluster that one piece finds: the same one if the texts of it are equal."""
    docs = [copy_of(texts[text % len(texts)], f"{n}") for n, text in enumerate(chosen)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cuts = [round(len(docs) * n / count) for n in range(count + 1)]
        parts = [docs[a:b] for a, b in pairwise(cuts) if b > a]
        spec = "exact_v1,minhash_v1,url_dedup_v1,pii_v1"
        (whole,) = parts_of(spec, [docs], folder / "whole")
        kept = [row for out in parts_of(spec, parts, folder / "parts") for row in corpus(out)]
        clusters = clusters_of(whole)
        assert sorted(clusters[i] for i, _ in kept) == sorted(clusters[i] for i, _ in corpus(whole))
        if texts is EQUAL:
            assert sorted(text for _, text in kept) == sorted(text for _, text in corpus(whole))


def copy_of(doc: dict[str, Any], number: str) -> dict[str, Any]:
    return {**doc, "id": number, "url": f"https://site.example/{doc['id']}"}


def clusters_of(out: Path) -> dict[str, str]:
    """The document of the corpus that each document of a run leads to."""
    leads = {i: i for i, _ in corpus(out)}
    to_follow = {i: kept for i, (_, kept, _) in removed(out).items()}
    while to_follow:
        found = {i: leads[kept] for i, kept in to_follow.items() if kept in leads}
        assert found, f"these lead nowhere: {to_follow}"
        leads |= found
        to_follow = {i: kept for i, kept in to_follow.items() if i not in found}
    return leads


@pytest.mark.parametrize("texts", [EQUAL, ALIKE], ids=["equal", "alike"])
def test_parts_keep_the_texts_that_one_piece_keeps(texts: list[dict[str, Any]]) -> None:
    check_parts_against_one_piece(texts, [6, 1, 2, 0, 1, 3, 0, 6, 4, 2], 3)


@pytest.mark.slow
@pytest.mark.parametrize("texts", [EQUAL, ALIKE], ids=["equal", "alike"])
@given(chosen=COPIES)
@settings(max_examples=examples(6), deadline=None)
def test_any_parts_keep_the_texts_that_one_piece_keeps(texts: list[dict[str, Any]], chosen: list[int]) -> None:
    check_parts_against_one_piece(texts, chosen, 3)


@pytest.mark.slow
@pytest.mark.parametrize("texts", [EQUAL, ALIKE], ids=["equal", "alike"])
@given(chosen=st.lists(st.integers(0, 7), min_size=10, max_size=14))
@settings(max_examples=examples(2), deadline=None)
def test_ten_parts_keep_the_texts_that_one_piece_keeps(texts: list[dict[str, Any]], chosen: list[int]) -> None:
    check_parts_against_one_piece(texts, chosen, 10)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["refinedweb", "falcon", "fineweb"])
def test_a_crawl_fed_again_keeps_nothing(recipe: str, shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "crawl").glob("part-*.warc.gz"))
    fast = "extract_v1.engine=blocks"
    ok(run(recipe, files, tmp_path / "first", fast))
    ok(run(recipe, files, tmp_path / "again", fast, index=[tmp_path / "first"]))
    assert corpus(tmp_path / "first")
    assert corpus(tmp_path / "again") == []

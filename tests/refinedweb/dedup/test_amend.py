"""No cluster is lost because of the order of steps, and every removed duplicate leads to a document of the corpus."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.dedup import amend
from refinedweb.dedup.phase import PhaseWork, folder_of
from refinedweb.engine.pool import Work
from refinedweb.views.verify import Verdict, verify
from tests.examples import examples
from tests.refinedweb.cli.command import refinedweb
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS, RECIPE, SETTINGS, edited, text
from tests.refinedweb.engine.inline import HookedPool, answer, corpus, ok, removed, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting", "small_tasks")
PAGE = "One two three four five six seven."


def doc(name: str, url: str | None, body: str, day: int = 1) -> dict[str, Any]:
    return {"id": name, "url": url, "timestamp": f"2024-01-{day:02d}T00:00:00Z", "text": body}


def sound(out: Path) -> Verdict:
    """The verdict on a run that must have no dangling name and no lost cluster."""
    verdict = verify(str(out))
    assert not verdict.problems
    assert verdict.chains is not None
    assert (verdict.chains.lost_documents, verdict.chains.lost_clusters) == ({}, {})
    return verdict


def settled(spec: str, docs: list[dict[str, Any]], out: Path, shards: int = 2, *more: str) -> dict[str, str | None]:
    """Run; what was kept instead of each removed document."""
    ok(run(spec, write_shards(docs, out.with_name(f"{out.name}-in"), shards), out, "exact_v1.keep=first", *more))
    sound(out)
    return {name: kept for name, (_, kept, _) in removed(out).items()}


@pytest.mark.parametrize("shards", [1, 3])
def test_the_next_one_is_elected_where_the_kept_one_has_the_address_of_another(tmp_path: Path, shards: int) -> None:
    """A is kept of A, B and D; then it has C's address. B comes back, and D is removed for B."""
    docs = [doc("a", "https://site.example/", PAGE), doc("b", None, PAGE), doc("d", None, PAGE)]
    docs.append(doc("c", "https://site.example/", "Nothing of the kind.", 2))
    assert settled("exact_v1,url_dedup_v1", docs, tmp_path / "out", shards) == {"a": "c", "d": "b"}


def test_status_says_how_many_came_back(tmp_path: Path) -> None:
    docs = [doc("a", "https://site.example/", PAGE), doc("b", None, PAGE), doc("d", None, PAGE)]
    docs.append(doc("c", "https://site.example/", "Nothing of the kind.", 2))
    out = tmp_path / "out"
    settled("exact_v1,url_dedup_v1", docs, out)
    assert "1 of 2 documents came back" in refinedweb("status", out).stdout


def test_who_would_go_as_well_stays_away(tmp_path: Path) -> None:
    """All copies of the text have addresses of which newer documents are kept."""
    docs = [doc(name, f"https://site.example/{name}", PAGE) for name in "abc"]
    docs += [doc(f"new-{name}", f"https://site.example/{name}", f"Page {name}.", 2) for name in "abc"]
    assert settled("exact_v1,url_dedup_v1", docs, tmp_path / "out") == {name: f"new-{name}" for name in "abc"}


def test_two_clusters_do_not_send_the_same_address_back(tmp_path: Path) -> None:
    """B and F come again, and have the same address: the newer one stays, and the next of the other's cluster does."""
    other = "Quite another text of some words."
    docs = [doc("a", "https://site.example/1", PAGE), doc("e", "https://site.example/2", other)]
    docs += [doc("b", "https://site.example/3", PAGE), doc("f", "https://site.example/3", other, 3)]
    docs += [doc("g", None, PAGE)]
    docs += [doc(f"new-{n}", f"https://site.example/{n}", f"Page {n}.", 2) for n in (1, 2)]
    named = settled("exact_v1,url_dedup_v1", docs, tmp_path / "out")
    assert named == {"a": "new-1", "e": "new-2", "b": "f"}
    assert {"f", "g"} <= {name for name, _ in corpus(tmp_path / "out")}


@pytest.mark.parametrize("most", [amend.MOST_WANTED, -1])
def test_what_comes_back_is_cut_where_others_have_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Whether only the keys that are wanted travel, or too many are wanted and all do."""
    monkeypatch.setattr(amend, "MOST_WANTED", most)
    chance = random.Random(3)
    passage, own = text(chance, 80), text(chance, 90)
    near = f"{passage} {own}"
    docs = [doc("a", "https://site.example/", near), doc("b", None, near)]
    docs += [doc("c", "https://site.example/", "A newer page.", 2), doc("k", None, f"{passage} {text(chance, 90)}")]
    spec = "exact_v1,substring_v2,url_dedup_v1"
    assert settled(spec, docs, tmp_path / "out") == {"a": "c"}
    assert dict(corpus(tmp_path / "out"))["b"] == own


@pytest.mark.parametrize("keys", ["true", "false"])
def test_a_part_fed_again_keeps_nothing(tmp_path: Path, keys: str) -> None:
    docs = [doc("a", "https://site.example/", PAGE), doc("b", None, PAGE), doc("d", None, PAGE)]
    docs.append(doc("c", "https://site.example/", "Nothing of the kind.", 2))
    spec, out = "exact_v1,url_dedup_v1", tmp_path / "out"
    settled(spec, docs, out, 2, f"exact_v1.write_index={keys}", f"url_dedup_v1.write_index={keys}")
    ok(run(spec, write_shards(docs, tmp_path / "again", 1), tmp_path / "new", index=[out]))
    assert not corpus(tmp_path / "new")


def test_an_index_of_addresses_counts_for_those_who_come_again(tmp_path: Path) -> None:
    old = [doc("old", "https://site.example/b", "An old page.")]
    ok(run("url_dedup_v1", write_shards(old, tmp_path / "old-in", 1), tmp_path / "old"))
    docs = [doc("a", "https://site.example/a", PAGE), doc("b", "https://site.example/b", PAGE)]
    docs.append(doc("c", "https://site.example/a", "A newer page.", 2))
    out, spec = tmp_path / "out", "exact_v1,url_dedup_v1"
    known = f"url_dedup_v1.index=['{tmp_path / 'old'}']"
    ok(run(spec, write_shards(docs, tmp_path / "in", 2), out, "exact_v1.keep=first", known))
    sound(out)
    assert {name: kept for name, (_, kept, _) in removed(out).items()} == {"a": "c", "b": "old"}


@pytest.mark.parametrize("stop", ["7-00-orphans", "7-00-again", "7-00-t00-3-link", "8-amend"])
def test_a_driver_that_dies_between_phases_changes_nothing(tmp_path: Path, stop: str) -> None:
    docs = [doc("a", "https://site.example/", PAGE), doc("b", None, PAGE), doc("d", None, PAGE)]
    docs.append(doc("c", "https://site.example/", "Nothing of the kind.", 2))
    files, out = write_shards(docs, tmp_path / "in", 2), tmp_path / "out"

    def die(work: Work) -> None:
        if isinstance(work, PhaseWork) and folder_of(work.phase).endswith(f"/{stop}"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("exact_v1,url_dedup_v1", files, out, "exact_v1.keep=first", pool=HookedPool(before=die))
    ok(run("exact_v1,url_dedup_v1", files, out, "exact_v1.keep=first"))
    sound(out)
    assert {name: kept for name, (_, kept, _) in removed(out).items()} == {"a": "c", "d": "b"}


@pytest.mark.slow
def test_whatever_the_shards_the_same_ones_come_back(tmp_path: Path) -> None:
    answers = []
    for shards in (1, 2, 5):
        out = tmp_path / f"out-{shards}"
        ok(run(RECIPE, write_shards(DOCUMENTS, tmp_path / f"in-{shards}", shards), out, *SETTINGS))
        sound(out)
        answers.append(answer(out))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.slow
@settings(max_examples=examples(8), deadline=None)
@given(seed=st.integers(0, 2**32), order=st.permutations(["exact_v2", "minhash_v2", "url_dedup_v1", "paragraph_v2"]))
def test_no_order_of_steps_loses_a_cluster(
    tmp_path_factory: pytest.TempPathFactory, seed: int, order: list[str]
) -> None:
    chance = random.Random(seed)
    texts = [text(chance, 40) for _ in range(4)]
    texts += [edited(chance, chance.choice(texts), 0.02) for _ in range(4)]
    docs = [
        doc(f"{n:02d}", f"https://site.example/{chance.randrange(7)}", chance.choice(texts), chance.randint(1, 9))
        for n in range(24)
    ]
    folder = tmp_path_factory.mktemp("any")
    ok(run(",".join(order), write_shards(docs, folder / "in", 2), folder / "out", "minhash_v2.preset=fineweb"))
    sound(folder / "out")

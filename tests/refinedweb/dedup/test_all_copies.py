"""`drop_all_copies`: of what occurs more than once, nothing stays; `verify` takes it for what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from refinedweb.views.verify import verify
from tests.refinedweb.engine.inline import corpus, ok, removed, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting", "small_tasks")
WORDS = " ".join(f"word{n}" for n in range(60))
SAME, ALONE = "the same text", "nobody else's text"


def doc(name: str, url: str, text: str) -> dict[str, Any]:
    return {"id": name, "url": f"https://site.example/{url}", "timestamp": "2024-01-01T00:00:00Z", "text": text}


def kept(spec: str, docs: list[dict[str, Any]], out: Path, *settings: str, **more: Any) -> set[str]:
    """The ids of the corpus of a run that `verify` finds sound."""
    ok(run(spec, write_shards(docs, out.with_name(f"{out.name}-in"), 2), out, *settings, **more))
    verdict = verify(str(out))
    assert not verdict.problems
    assert verdict.chains is not None
    assert (verdict.chains.lost_clusters, verdict.chains.lost_documents) == ({}, {})
    return {name for name, _ in corpus(out)}


@pytest.mark.parametrize(
    ("stage", "docs"),
    [
        ("exact_v1", [doc("a", "1", SAME), doc("b", "2", SAME), doc("c", "3", ALONE)]),
        ("exact_v2", [doc("a", "1", SAME), doc("b", "2", SAME), doc("c", "3", ALONE)]),
        ("minhash_v1", [doc("a", "1", WORDS), doc("b", "2", f"{WORDS} more"), doc("c", "3", ALONE)]),
        ("minhash_v2", [doc("a", "1", WORDS), doc("b", "2", f"{WORDS} more"), doc("c", "3", ALONE)]),
        ("url_dedup_v1", [doc("a", "1", SAME), doc("b", "1", ALONE), doc("c", "3", SAME)]),
    ],
)
def test_who_has_no_copy_stays(tmp_path: Path, stage: str, docs: list[dict[str, Any]]) -> None:
    few = ("minhash_v1.preset=fineweb", "minhash_v2.preset=fineweb")
    settings = [one for one in (*few, f"{stage}.drop_all_copies=true") if one.startswith(stage)]
    assert kept(stage, docs, tmp_path / "all", *settings) == {"c"}
    assert {name: one[1:] for name, one in removed(tmp_path / "all").items()} == dict.fromkeys("ab", (None, 2))
    assert len(kept(stage, docs, tmp_path / "one", *settings[:-1])) == 2


def test_an_index_stays_and_is_named(tmp_path: Path) -> None:
    ok(run("exact_v2", write_shards([doc("old", "0", SAME)], tmp_path / "old-in", 1), tmp_path / "old"))
    docs = [doc("a", "1", SAME), doc("b", "2", ALONE)]
    out = tmp_path / "new"
    assert kept("exact_v2", docs, out, "exact_v2.drop_all_copies=true", index=[tmp_path / "old"]) == {"b"}
    assert removed(out) == {"a": ("duplicate_text", "old", 2)}


def test_verify_compares_candidates_alone(tmp_path: Path) -> None:
    docs = [doc("a", "1", WORDS), doc("b", "2", f"{WORDS} more"), doc("c", "3", ALONE)]
    settings = ("minhash_v2.preset=fineweb", "minhash_v2.drop_all_copies=true", "minhash_v2.verify=0.8")
    assert kept("minhash_v2", docs, tmp_path / "out", *settings) == {"c"}


def test_copies_of_what_went_in_all_copies_do_not_come_back(tmp_path: Path) -> None:
    """One of A and B is kept, and then goes together with C: the other one has as many near copies as it had."""
    near = f"{WORDS} more"
    docs = [doc("a", "1", WORDS), doc("b", "2", WORDS), doc("c", "3", near), doc("d", "4", ALONE)]
    settings = ("minhash_v2.preset=fineweb", "minhash_v2.drop_all_copies=true")
    assert kept("exact_v2,minhash_v2", docs, tmp_path / "out", *settings) == {"d"}


def test_what_had_the_address_of_another_comes_back(tmp_path: Path) -> None:
    docs = [doc("a", "1", SAME), doc("b", "2", SAME), doc("c", "1", "Nothing of the kind.")]
    settings = ("exact_v2.keep=first", "url_dedup_v1.drop_all_copies=true")
    assert kept("exact_v2,url_dedup_v1", docs, tmp_path / "out", *settings) == {"b"}

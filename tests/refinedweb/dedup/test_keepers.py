"""`minhash_v2.verify`: every document that is removed is as alike to the one that is kept as was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.errors import ConfigError
from stages.minhash import jaccard
from tests.refinedweb.dedup.dedup_corpus import WORDS
from tests.refinedweb.engine.inline import corpus, ok, removed, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting", "small_tasks")
PRESET = ("bands=20", "rows=3")


def chain(links: int = 20, size: int = 120, step: int = 5) -> list[dict[str, Any]]:
    """Documents that are each much like the next: a window that moves over one long text of different words."""
    words = [f"{WORDS[n % len(WORDS)]}{n}" for n in range(size + links * step)]
    return [
        {"id": f"link-{n:02d}", "url": None, "text": " ".join(words[n * step : n * step + size])} for n in range(links)
    ]


def deduplicated(stage: str, docs: list[dict[str, Any]], out: Path, **more: Any) -> dict[str, float]:
    """The Jaccard similarity of every removed document with the one that `kept_id` names."""
    settings = [f"{stage}.{one}" for one in (*PRESET, "verify=0.8")]
    ok(run(stage, write_shards(docs, out.with_name(f"{out.name}-in"), 3), out, *settings, **more))
    texts = {doc["id"]: doc["text"] for doc in chain()}
    gone = {i: str(kept) for i, (_, kept, _) in removed(out).items()}
    return {i: jaccard(texts[i], texts[kept], dialect="text") for i, kept in gone.items()}


def test_a_chain_does_not_remove_what_is_unlike_its_keeper(tmp_path: Path) -> None:
    alike = deduplicated("minhash_v2", chain(), tmp_path / "v2")
    assert alike, "links next to the kept one go"
    assert min(alike.values()) >= 0.8
    assert {i for i, _ in corpus(tmp_path / "v2")} == {doc["id"] for doc in chain()} - alike.keys()
    edges_only = deduplicated("minhash_v1", chain(), tmp_path / "v1")
    assert len(edges_only) == 19
    assert min(edges_only.values()) < 0.2


def test_the_same_holds_for_documents_of_earlier_runs(tmp_path: Path) -> None:
    links = chain()
    ok(run("minhash_v2", write_shards(links[:1], tmp_path / "old-in", 1), tmp_path / "old"))
    alike = deduplicated("minhash_v2", links[1:], tmp_path / "new", index=[tmp_path / "old"])
    assert alike
    assert min(alike.values()) >= 0.8
    kept = {kept for _, kept, _ in removed(tmp_path / "new").values()}
    assert kept == {"link-00"}, "the old document stays the keeper of the whole chain"


def test_an_index_of_keys_does_where_the_run_has_the_texts(tmp_path: Path) -> None:
    """Keys alone cannot be verified: the texts are those that the step of the earlier run read."""
    links, old = chain(), tmp_path / "old"
    files = write_shards(links[:1], tmp_path / "old-in", 1)
    ok(run("minhash_v2", files, old, "minhash_v2.write_index=true", *(f"minhash_v2.{one}" for one in PRESET)))
    alike = deduplicated("minhash_v2", links[1:], tmp_path / "new", index=[old])
    assert alike
    assert min(alike.values()) >= 0.8
    with pytest.raises(ConfigError, match=r"keys without texts, which minhash_v2.verify compares"):
        deduplicated("minhash_v2", links[1:], tmp_path / "keys", index=[old / "index" / "minhash_v2"])

"""Following `kept_id` ends in the corpus; where it does not, `verify` says so, and how many clusters are lost whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.ledger.run_file import open_run
from refinedweb.storage import open_store
from refinedweb.views.history import histories
from refinedweb.views.kept_chain import Chains, follow
from refinedweb.views.run import Run
from refinedweb.views.verify import verify
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS, RECIPE, SETTINGS
from tests.refinedweb.engine.inline import corpus, ok, removed, rows_of, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting")


def chains_of(out: Path) -> Chains:
    return follow(open_store(str(out)), open_run(str(out)))


def dead_ends(out: Path) -> set[str]:
    """The documents that name another and do not lead to the corpus, followed one by one. What was removed in all
    copies is an end, too.
    """
    named = {i: kept for i, (_, kept, _) in removed(out).items() if kept is not None}
    there = {i for i, _ in corpus(out)}
    there |= {i for i, (reason, kept, _) in removed(out).items() if kept is None and "duplicated" in str(reason)}
    found = set()
    for start in named:
        at, seen = start, set()
        while at in named and at not in seen:
            seen.add(at)
            at = named[at]
        if at not in there:
            found.add(start)
    return found


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("spec", [RECIPE, "substring_v1,exact_v1,quality_v1,minhash_v1,url_dedup_v1"])
def test_verify_finds_what_following_one_by_one_finds(tmp_path: Path, spec: str) -> None:
    out, few = tmp_path / "out", ("quality_v1.min_words=150",) if "quality" in spec else ()
    ok(run(spec, write_shards(DOCUMENTS, tmp_path / "in", 3), out, *SETTINGS, *few))
    verdict = verify(str(out))
    assert not verdict.problems
    assert verdict.chains is not None
    assert sum(verdict.chains.lost_documents.values()) == len(dead_ends(out))
    assert set(verdict.chains.lost_documents) - {"substring_v1"} <= set(verdict.chains.lost_clusters)
    assert verify(str(out), quick=True).chains is None


def test_a_chain_goes_on_where_the_kept_one_is_a_duplicate_itself(tmp_path: Path) -> None:
    """B has A's text, A has C's address: B → A → C, whatever order the ids have."""
    page, other = "One two three four five six seven.", "Nothing of the kind."
    docs = [
        {"id": "a", "url": "https://site.example/", "timestamp": "2024-01-01T00:00:00Z", "text": page},
        {"id": "b", "url": None, "text": page},
        {"id": "c", "url": "https://site.example/", "timestamp": "2024-02-01T00:00:00Z", "text": other},
    ]
    out = tmp_path / "out"
    ok(run("exact_v1,url_dedup_v1", write_shards(docs, tmp_path / "in", 2), out))
    assert chains_of(out).lost_documents == {}
    named = {i: kept for i, (_, kept, _) in removed(out).items()}
    assert named in ({"b": "a", "a": "c"}, {"a": "b"}), "by the hash of the id"
    (history,) = histories(Run(str(out)), "b" if "b" in named else "a")
    assert [link["id"] for link in history.chain] == (["a", "c"] if "b" in named else ["b"])
    assert history.chain[-1]["end"] == "corpus"


def test_a_cluster_whose_kept_document_leaves_later_is_counted(tmp_path: Path) -> None:
    docs = [{"id": f"{n}", "url": None, "text": "too short to stay"} for n in range(3)]
    out = tmp_path / "out"
    ok(run("exact_v1,quality_v1", write_shards(docs, tmp_path / "in", 2), out))
    found = chains_of(out)
    assert (found.lost_clusters, found.lost_documents, len(found.examples)) == ({"exact_v1": 1}, {"exact_v1": 2}, 2)


def test_documents_of_an_index_are_an_end(tmp_path: Path) -> None:
    docs = [{"id": f"{n}", "url": None, "text": "the same text"} for n in range(2)]
    old, new = write_shards(docs, tmp_path / "in", 2)
    ok(run("exact_v1", [old, new], tmp_path / "old"))
    again = write_shards(docs, tmp_path / "again", 1)
    ok(run("exact_v1", again, tmp_path / "new", index=[tmp_path / "old"]))
    assert len(removed(tmp_path / "new")) == 2
    assert chains_of(tmp_path / "new") == Chains()


def _elsewhere(rows: pa.Table) -> pa.Table:
    return rows.set_column(4, "kept_at", pa.array([5] * rows.num_rows, pa.uint64()))


def _nowhere(rows: pa.Table) -> pa.Table:
    return rows.set_column(4, "kept_at", pa.array([7 << 32] * rows.num_rows, pa.uint64()))


def _another(rows: pa.Table) -> pa.Table:
    return rows.set_column(3, "kept_id", pa.array(["x"] * rows.num_rows))


@pytest.mark.parametrize("change", [_elsewhere, _nowhere, _another])
def test_a_decision_that_names_what_is_not_there_is_a_problem(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table]
) -> None:
    docs = [{"id": f"{n}", "url": None, "text": "the same text"} for n in range(3)]
    out = tmp_path / "out"
    ok(run("exact_v1", write_shards(docs, tmp_path / "in", 1), out))
    path = out / "01-exact_v1" / "decisions" / "000000.parquet"
    pq.write_table(change(pq.ParquetFile(path).read()), path)
    assert "which is not what the step read there" in chains_of(out).problems[0]


@pytest.mark.parametrize("shards", [1, 3])
def test_a_removed_document_names_one_that_has_its_text(tmp_path: Path, shards: int) -> None:
    """Both short ones lead to the longer document, which stays without the passage."""
    words = " ".join(f"word{n}" for n in range(60))
    longer = f"{words} {' '.join(f'more{n}' for n in range(60))}"
    texts = [words, longer, words, "nothing like it"]
    docs = [{"id": f"{n}", "url": None, "text": text} for n, text in enumerate(texts)]
    out = tmp_path / "out"
    ok(run("substring_v1", write_shards(docs, tmp_path / "in", shards), out))
    assert {i: reason for i, (reason, _, _) in removed(out).items()} == dict.fromkeys("02", "mostly_duplicated_text")
    assert not dead_ends(out)
    assert [row["id"] for row in rows_of(out, "corpus")] == ["1", "3"]
    assert chains_of(out) == Chains()

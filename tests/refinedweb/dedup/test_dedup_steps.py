"""What each global step finds, compared with an oracle, a promised probability, or a small case done by hand."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks import planted, planted_recall
from refinedweb.recipe.load import load as load_recipe
from stages.minhash import jaccard
from stages.schema import documents
from stages.spans import decisions_of, with_rows
from stages.substring.phases import duplicate_spans
from stages.substring.stage import Substring
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS, SETTINGS
from tests.refinedweb.engine.inline import corpus, ok, removed, rows_of, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture(scope="module")
def planted_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8,000 documents with some 800 families of known similarity."""
    out = tmp_path_factory.mktemp("planted")
    planted.write(out, 8_000, 3, seed=11)
    return out


def test_the_newest_or_the_first_of_a_url_stays(tmp_path: Path) -> None:
    paths = write_shards(DOCUMENTS, tmp_path / "in", 3)
    of_url: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for doc in DOCUMENTS:
        if doc["text"]:  # the others are removed during reading
            of_url[doc["url"] or doc["id"]].append(doc)
    for keep in ("newest", "first"):
        out = tmp_path / keep
        ok(run("url_dedup_v1", paths, out, f"url_dedup_v1.keep={keep}"))
        order = (lambda doc: doc["timestamp"]) if keep == "newest" else (lambda doc: -DOCUMENTS.index(doc))
        wanted = {max(docs, key=order)["timestamp" if keep == "newest" else "id"] for docs in of_url.values()}
        rows = rows_of(out, "corpus")
        stamps = {row["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ") for row in rows}
        assert len(rows) == len(of_url)
        assert (stamps if keep == "newest" else {row["id"] for row in rows}) == wanted


@pytest.mark.usefixtures("small_tasks")
def test_verified_candidates_are_as_alike_as_was_asked_for(tmp_path: Path) -> None:
    paths = write_shards(DOCUMENTS, tmp_path / "in", 3)
    texts = {doc["id"]: doc["text"] for doc in DOCUMENTS}
    found = {}
    for verify_at in ("none", "0.9", "1.0"):
        out = tmp_path / verify_at
        ok(run("minhash_v1", paths, out, *SETTINGS, f"minhash_v1.verify={verify_at}"))
        found[verify_at] = {i: kept for i, (_, kept, _) in removed(out).items() if kept}
    assert found["none"].keys() > found["0.9"].keys() > found["1.0"].keys(), "fewer edges, fewer removed"
    alike = {at: [jaccard(texts[i], texts[kept]) for i, kept in pairs.items()] for at, pairs in found.items()}
    assert min(alike["none"]) < 0.9
    assert set(alike["1.0"]) == {1.0}


@pytest.mark.parametrize(("preset", "bands", "rows"), [("refinedweb", 450, 20), ("fineweb", 14, 8)])
def test_the_step_finds_as_many_near_duplicates_as_the_s_curve_promises(
    planted_corpus: Path, tmp_path: Path, preset: str, bands: int, rows: int
) -> None:
    """P(candidate) = 1-(1-s^r)^b, at each true similarity from 0.5 to 1; nothing else is joined."""
    files = sorted((planted_corpus / "documents").glob("*.parquet"))
    ok(run("minhash_v1", files, tmp_path / "out", f"minhash_v1.preset={preset}"))
    kept = {i: str(kept_id) for i, (_, kept_id, _) in removed(tmp_path / "out").items()}
    found = planted_recall.score(
        pq.read_table(planted_corpus / "truth.parquet"), planted_recall.clusters_of(kept), bands, rows
    )
    assert [one.jaccard for one in found.bins] == list(planted.TARGETS)
    assert min(one.pairs for one in found.bins) > 50
    assert all(one.agrees() for one in found.bins), found.bins
    assert found.precision == 1.0


CASES = ("", "keep_first=true", "mode=mask", "mode=drop_partial max_share=0.3", "mode=drop_any", "length=20")


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("case", CASES)
def test_substring_over_shards_is_substring_over_one_table(tmp_path: Path, case: str) -> None:
    """The step makes the same corpus as the in-memory driver, whose oracle is a dictionary of windows."""
    spec = [f"substring_v1.{setting}" for setting in case.split()]
    ok(run("substring_v1", write_shards(DOCUMENTS, tmp_path / "in", 5), tmp_path / "out", *spec))
    ((_, values),) = load_recipe("substring_v1", spec).stages
    stage = Substring(**values)
    docs = documents(id=[d["id"] for d in DOCUMENTS if d["text"]], text=[d["text"] for d in DOCUMENTS if d["text"]])
    found = duplicate_spans(stage, docs)
    judged = stage.apply(with_rows(docs), decisions_of(docs, stage.reasons(docs, found), found)).to_pylist()
    names = ("id", "text", "duplicate_spans") if case == "mode=mask" else ("id", "text")
    expected = [tuple(row[name] or None for name in names) for row in judged if row["drop"] is None]
    assert [tuple(row[name] or None for name in names) for row in rows_of(tmp_path / "out", "corpus")] == expected
    gone = {i: reason for i, (reason, _, _) in removed(tmp_path / "out").items() if reason != "empty_payload"}
    assert gone == {row["id"]: row["drop"] for row in judged if row["drop"]}
    assert any(spans for spans in found.to_pylist())


def test_the_first_copy_of_a_paragraph_stays(tmp_path: Path) -> None:
    texts = ["One line here.\nA line of all.", "A LINE of all!\nSomething else.", "a line, of all", "Nothing like it."]
    docs = [{"id": f"{n:02d}", "url": None, "text": text} for n, text in enumerate(texts)]
    ok(run("paragraph_v1", write_shards(docs, tmp_path / "in", 2), tmp_path / "out"))
    assert corpus(tmp_path / "out") == [("00", texts[0]), ("01", "Something else."), ("03", texts[3])]
    assert removed(tmp_path / "out") == {"02": ("only_duplicated_paragraphs", "00", None)}

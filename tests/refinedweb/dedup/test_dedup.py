"""Laws of the global steps: the answer depends on the documents alone, and each removal names what was kept."""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.dedup import components
from refinedweb.views.verify import verify
from stages.errors import ConfigError
from stages.kernels.classes import fold
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS, RECIPE, SETTINGS
from tests.refinedweb.engine.inline import answer, corpus, ok, removed, rows_of, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting")


def test_every_document_is_kept_or_removed_and_each_kind_of_copy_is_found(whole: Path) -> None:
    kept, gone = answer(whole)
    assert sorted([i for i, _ in kept] + list(gone)) == sorted(doc["id"] for doc in DOCUMENTS)
    found = Counter(reason for reason, _, _ in gone.values())
    assert {"duplicate_text", "near_duplicate", "duplicate_url", "mostly_duplicated_text"} <= set(found), found
    verdict = verify(str(whole))
    assert not verdict.problems
    assert not verdict.pending
    assert not verdict.unrecorded


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("shards", [2, pytest.param(7, marks=pytest.mark.slow)])
def test_the_answer_does_not_depend_on_shards_blocks_or_partitions(whole: Path, tmp_path: Path, shards: int) -> None:
    ok(run(RECIPE, write_shards(DOCUMENTS, tmp_path / "in", shards), tmp_path / "out", *SETTINGS))
    assert answer(tmp_path / "out") == answer(whole)
    tasks = [len(list((tmp_path / "out").glob(f"02-minhash_v1/{phase}/manifest/*"))) for phase in ("1-sign", "2-group")]
    assert min(tasks) > 1, "several blocks and partitions"
    assert not verify(str(tmp_path / "out")).problems


@pytest.mark.slow
@pytest.mark.usefixtures("many_levels")
def test_the_answer_does_not_depend_on_merges(whole: Path, tmp_path: Path) -> None:
    ok(run(RECIPE, write_shards(DOCUMENTS, tmp_path / "in", 5), tmp_path / "out", *SETTINGS))
    assert answer(tmp_path / "out") == answer(whole)
    merges = {path.parent.parent.name for path in (tmp_path / "out").glob("02-minhash_v1/*-merge-*/manifest/*.json")}
    assert {"1-sign-signed-merge-1", "1-sign-signed-merge-2", "5-elect-winners-merge-1"} <= merges, merges
    assert (tmp_path / "out" / "04-substring_v1" / "2-group-checks-merge-1").exists()
    assert not verify(str(tmp_path / "out")).problems


@pytest.mark.usefixtures("many_levels")
def test_documents_of_equal_text_send_their_keys_once(tmp_path: Path) -> None:
    """Only 14 rows travel for 40 copies; texts without a word have no key, and no copies."""
    texts = ["one text of more than five words, forty times"] * 40 + ["!!! ..."] * 3
    docs = [{"id": f"{n:02d}", "url": None, "text": text} for n, text in enumerate(texts)]
    out = tmp_path / "out"
    ok(run("minhash_v1", write_shards(docs, tmp_path / "in", 1), out, *SETTINGS))
    records = [json.loads(path.read_text()) for path in out.glob("01-minhash_v1/1-sign/manifest/*.json")]
    assert sum(o["rows"] for r in records for o in r["outputs"] if "/signed/" in o["key"]) == 14
    assert {size for _, _, size in removed(out).values()} == {40}
    assert len(corpus(out)) == 4


def test_what_a_removed_document_names_was_kept_and_is_its_like(whole: Path) -> None:
    texts = {doc["id"]: doc["text"] for doc in DOCUMENTS}
    urls = {doc["id"]: doc["url"] for doc in DOCUMENTS}
    clusters: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for i, (reason, kept_id, size) in removed(whole).items():
        if reason in ("duplicate_text", "duplicate_url", "near_duplicate"):
            assert kept_id is not None
            assert removed(whole).get(kept_id, ("",))[0] != reason, "what was kept went on"
            clusters[reason, kept_id].append(size or 0)
        if reason == "duplicate_text":
            assert fold(texts[i]).split() == fold(texts[str(kept_id)]).split()
        if reason == "duplicate_url":
            assert urls[i] == urls[str(kept_id)]
    assert clusters
    for sizes in clusters.values():
        assert sizes == [len(sizes) + 1] * len(sizes)


@pytest.mark.usefixtures("small_tasks")
def test_new_documents_never_remove_those_of_an_index(tmp_path: Path) -> None:
    """Parts that run one after another, each with the earlier ones as its index, keep what one run over all keeps."""
    paths = write_shards(DOCUMENTS, tmp_path / "in", 3)
    spec = "exact_v1,url_dedup_v1"
    settings = ("url_dedup_v1.keep=first",)
    outs: list[Path] = []
    for number, path in enumerate(paths):
        keys = ("url_dedup_v1.write_index=true",) if number == 1 else ()
        ok(run(spec, [path], tmp_path / f"part-{number}", *settings, *keys, index=outs))
        outs.append(tmp_path / f"part-{number}")
        assert not verify(str(outs[-1])).problems
    ids = [{i for i, _ in corpus(out)} for out in outs]
    assert not ids[0] & ids[1]
    urls = [row["url"] for out in outs for row in rows_of(out, "corpus") if row["url"]]
    assert len(urls) == len(set(urls)), "one document per URL over all parts"
    older = set(ids[0]) | set(ids[1])
    named = {kept for reason, kept, _ in removed(outs[2]).values() if kept}
    assert named & older, "removed documents name the old one that stays"
    for reason, kept, _ in removed(outs[2]).values():
        assert reason == "empty_payload" or kept in older | {doc["id"] for doc in DOCUMENTS}


@pytest.mark.parametrize("keys", [(), ("exact_v1.write_index=true",)])
def test_an_index_on_s3_decides_as_one_on_disk(tmp_path: Path, s3_server: str, keys: tuple[str, ...]) -> None:
    old, new = write_shards(DOCUMENTS, tmp_path / "in", 2)
    answers = []
    for place in (str(tmp_path / "old"), f"{s3_server}/{uuid.uuid4().hex}"):
        ok(run("exact_v1", [old], place, *keys))
        out = tmp_path / f"new-{len(answers)}"
        ok(run("exact_v1", [new], out, index=[place]))
        answers.append(answer(out))
    assert answers[0] == answers[1]
    ids = {kept for _, kept, _ in answers[0][1].values()}
    assert ids - {row["id"] for row in map(json.loads, new.read_text().splitlines())}, "some are of the index"


def test_a_wrong_index_is_refused_before_any_work(tmp_path: Path) -> None:
    paths = write_shards(DOCUMENTS, tmp_path / "in", 1)
    ok(run("exact_v1", paths, tmp_path / "raw", "exact_v1.normalise=false", "exact_v1.write_index=true"))
    with pytest.raises(ConfigError, match="keys with other parameters"):
        run("exact_v1", paths, tmp_path / "out", index=[tmp_path / "raw"])
    with pytest.raises(ConfigError, match="no run and no Parquet files"):
        run("exact_v1", paths, tmp_path / "out2", index=[tmp_path / "nothing"])
    assert not list(tmp_path.glob("out*")), "nothing was done"
    with pytest.raises(ConfigError, match="no stage that takes an index"):
        run("pii_v1", paths, tmp_path / "out3", index=[tmp_path / "raw"])


@pytest.mark.parametrize("times", ["none", "strings", "microseconds"])
def test_an_index_must_say_which_document_stays(tmp_path: Path, times: str) -> None:
    """Before any work: a missing time, or one that is a string, is refused. Other units are read as they are meant."""
    stamps = [datetime(2024, 5, 1, tzinfo=UTC)]
    columns = {"none": {}, "strings": {"timestamp": ["2024"]}, "microseconds": {"timestamp": stamps}}[times]
    (tmp_path / "old").mkdir()
    pq.write_table(pa.table({"id": ["o"], "url": ["https://a.example/1"], **columns}), tmp_path / "old" / "x.parquet")
    docs = [{"id": "n", "url": "https://a.example/1", "timestamp": "2025-01-01T00:00:00Z", "text": "words"}]
    paths, out = write_shards(docs, tmp_path / "in", 1), tmp_path / "out"
    if times == "microseconds":
        ok(run("url_dedup_v1", paths, out, index=[tmp_path / "old"]))
        assert removed(out) == {"n": ("duplicate_url", "o", 2)}
        return
    with pytest.raises(ConfigError, match="lacks timestamp" if times == "none" else "timestamp is string"):
        run("url_dedup_v1", paths, out, index=[tmp_path / "old"])
    assert not out.exists(), "nothing was done"


@pytest.mark.parametrize(
    ("star_bytes", "rows"),
    [(1 << 20, 1 << 20), pytest.param(1 << 20, 5, marks=pytest.mark.slow), pytest.param(64, 5, marks=pytest.mark.slow)],
    ids=["in one", "part by part", "in many"],
)
@pytest.mark.usefixtures("small_tasks")
def test_components_beyond_one_process_are_the_same(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, star_bytes: int, rows: int
) -> None:
    """Stars over one partition or many, of which a worker holds all rows or five at a time."""
    monkeypatch.setattr(components, "ROWS", rows)
    monkeypatch.setattr(components, "LINK_BYTES", -1)
    monkeypatch.setattr(components, "STAR_BYTES", star_bytes)
    ok(run(RECIPE, write_shards(DOCUMENTS, tmp_path / "in", 2), tmp_path / "out", *SETTINGS))
    labels = list((tmp_path / "out" / "02-minhash_v1" / "3-link-label" / "manifest").glob("*.json"))
    assert (len(labels) == 1) == (star_bytes == 1 << 20), "partitions follow the edges"
    assert answer(tmp_path / "out") == answer(whole)


def test_documents_without_text_are_wrong_use(tmp_path: Path) -> None:
    page = tmp_path / "in" / "page.jsonl"
    page.parent.mkdir()
    page.write_text(json.dumps({"id": "1", "html": "<p>Words in a page.</p>"}) + "\n")
    with pytest.raises(ConfigError, match="put extract_v1 before it"):
        run("minhash_v1", [page], tmp_path / "out")


def test_a_corpus_without_documents_goes_through_every_step(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ok(run(RECIPE, write_shards([{"id": "1", "text": ""}], tmp_path / "in", 3), out, *SETTINGS))
    assert corpus(out) == []
    assert removed(out) == {"1": ("empty_payload", None, None)}
    assert not verify(str(out)).problems

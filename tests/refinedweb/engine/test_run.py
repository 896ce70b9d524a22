"""The product as its users see it: the command line over the sample crawl, on disk and on S3."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import refinedweb as rw
from refinedweb import sample
from refinedweb.storage import open_store
from tests.refinedweb.cli.command import corpus_bytes, refinedweb, refinedweb_process
from tests.refinedweb.engine import inline

TOY = "--import=tests.refinedweb.toy_stages"
FIRST = 5


Call = Callable[..., subprocess.CompletedProcess[str]]
AGAIN = ("--set", f"url_v1.blocklist={sample.blocklist()}", "--set", "keep_removed=full")  # what `demo` sets


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of `refinedweb demo`."""
    return demonstrated(refinedweb, tmp_path_factory.mktemp("demo") / "out")


@pytest.fixture
def by_ray(cluster: str) -> Call:
    """The program as a process whose workers are Ray's."""
    del cluster
    return refinedweb_process


@pytest.fixture
def call(request: pytest.FixtureRequest) -> Call:
    """The program within this process, or `by_ray`."""
    found: Call = request.getfixturevalue("by_ray") if request.param == "ray" else refinedweb
    return found


def demonstrated(call: Call, out: Path, *options: str) -> Path:
    shown = call("demo", out, *options)
    assert "documents in" in shown.stdout
    assert str(out) in shown.stdout
    return out


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the first documents of each file of the sample, all kept."""
    out = tmp_path_factory.mktemp("first") / "out"
    refinedweb("run", "scorer_v1", *sample.crawl_files(), out, TOY, "--limit", str(FIRST))
    return out


def status(out: Path | str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(refinedweb("status", out, "--json").stdout)
    return loaded


def test_every_document_of_the_sample_is_kept_or_removed_with_a_reason(demo: Path) -> None:
    told = status(demo)
    passes = [step for step in told["steps"] if step["step"] in ("00-filter", "04-corpus")]
    counts = {stage: sum(n.values()) for step in passes for stage, n in step["removed"].items()}
    assert told["rows_in"] == told["rows_kept"] + sum(counts.values())
    assert told["rows_kept"] > 0
    assert all(step["shards_done"] == step["shards_total"] > 0 for step in told["steps"])
    assert [step["shards_total"] for step in passes] == [len(sample.crawl_files())] * 2
    for step in told["steps"]:
        removed = sum(n for reasons in step["removed"].values() for n in reasons.values())
        assert step["rows_in"] == step["rows_kept"] + removed
        if step not in passes:
            ((stage, n),) = step["removed"].items() or (("url_dedup_v1", {}),)
            assert sum(n.values()) == counts.get(stage, 0), "what was decided was carried out"
    run = rw.open(str(demo))
    assert {name: len(run.table(name)) for name in counts} == counts
    assert len(run.table()) == told["rows_kept"]


def test_the_corpus_is_what_the_recipe_promises(demo: Path) -> None:
    corpus = rw.open(str(demo)).table().arrow
    assert set(corpus.column("language").to_pylist()) == {"en"}
    assert min(corpus.column("language_score").to_pylist()) >= 0.65
    assert not {"html", "drop"} & set(corpus.column_names)
    assert not [name for name in corpus.column_names if "." in name]
    assert all(corpus.column("text").to_pylist())


def test_verify_passes_and_notices_what_was_tampered_with(demo: Path, tmp_path: Path) -> None:
    assert "The ledger holds" in refinedweb("verify", demo).stdout
    copy = tmp_path / "copy"
    inline.ok(inline.run("url_v1", sample.crawl_files(), copy))
    victim = copy / "corpus" / "000000.parquet"
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    assert "it was altered" in refinedweb("verify", copy, code=1).stdout
    refinedweb("verify", copy, "--quick")
    victim.unlink()
    assert "is missing, but its record stands" in refinedweb("verify", copy, "--quick", code=1).stdout
    (copy / "00-filter" / "manifest" / "000001.json").unlink()
    told = refinedweb("verify", copy, "--quick", code=1).stdout
    assert "1 tasks are not done" in told
    assert "objects without a record" in told


def test_the_same_command_again_does_nothing_and_another_recipe_is_refused(demo: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.rglob("*") if path.is_file()}
    refinedweb("run", "refinedweb", *sample.crawl_files(), demo, *AGAIN)
    assert {path: path.stat().st_mtime_ns for path in demo.rglob("*") if path.is_file()} == before
    other = refinedweb(
        "run", "refinedweb", *sample.crawl_files(), demo, *AGAIN, "--set", "quality_v1.min_words=30", code=2
    )
    assert "quality_v1.min_words: 50 → 30" in other.stderr
    fewer = refinedweb("run", "refinedweb", *sample.crawl_files()[1:], demo, *AGAIN, code=2)
    assert f"gone: {sample.crawl_files()[0]}" in fewer.stderr


@pytest.mark.parametrize("call", ["here", pytest.param("ray", marks=pytest.mark.slow)], indirect=True)
def test_from_and_to_s3_gives_the_same(demo: Path, s3_server: str, call: Call) -> None:
    root = f"{s3_server}/{uuid.uuid4().hex}"
    store = open_store(root)
    for path in sample.crawl_files():
        store.put(f"crawl/{path.relative_to(Path(sample.__file__).parent)}", path.read_bytes())
    blocklist = sample.blocklist()
    for path in blocklist.rglob("*"):
        if path.is_file():
            store.put(f"lists/{path.relative_to(blocklist)}", path.read_bytes())
    out = f"{root}/out"
    lists = f"url_v1.blocklist={root}/lists"
    call("run", "refinedweb", f"{root}/crawl", out, "--set", lists, "--workers", "2")
    assert "The ledger holds" in refinedweb("verify", out).stdout
    here, there = rw.open(str(demo)).table().arrow, rw.open(out).table().arrow
    assert there.drop_columns(["source"]) == here.drop_columns(["source"])
    assert set(there.column("source").to_pylist()) <= {i.uri for i in rw.open(out).file.inputs}


def test_measures_are_written_on_request(tmp_path: Path) -> None:
    inline.ok(inline.run("url_v1,extract_v1,quality_v1", sample.crawl_files()[:1], tmp_path, "keep_measures=true"))
    run = rw.open(str(tmp_path))
    for rows in (run.table(), run.table("quality_v1")):
        assert any(name.startswith("quality_v1.") for name in rows.arrow.column_names)


def test_limit_reads_only_the_first_documents(first: Path) -> None:
    assert status(first)["rows_in"] == FIRST * len(sample.crawl_files())


def test_our_own_corpus_is_an_input(demo: Path, tmp_path: Path) -> None:
    again = inline.ok(inline.run("language_v1,minhash_v1", [demo / "corpus"], tmp_path)).totals
    kept = len(rw.open(str(demo)).table())
    assert again.rows_in == kept
    assert again.rows_kept == kept, "what passed once passes again"


@pytest.mark.parametrize(
    ("poison", "call"),
    [pytest.param("killer_v1", "ray", marks=pytest.mark.slow), ("raiser_v1", "here")],
    indirect=["call"],
)
def test_a_document_that_breaks_a_stage_is_quarantined_and_the_rest_goes_on(
    first: Path, tmp_path: Path, poison: str, call: Call
) -> None:
    crawl, out = sample.crawl_files()[0], tmp_path / "out"
    ids = pq.read_table(first / "corpus" / "000000.parquet")["id"].to_pylist()
    victim = ("--set", f'{poison}.victims=["{ids[3]}"]')
    shown = call("run", f"{poison},scorer_v1", crawl, out, TOY, "--limit", str(FIRST), *victim, code=3)
    assert "1 document quarantined" in shown.stdout
    run = rw.open(str(out))
    assert run.table()["id"].to_pylist() == [i for i in ids if i != ids[3]]
    assert run.table("quarantine")["id"].to_pylist() == [ids[3]]
    refinedweb("verify", out)


def test_a_broken_stage_fails_its_shards_and_says_so(tmp_path: Path) -> None:
    crawl = sample.crawl_files()[:1]
    shown = refinedweb("run", "thief_v1", *crawl, tmp_path, TOY, code=3)
    assert "a stage must keep every row" in shown.stdout
    assert "a stage must keep every row" in refinedweb("status", tmp_path).stdout
    assert "not done" in refinedweb("verify", tmp_path, code=3).stdout


def test_a_damaged_input_gives_what_it_can_and_is_partial(tmp_path: Path) -> None:
    whole = sample.crawl_files()[0].read_bytes()
    damaged = tmp_path / "damaged.warc.gz"
    damaged.write_bytes(whole[: len(whole) * 2 // 3])
    shown = refinedweb("run", "url_v1", damaged, tmp_path / "out", code=3)
    assert "1 shard partial" in shown.stdout
    assert status(tmp_path / "out")["rows_in"] > 5
    record = json.loads((tmp_path / "out" / "00-filter" / "manifest" / "000000.json").read_bytes())
    assert record["damage"][0]["offset"] > len(whole) // 2


def test_inspect_export_and_status_show_the_run(demo: Path, tmp_path: Path) -> None:
    assert "documents in" in refinedweb("status", demo).stdout
    kept = refinedweb("inspect", demo, "-n", "3", "--json").stdout.splitlines()
    assert len(kept) == 3
    removed = refinedweb("inspect", demo, "--stage", "language_v1", "-n", "2", "--text").stdout
    assert "drop " in removed
    assert "did you mean 'quality_v1'" in refinedweb("inspect", demo, "--stage", "qualty_v1", code=2).stderr
    refinedweb("export", demo, tmp_path / "falcon")
    falcon = pq.read_table(tmp_path / "falcon")
    assert falcon.column_names == ["content", "url", "timestamp", "dump", "segment", "image_urls"]
    refinedweb("export", demo, tmp_path / "jsonl", "--schema", "full", "--format", "jsonl")
    lines = [line for path in (tmp_path / "jsonl").iterdir() for line in path.read_text("utf-8").splitlines()]
    assert len(lines) == falcon.num_rows == status(demo)["rows_kept"]
    assert {json.loads(line)["language"] for line in lines} == {"en"}


def test_what_deduplication_did_can_be_looked_at(demo: Path) -> None:
    shown = refinedweb("inspect", demo, "--stage", "minhash", "-n", "20", "--text").stdout
    assert shown.count("removed ") == shown.count("kept  ") > 5
    assert "Jaccard 1.000 · 450 bands in common" in shown
    assert "[-" in shown
    pairs = [json.loads(x) for x in refinedweb("inspect", demo, "--stage", "minhash_v1", "--json").stdout.splitlines()]
    assert min(pair["jaccard"] for pair in pairs) > 0.7
    told = refinedweb("explain", pairs[0]["removed"]["id"], "--run", demo).stdout
    assert "removed by minhash_v1: near_duplicate" in told
    assert pairs[0]["kept"]["id"] in told
    (cut, *_) = [
        json.loads(x) for x in refinedweb("inspect", demo, "--stage", "substring", "--json").stdout.splitlines()
    ]
    told = refinedweb("explain", cut["document"]["url"], "--run", demo).stdout
    assert "span 1 also occurs in" in told
    corpus = dict(zip(*(rw.open(str(demo)).table()[name].to_pylist() for name in ("id", "text")), strict=True))
    assert cut["spans"][0] in cut["document"]["text"]
    assert cut["spans"][0] not in corpus[cut["document"]["id"]]
    assert "no document with the id" in refinedweb("explain", "nothing", "--run", demo, code=2).stderr


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["all", "one"])
def test_corpora_of_other_worker_counts_are_byte_identical(
    demo: Path, by_ray: Call, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    """Two at once and one of Ray's, and the one that is this process."""
    out = demonstrated(by_ray, tmp_path / "out", *workers)
    assert corpus_bytes(out) == corpus_bytes(demo)


def test_the_demo_does_with_planted_pages_what_their_truth_says(demo: Path) -> None:
    run = rw.open(str(demo))
    outcome: dict[str, tuple[str, str | None]] = dict.fromkeys(run.table()["id"].to_pylist(), ("kept", None))
    for stage in ("source", *run.stages):
        family = "read" if stage == "source" else stage.removesuffix("_v1")
        outcome.update((row["id"], (family, row["drop"])) for row in run.table(stage))
    wrong: list[Any] = []
    groups: dict[str, list[Any]] = {}
    for page in sample.truth():
        if page["outcome"] == "one_kept":
            groups.setdefault(page["group"], []).append((page, outcome.get(page["id"])))
        expected = {"kept": ["kept"], "removed": page["steps"]}.get(page["outcome"], [])
        found = outcome.get(page["id"], ("read", "a counted skip"))
        if expected and found[0] not in expected:
            wrong.append((page["kind"], page["url"], expected, found))
    assert not wrong
    assert groups
    for members in groups.values():
        assert sum(found == ("kept", None) for _, found in members) == 1, members

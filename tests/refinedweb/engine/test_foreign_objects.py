"""Objects that another program or another version left in the folders of a run: they end nothing and change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from refinedweb.ledger import layout
from refinedweb.ledger.claims import Claims
from refinedweb.storage import Store, open_store
from refinedweb.storage.s3_client import client
from refinedweb.views.run import Run
from refinedweb.views.verify import verify
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS, RECIPE, SETTINGS
from tests.refinedweb.engine.inline import ok, run, write_shards

INDEXED = (*SETTINGS, "minhash_v1.write_index=true")
SHARDS = 4
FOREIGN = (
    "._000000.json", ".nfs000000000001", "Thumbs.db", "000000.json.tmp", "000001.JSON", "1.json", "0000002.json",
    "00000000000000000000003.json", "٠٠٠٠٠٣.json", "-00003.json", "._000000.parquet", "3.parquet", "000000.parquet.crc",
    "._000001.shuffle", "desktop.ini", "x_$folder$", "sub/000001.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_shards(DOCUMENTS[:120], tmp_path_factory.mktemp("foreign") / "in", SHARDS)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, files: list[Path]) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("quiet") / "out"
    ok(run(RECIPE, files, out, *INDEXED))
    return out


def folders(out: Path) -> Iterator[str]:
    """Every folder in which a run lists objects, those of claims and of heartbeats included."""
    known = {path.parent.relative_to(out).as_posix() for path in out.rglob("*.*") if path.parent != out}
    ledgers = {folder.rpartition("/")[0] for folder in known if folder.endswith(f"/{layout.RECORDS}")}
    kinds = (layout.CLAIMS, layout.DRIVERS, layout.FAILURES, layout.ROLLUPS, f"{layout.SHUFFLE}/keys")
    yield from sorted(known | {f"{ledger}/{kind}" for ledger in ledgers for kind in kinds})


def corpus(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "corpus").glob("0*.parquet")}


def test_all_that_a_run_writes_has_a_name_of_its_own(quiet: Path) -> None:
    found = verify(str(quiet))
    assert (found.problems, found.foreign, found.unrecorded) == ([], [], [])


def test_a_run_among_foreign_objects_is_the_same_and_verify_names_them(
    tmp_path: Path, files: list[Path], quiet: Path
) -> None:
    out = tmp_path / "out"
    planted = {f"{folder}/{name}" for folder in folders(quiet) for name in FOREIGN}
    for key in planted:
        (out / key).parent.mkdir(parents=True, exist_ok=True)
        (out / key).write_bytes(b"" if len(key) % 2 else b"\0junk")
    for _ in range(2):
        result = run(RECIPE, files, out, *INDEXED)
        assert (result.exit_code, result.failed) == (0, {})
        assert corpus(out) == corpus(quiet)
    found = verify(str(out))
    assert (found.problems, found.pending, found.unrecorded) == ([], 0, [])
    assert set(found.foreign) == planted
    assert all((out / key).exists() for key in planted), "they are not ours to delete"
    assert all(state.complete for state in Run(str(out)).states())
    later = run("minhash_v1", files, tmp_path / "later", *SETTINGS, index=[out])
    assert ok(later).totals.rows_kept < later.totals.rows_in


def test_markers_of_folders_and_listings_of_a_bucket(s3_server: str, tmp_path: Path, files: list[Path]) -> None:
    """Consoles and Hadoop mark folders by objects whose keys no store of ours would take."""
    out = f"{s3_server}/{tmp_path.name}"
    bucket, _, prefix = out.removeprefix("s3://").partition("/")
    for folder in ("", "00-filter/", "00-filter/manifest/", "00-filter/claims/", "00-filter/drivers/", "corpus/"):
        for name in ("", "/", "/000000.json", "x_$folder$", "._000000.json"):
            client().put_object(Bucket=bucket, Key=f"{prefix}/{folder}{name}", Body=b"")
    for _ in range(2):
        ok(run("url_v1", files, out))
    assert verify(out).problems == []
    assert "00-filter/manifest/" in verify(out).foreign


def newer(store: Store) -> None:
    """Every object of the ledger with a field that this version does not know."""
    for info in list(store.list()):
        if info.key.endswith(".json"):
            loaded = json.loads(store.get(info.key)[0])
            loaded["of_a_newer_version"] = {"nested": [1, 2]} if "phases" not in info.key else 0
            for step in loaded.get("steps", []):
                step["of_a_newer_version"] = 1
            for output in loaded.get("outputs", []):
                output["of_a_newer_version"] = None
            store.put(info.key, json.dumps(loaded).encode())


def test_what_a_newer_version_wrote_is_read(tmp_path: Path, files: list[Path], quiet: Path) -> None:
    """A rolling upgrade: half of the run is from a version whose objects have more fields."""
    out, step = tmp_path / "out", sorted(path.name for path in quiet.glob("0*"))[-1]
    ok(run(RECIPE, files, out, *INDEXED))
    store = open_store(str(out))
    newer(store)
    for shard in (1, 2):
        store.delete(layout.ledger_key(step, layout.RECORDS, shard))
        store.delete(layout.shard_key(layout.CORPUS, shard))
    ok(run(RECIPE, files, out, *INDEXED))
    assert corpus(out) == corpus(quiet)
    assert verify(str(out)).problems == []


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'{"task": 1}', b"another task's"])
def test_an_unreadable_record_is_named_kept_and_costs_only_itself(
    tmp_path: Path, files: list[Path], data: bytes
) -> None:
    out = tmp_path / "out"
    whole = ok(run("url_v1", files, out)).totals
    before = corpus(out)
    record = out / "00-filter" / "manifest" / "000001.json"
    data = (out / "00-filter" / "manifest" / "000002.json").read_bytes() if data.startswith(b"another") else data
    record.write_bytes(data)
    (out / "00-filter" / "manifest" / "000003.json").unlink()
    result = run("url_v1", files, out)
    assert result.exit_code == 3
    assert result.totals.tasks == SHARDS - 1
    (said,) = result.totals.unreadable
    assert str(record) in said
    assert "delete it and run the same command again" in said
    assert record.read_bytes() == data, "it is not written over"
    assert verify(str(out)).problems == [said]
    (state,) = Run(str(out)).states()
    assert (state.done, state.total, state.complete) == (SHARDS - 1, SHARDS, False)
    record.unlink()
    again = ok(run("url_v1", files, out)).totals
    assert (again.rows_in, again.rows_kept, again.removed) == (whole.rows_in, whole.rows_kept, whole.removed)
    assert corpus(out) == before
    assert verify(str(out)).problems == []


def test_what_drivers_left_that_died_after_the_last_commit_is_cleared(tmp_path: Path, files: list[Path]) -> None:
    out = tmp_path / "out"
    ok(run("url_v1", files, out))
    store = open_store(str(out))
    dead = Claims(store, "00-filter")
    assert dead.take(0)
    ok(run("url_v1", files, out))
    assert [*store.list("00-filter/claims/"), *store.list("00-filter/drivers/")] == []

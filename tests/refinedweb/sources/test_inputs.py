"""Expanding what a user names to input files, on disk and on S3."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from refinedweb.sources.inputs import find
from refinedweb.storage import Store
from stages.errors import ConfigError

OUT = "/nowhere/out"


def fill(store: Store, *keys: str) -> None:
    for key in keys:
        store.put(key, key.encode())


def found(store: Store, *specs: str, out: str = OUT, base: str | None = None) -> list[str]:
    """The keys that `specs` name, which are relative to the store."""
    inputs = find([store.uri(spec) for spec in specs], out=out, base=base).inputs
    return [item.uri.removeprefix(store.root + "/") for item in inputs]


def test_a_folder_gives_its_files_of_one_kind_in_order(store: Store) -> None:
    fill(store, "in/b.warc.gz", "in/a/1.warc", "in/truth.parquet", "in/notes.txt", "in/x.arc.gz", "in/y.warc.wet.zst")
    assert found(store, "in") == ["in/a/1.warc", "in/b.warc.gz", "in/x.arc.gz", "in/y.warc.wet.zst"]
    left_out = find([store.uri("in/")], out=OUT).left_out
    assert left_out == [store.uri("in/notes.txt"), store.uri("in/truth.parquet")]
    fill(store, "tables/a.parquet", "tables/b.jsonl")
    assert found(store, "tables") == ["tables/a.parquet"]


def test_files_named_by_hand_are_taken_whatever_they_are_called(store: Store) -> None:
    fill(store, "odd.bin", "in/a.warc")
    assert found(store, "odd.bin", "in", "odd.bin") == ["odd.bin", "in/a.warc"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*.warc", ["in/1.warc", "in/2.warc"]),
        ("in/?.warc", ["in/1.warc", "in/2.warc"]),
        ("in/[13].warc", ["in/1.warc"]),
        ("in/**/*.warc", ["in/1.warc", "in/2.warc", "in/deep/er/3.warc"]),
        ("*/deep/*/*", ["in/deep/er/3.warc"]),
    ],
)
def test_globs(store: Store, pattern: str, expected: list[str]) -> None:
    fill(store, "in/1.warc", "in/2.warc", "in/deep/er/3.warc")
    assert found(store, pattern) == expected


def test_lists_of_paths_are_relative_to_their_bucket_or_base(store: Store) -> None:
    fill(store, "crawl/a.warc.gz", "crawl/b.warc.gz")
    lines = b"crawl/b.warc.gz\n\ncrawl/a.warc.gz\n"
    store.put("lists/warc.paths.gz", gzip.compress(lines))
    store.put("lists/warc.paths.zst", zstandard.compress(lines))
    store.put("lists/warc.paths", lines)
    for name in ("lists/warc.paths.gz", "lists/warc.paths.zst", "lists/warc.paths"):
        assert found(store, name, base=store.root + "/") == ["crawl/b.warc.gz", "crawl/a.warc.gz"]
    with pytest.raises(ConfigError, match=r"lists crawl/b.warc.gz, but there is no .* is --base right"):
        find([store.uri("lists/warc.paths")], out=OUT, base=store.root + "/elsewhere")


def test_a_list_on_s3_is_relative_to_its_own_bucket(s3_server: str) -> None:
    from refinedweb.storage import open_store

    bucket = open_store(s3_server)
    fill(bucket, "crawl-data/own/x.warc.gz")
    bucket.put("crawl-data/own/warc.paths", b"crawl-data/own/x.warc.gz\n")
    inputs = find([f"{s3_server}/crawl-data/own/warc.paths"], out=OUT).inputs
    assert [item.uri for item in inputs] == [f"{s3_server}/crawl-data/own/x.warc.gz"]


def test_the_output_is_never_its_own_input(store: Store) -> None:
    fill(store, "in/a.warc", "in/out/corpus/b.warc")
    assert found(store, "in", out=store.uri("in/out")) == ["in/a.warc"]


def test_what_cannot_be_meant_is_refused(store: Store, tmp_path: Path) -> None:
    fill(store, "run/run.json", "run/corpus/a.parquet")
    with pytest.raises(ConfigError, match=r"is the output of a run; name its corpus: .*run/corpus"):
        find([store.uri("run")], out=OUT)
    for missing in (store.uri("missing"), store.uri("*.warc"), str(tmp_path / "empty")):
        with pytest.raises(ConfigError, match="no input files at"):
            find([missing], out=OUT)

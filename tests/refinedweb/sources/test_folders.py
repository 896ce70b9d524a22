"""Which files of a folder are its corpus: what their bytes say goes before what they are called."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from refinedweb.sources.inputs import find
from refinedweb.storage import Store
from stages.errors import ConfigError
from tests.refinedweb.sources.archives import http, warc

OUT = "/nowhere/out"
LINES = b'{"text": "hello world"}\n' * 20
WARC = warc(http())


def table() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), sink)
    return sink.getvalue()


def fill(store: Store, **files: bytes) -> None:
    for key, data in files.items():
        store.put(key, data)


def taken(store: Store, spec: str) -> list[str]:
    return [item.uri.removeprefix(store.root + "/") for item in find([store.uri(spec)], out=OUT).inputs]


def test_files_that_can_be_read_by_name_are_read_from_their_folder(store: Store) -> None:
    files = {
        "in/a.jsonl.bz2": bz2.compress(LINES),
        "in/b.jsonl.zstd": zstandard.compress(LINES),
        "in/c.jsonl.xz": lzma.compress(LINES),
        "in/d.json": json.dumps([{"text": "a"}], indent=1).encode(),
        "in/e.txt": LINES,
        "in/f.jsonl": LINES.decode().encode("utf-16"),
        "in/part-00000": LINES,
    }
    fill(store, **files, **{"in/_SUCCESS": b"", "in/README.md": b"# About", "in/.hidden.jsonl": LINES})
    assert taken(store, "in") == sorted(files)
    assert find([store.uri("in")], out=OUT).reasons == []


def test_one_broken_archive_among_lines_does_not_win_the_folder(store: Store) -> None:
    fill(store, **{f"in/{n:02}.jsonl": LINES for n in range(12)}, **{"in/broken.warc.gz": b"no gzip at all" * 99})
    found = find([store.uri("in")], out=OUT)
    assert len(found.inputs) == 12
    assert found.left_out == [store.uri("in/broken.warc.gz")]
    (reason,) = found.reasons
    assert "broken.warc.gz does not begin like crawl archives" in reason
    assert store.uri("in/broken.warc.gz") in reason


def test_the_kind_with_the_most_bytes_is_read_and_the_rest_can_be_named(store: Store) -> None:
    fill(store, **{"in/a/1.warc": WARC * 30, "in/b/2.warc": WARC, "in/t/1.parquet": table(), "in/u/2.parquet": table()})
    assert taken(store, "in") == ["in/a/1.warc", "in/b/2.warc"]
    (reason,) = find([store.uri("in")], out=OUT).reasons
    pattern = reason.rpartition(": ")[2]
    assert pattern == store.uri("in/**/*.parquet")
    assert taken(store, pattern.removeprefix(store.root + "/")) == ["in/t/1.parquet", "in/u/2.parquet"]


def test_damaged_files_of_the_kind_are_read_with_the_others(store: Store) -> None:
    fill(store, **{"in/1.warc": WARC, "in/2.warc.gz": b"rubbish", "in/3.warc": b""})
    assert taken(store, "in") == ["in/1.warc", "in/2.warc.gz", "in/3.warc"]


def test_where_nothing_is_recognised_names_decide(store: Store) -> None:
    fill(store, **{"in/1.warc.gz": b"rubbish", "in/notes.txt": b"words"})
    assert taken(store, "in") == ["in/1.warc.gz"]
    fill(store, **{"other/notes.txt": b"words", "other/b.pdf": b"%PDF"})
    with pytest.raises(ConfigError, match=r"no input files at .*other: .*b.pdf, .*notes.txt cannot be read"):
        find([store.uri("other")], out=OUT)


def test_links_to_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "real.jsonl").write_bytes(LINES)
    os.symlink(tmp_path / "real.jsonl", tmp_path / "in" / "good.jsonl")
    os.symlink(tmp_path / "gone.jsonl", tmp_path / "in" / "dead.jsonl")
    found = find([str(tmp_path / "in")], out=OUT)
    assert [Path(item.uri).name for item in found.inputs] == ["good.jsonl"]
    assert found.left_out == [str(tmp_path / "in" / "dead.jsonl")]
    assert found.reasons == [f"{tmp_path / 'in' / 'dead.jsonl'} is a link to a file that does not exist"]


# Names -----------------------------------------------------------------------------------------------------------


def test_an_object_in_front_of_a_prefix_does_not_hide_it(s3_server: str) -> None:
    from refinedweb.storage import open_store

    store = open_store(f"{s3_server}/front")
    packed = gzip.compress(WARC)
    fill(store, **{"crawl/1.warc.gz": packed, "crawl": b"", "data/1.warc.gz": packed, "data": LINES})
    for spec in ("crawl", "crawl/"):
        assert taken(store, spec) == ["crawl/1.warc.gz"]
    assert taken(store, "data/") == ["data/1.warc.gz"]
    found = find([store.uri("data")], out=OUT)
    assert [item.uri for item in found.inputs] == [store.uri("data")]
    assert found.left_out == [store.uri("data/1.warc.gz")]
    assert found.reasons == [
        f"{store.uri('data')} is an object and a prefix; for what is below it, write {store.uri('data')}/"
    ]


def test_a_mark_of_a_folder_is_no_file(s3_server: str) -> None:
    from refinedweb.storage.s3_client import client

    bucket = s3_server.removeprefix("s3://")
    client().put_object(Bucket=bucket, Key="marked/", Body=b"")
    client().put_object(Bucket=bucket, Key="marked/a.jsonl", Body=LINES)
    found = find([f"{s3_server}/marked/"], out=OUT)
    assert [item.uri for item in found.inputs] == [f"{s3_server}/marked/a.jsonl"]
    assert found.left_out == []


@pytest.mark.parametrize("name", ["odd[1].jsonl", "star*.jsonl", "what?.jsonl", "set[a-c]*.jsonl"])
def test_signs_of_patterns_in_a_name_are_the_name(store: Store, name: str) -> None:
    fill(store, **{name: LINES, "odd1.jsonl": LINES, "starry.jsonl": LINES, "seta.jsonl": LINES})
    assert taken(store, name) == [name]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("in/[[]1].jsonl", "in/[1].jsonl"), ("in/[!a].jsonl", "in/b.jsonl"), ("in/[*]x.jsonl", "in/*x.jsonl")],
)
def test_signs_of_patterns_can_be_escaped(store: Store, pattern: str, expected: str) -> None:
    fill(store, **{"in/[1].jsonl": LINES, "in/a.jsonl": LINES, "in/b.jsonl": LINES, "in/*x.jsonl": LINES})
    assert taken(store, pattern) == [expected]

"""What fsspec reads: whole files, ranges and listings; nothing is written, and no message holds a secret."""

from __future__ import annotations

import gzip
import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.sources.inputs import find
from refinedweb.storage import Missing, open_store, split_uri
from refinedweb.storage.remote import RemoteStore
from stages.errors import ConfigError, RetryError
from tests.refinedweb.engine import inline

LINES = b"".join(json.dumps({"id": str(n), "text": f"text {n}"}).encode() + b"\n" for n in range(50))
SECRET = "s3cr3t"


@pytest.fixture
def bucket() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ["p"], "text": ["a table"]}), sink)
    for name, data in {
        "in/a.jsonl": LINES,
        "in/b.jsonl.gz": gzip.compress(LINES),
        "t/x.parquet": sink.getvalue(),
    }.items():
        files.pipe_file(f"/bucket/{name}", data)
    yield "memory://bucket"
    files.rm("/bucket", recursive=True)


def test_objects_are_listed_and_read_by_ranges(bucket: str) -> None:
    store = open_store(bucket)
    assert [info.key for info in store.list("in/")] == ["in/a.jsonl", "in/b.jsonl.gz"]
    assert list(store.list("nothing/")) == []
    assert store.info("in/a.jsonl").size == len(LINES)
    assert store.get("in/a.jsonl")[0] == LINES
    assert store.part("in/a.jsonl", 5, 7) == LINES[5:12]
    for random in (False, True):
        with store.open("in/a.jsonl", random=random) as file:
            file.seek(100)
            assert file.read(50) == LINES[100:150]
    with pytest.raises(Missing, match="memory://bucket/in/c"):
        store.info("in/c")


def test_an_etag_changes_with_the_content(bucket: str) -> None:
    store = open_store(bucket)
    before = store.info("in/a.jsonl").etag
    assert before == store.info("in/a.jsonl").etag
    fsspec.filesystem("memory").pipe_file("/bucket/in/a.jsonl", LINES + b"\n")
    assert store.info("in/a.jsonl").etag != before


def test_a_run_reads_a_bucket_and_its_output_is_local(bucket: str, tmp_path: Path) -> None:
    assert [item.uri for item in find([f"{bucket}/in/*.gz"], out="/x").inputs] == [f"{bucket}/in/b.jsonl.gz"]
    result = inline.run("sample_v1", [f"{bucket}/in/", f"{bucket}/t/x.parquet"], tmp_path / "out")  # type: ignore[list-item]
    assert (result.exit_code, result.totals.rows_kept) == (0, 101)
    with pytest.raises(ConfigError, match="a run is written to a local folder or to s3"):
        inline.run("sample_v1", [f"{bucket}/in/"], f"{bucket}/out")  # type: ignore[list-item]


@pytest.mark.parametrize("call", ["put", "put_new"])
def test_nothing_is_written(bucket: str, call: str) -> None:
    with pytest.raises(ConfigError, match="only read"):
        getattr(open_store(bucket), call)("x", b"data")


@pytest.mark.parametrize(
    "name", [f"https://host.example/a.jsonl?X-Signature={SECRET}", f"https://user:{SECRET}@host.example/a.jsonl",
             f"az://box/a.parquet?sv=1&sig={SECRET}"],
)  # fmt: skip
def test_names_with_secrets_are_refused_and_not_shown(name: str, tmp_path: Path) -> None:
    for call in (lambda: split_uri(name), lambda: find([name], out=str(tmp_path))):
        with pytest.raises(ConfigError, match="credentials in the environment") as refusal:
            call()
        assert SECRET not in str(refusal.value)


class Denied(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"https://host.example/?token={SECRET}")
        self.status = status


@pytest.mark.parametrize(("status", "kind"), [(403, ConfigError), (404, ConfigError), (503, RetryError)])
def test_errors_of_libraries_are_told_without_their_words(status: int, kind: type[Exception]) -> None:
    def call() -> None:
        raise Denied(status)

    with pytest.raises(kind, match=f"memory://b/k .*Denied {status}") as refusal:
        RemoteStore("memory://b")._call("k", call)
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None


class _Ranges(SimpleHTTPRequestHandler):
    """Serves files with ranges, as real web servers do."""

    def do_GET(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        first, last = 0, len(data) - 1
        if (span := self.headers.get("Range")) is not None:
            first, last = (int(end) for end in span.removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_web_site_is_read(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="refinedweb[remote] is not installed")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a.jsonl.gz").write_bytes(gzip.compress(LINES))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(tmp_path / "site"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = f"http://127.0.0.1:{server.server_port}"
        result = inline.run("sample_v1", [f"{site}/a.jsonl.gz"], tmp_path / "out")  # type: ignore[list-item]
        with pytest.raises(ConfigError, match="no input files at"):
            find([f"{site}/missing.jsonl"], out="/x")
        server.shutdown()
    assert (result.exit_code, result.totals.rows_kept) == (0, 50)

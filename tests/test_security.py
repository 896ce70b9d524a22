"""No one is let in: nothing of a page is run or fetched, no name leads out of the output, no terminal obeys a document,
no secret is written down, and nothing listens to the network.
"""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from refinedweb.cli import cli
from refinedweb.recipe import assets
from refinedweb.sources import inputs
from refinedweb.storage import open_store
from refinedweb.views import terminal as text
from stages.base import Limit, stage, verdicts
from stages.errors import ConfigError, RefinedWebError
from stages.extract import Extract
from stages.schema import documents
from tests.conftest import ROOT
from tests.refinedweb.engine.inline import ok, run, write_shards
from tests.refinedweb.sources.archives import http, warc

PACKAGES = ("classifiers", "stages", "refinedweb", "jobs")
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIASECRETSECRET",
    "AWS_SECRET_ACCESS_KEY": "wJalrSecretKey",
    "AWS_SESSION_TOKEN": "FwoSecret",
}

# Nothing that makes code of data ----------------------------------------------------------------------------------

FORBIDDEN = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "yaml", "joblib", "jsonpickle"}


def calls_of_code(tree: ast.AST) -> Iterator[str]:
    """Places that would run data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [module or ""] if module else [alias.name for alias in node.names]
            yield from (f"imports {name}" for name in names if name.partition(".")[0] in FORBIDDEN_MODULES)
        if isinstance(node, ast.Call):
            yield from _dangerous(node)


def _dangerous(call: ast.Call) -> Iterator[str]:
    if isinstance(call.func, ast.Name) and call.func.id in FORBIDDEN:
        yield f"calls {call.func.id} in line {call.lineno}"
    if isinstance(call.func, ast.Attribute) and call.func.attr in {"system", "popen"}:
        yield f"calls {call.func.attr} in line {call.lineno}"
    for keyword in call.keywords:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if value is True and keyword.arg in {"shell", "allow_pickle"}:
            yield f"{keyword.arg}=True in line {call.lineno}"


def test_the_check_sees_what_it_looks_for() -> None:
    lines = "import pickle", "from yaml import load", "eval('1')", "run('x', shell=True)", "load(f, allow_pickle=True)"
    source = "\n".join(lines)
    assert len(list(calls_of_code(ast.parse(source)))) == 5


def test_no_data_becomes_code() -> None:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 100
    found = {str(path): list(calls_of_code(ast.parse(path.read_text(encoding="utf-8")))) for path in files}
    assert {path: places for path, places in found.items() if places} == {}


# Nothing is fetched -----------------------------------------------------------------------------------------------


@pytest.fixture
def visitors() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server on loopback, and what it was asked for."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    asked.append(connection.recv(1000))

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], asked
        done.set()
        thread.join()


def traps(port: int, secret: Path) -> list[bytes]:
    """Documents that ask their reader to fetch something."""
    url = f"http://127.0.0.1:{port}/x"
    body = "<p>" + "Some text of the page that is long enough to be kept. " * 10 + "</p>"
    return [
        f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "{url}">]><html><p>&x;</p>{body}</html>'.encode(),
        f'<!DOCTYPE html [<!ENTITY x SYSTEM "file://{secret}">]><html><p>&x;</p>{body}</html>'.encode(),
        f'<!DOCTYPE html PUBLIC "x" "{url}.dtd"><html>{body}</html>'.encode(),
        f'<!DOCTYPE r [<!ENTITY % p SYSTEM "{url}"> %p;]><html>{body}</html>'.encode(),
        f'<?xml-stylesheet href="{url}"?><html xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{url}"/>'
        f'<link rel=stylesheet href="{url}"><base href="{url}/"><img src="{url}">'
        f'<script src="{url}"></script><iframe src="{url}"></iframe><object data="{url}"></object>{body}'.encode(),
        f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "{url}">]><rss><a>&x;{body}</a></rss>'.encode(),
    ]


@pytest.mark.parametrize("engine", ["trafilatura", "resiliparse"])
def test_no_page_makes_its_reader_fetch_anything(
    engine: Any, visitors: tuple[int, list[bytes]], tmp_path: Path
) -> None:
    port, asked = visitors
    secret = tmp_path / "secret"
    secret.write_text("the-secret-of-this-machine")
    with socket.create_connection(("127.0.0.1", port)) as probe:
        probe.sendall(b"probe")
    pages = traps(port, secret)
    found = Extract(engine=engine)(documents(html=pages))
    assert pa.compute.count(found.column("text")).as_py() >= 4, "the pages are read"
    assert "the-secret-of-this-machine" not in str(found.column("text").to_pylist())
    file = tmp_path / "in.warc"
    file.write_bytes(b"".join(warc(http(page), number=n) for n, page in enumerate(pages)))
    ok(run("extract_v1,language_v1,lines_v1,pii_v1", [file], tmp_path / "out"))
    assert asked == [b"probe"]


# No name leads out ------------------------------------------------------------------------------------------------

NAMES = [
    "../x_v1",
    "/x_v1",
    "a/b_v1",
    "a\0_v1",
    "x" * 4096 + "_v1",
    "х_v1",
    ".._v1",
    "",
    "x",
    "X_v1",
    "a\n_v1",
    "ａ_v1",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_stage_cannot_be_called_what_a_folder_must_not(name: str) -> None:
    with pytest.raises(ConfigError, match="a stage cannot be called"):

        @stage(name)
        class Bad:
            """Nothing."""


STRANGE = [
    "..%2f..%2fx.jsonl",
    "x" * 200 + ".jsonl",
    "\u202ex\u2044\uff0fetc.jsonl",
    "a\nb\x1b[31m.jsonl",
    "$(touch x);.jsonl",
    "-rf.jsonl",
]


def test_files_of_any_name_are_read_and_write_below_the_output_only(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(STRANGE):
        (folder / name).write_text(
            json.dumps({"id": f"../../{number}\0", "url": "file:///etc/x", "text": "A text."}) + "\n"
        )
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    result = ok(run("pii_v1", [folder], tmp_path / "out"))
    assert result.totals.rows_in == sum(not name.startswith(".") for name in STRANGE), "hidden files are left out"
    from refinedweb.views.export import export

    export(str(tmp_path / "out"), str(tmp_path / "exported"), "falcon", "jsonl")
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert made
    assert {path.relative_to(tmp_path).parts[0] for path in made} == {"out", "exported"}
    assert all(part.isascii() for path in made for part in path.relative_to(tmp_path).parts)


@pytest.mark.parametrize(
    "spec", ["a\0b", "/" + "x" * 5000, "x/" * 3000, "\ud800", "s3://", "gopher://x", "[", "**/[a-", "~nobody/x"]
)
def test_an_input_of_no_possible_name_is_wrong_use(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        inputs.find([spec], out=str(tmp_path / "out"))


def test_a_remote_folder_of_models_cannot_write_beside_its_copy(
    s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFINEDWEB_CACHE", str(tmp_path / "cache"))
    store = open_store(f"{s3_server}/evil")
    from refinedweb.storage.s3 import client

    bucket = s3_server.removeprefix("s3://").partition("/")[0]
    client().put_object(Bucket=bucket, Key="evil/list/domains", Body=b"a")
    assert [info.key for info in store.list()] == ["list/domains"]
    monkeypatch.setattr(assets, "_objects", lambda store, key: [f"{key}/domains", f"{key}/../../../escaped"])
    with pytest.raises(ConfigError, match="would lead out"):
        assets._fetch(f"{s3_server}/evil/list", None)
    assert list(tmp_path.rglob("escaped")) == []


# No terminal obeys a document -------------------------------------------------------------------------------------

ESCAPES = "\x1b[31m\x1b]0;owned\x07\x9b2J\x1b[2J\u202e"


def test_looking_at_documents_shows_no_control_character(tmp_path: Path) -> None:
    odd = {"url": f"http://example.org/{ESCAPES}", "text": f"A text with <script>alert(1)</script> {ESCAPES} in it."}
    docs = [
        {"id": f"kept{ESCAPES}", **odd},
        {"id": "markup", **odd, "drop": "[/red]"},
        {"id": f"dropped{ESCAPES}", **odd, "drop": f"[link=x]{ESCAPES}" * 500},
        {"id": f"again{ESCAPES}", **odd},
    ]
    out = tmp_path / "out"
    ok(run("pii_v1,exact_v1", write_shards(docs, tmp_path / f"in{ESCAPES.replace('/', '')}", 1), out))
    look = ["inspect", "--text"]
    calls = [["status"], look, [*look, "--stage", "source"], [*look, "--stage", "exact_v1"], ["verify"]]
    for name, *options in [*calls, ["inspect", "--json"], ["status", "--json"]]:
        shown = CliRunner().invoke(cli, [name, str(out), *options], color=False, catch_exceptions=False).stdout
        assert shown.strip()
        assert not [c for c in shown if c != "\n" and not c.isprintable()], (name, shown)
    record = json.loads((out / "00-filter/manifest/000000.json").read_bytes())
    assert record["removed"]["source"] == {"other_reason": 2}, "a reason that is no name is counted as such"


def test_lines_are_short_and_printable() -> None:
    assert text.line("a\x1b[31m\nb" + "c" * 1000, 10) == "a [31m bcc …"
    assert text.line(None) == "None"


# No secret is written down ----------------------------------------------------------------------------------------


def test_no_secret_of_the_environment_is_written_or_said(
    s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the output, or in the errors of a store that refuses them."""
    from refinedweb.storage import s3

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    s3.client.cache_clear()
    try:
        out = tmp_path / "out"
        ok(run("pii_v1", write_shards([{"id": "a", "text": "A text."}], tmp_path / "in", 1), out))
        said = [path.read_bytes().decode("utf-8", "replace") for path in out.rglob("*") if path.is_file()]
        signed = "s3://no-such-bucket-here/x?X-Amz-Signature=abcdef0123456789&X-Amz-Credential=AKIASECRETSECRET"
        for spec in ("s3://no-such-bucket-here/x", signed, "https://example.org/x?X-Amz-Signature=abcdef0123456789"):
            with pytest.raises(RefinedWebError) as caught:
                inputs.find([spec], out=str(out))
            said.append(str(caught.value))
    finally:
        s3.client.cache_clear()
    assert len(said) > 5
    for secret in [*SECRETS.values(), "abcdef0123456789"]:
        assert [words for words in said if secret in words] == [], secret


# Nothing listens to the network -----------------------------------------------------------------------------------


EMBEDDED = """
import json, time, psutil
from refinedweb.engine.ray_pool import RayPool
pool = RayPool(1, None, 10)
pool.use(lambda task, payload, careful: time.sleep(1), lambda: None)
pool.submit(1, None, False)
while not pool.wait(1.0):
    pass
me = psutil.Process()
open_ports = [c for p in [me, *me.children(recursive=True)] for c in p.net_connections("inet") if c.status == "LISTEN"]
ips = [c.laddr.ip for c in open_ports]
raylets = [p for p in me.children(recursive=True) if "raylet" in p.name()]
print(json.dumps([ips, [p.environ().get("RAY_AUTH_MODE") for p in raylets]]))
pool.close()
"""


@pytest.mark.slow
def test_embedded_ray_listens_on_loopback_only_and_wants_a_token() -> None:
    known = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    call = [sys.executable, "-c", EMBEDDED]
    done = subprocess.run(call, cwd=ROOT, env=known, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    ips, modes = json.loads(done.stdout)
    assert len(ips) >= 4, "Ray listens somewhere"
    assert set(ips) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert modes == ["token"]


# Numbers ----------------------------------------------------------------------------------------------------------


def test_a_measure_that_is_no_number_is_an_error_with_a_reason() -> None:
    limits = [Limit("share", "too_much", max=0.5)]
    with pytest.raises(ValueError, match="share is NaN in row 1"):
        verdicts(pa.table({"share": [0.1, float("nan"), None]}), limits)
    good = pa.table({"share": pa.array([0.1, 0.9, None, float("inf")])})
    assert verdicts(good, limits).to_pylist() == [None, "too_much", "too_much", "too_much"]


def test_counters_are_whole_numbers_of_64_bits(tmp_path: Path) -> None:
    ok(run("pii_v1,exact_v1", write_shards([{"id": "a", "text": "A text."}], tmp_path / "in", 1), tmp_path / "out"))
    records = [json.loads(path.read_bytes()) for path in sorted((tmp_path / "out").rglob("manifest/*.json"))]
    assert records
    for record in records:
        counts = {name: record[name] for name in ("rows_in", "rows_kept", "bytes_kept", "input_size", "peak_memory")}
        counts |= record["facts"] | record["skipped"]
        counts |= {f"{s} {r}": n for s, reasons in record["removed"].items() for r, n in reasons.items()}
        assert {name: n for name, n in counts.items() if type(n) is not int} == {}


def test_no_environment_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not set(SECRETS.values()) & set(os.environ.values())

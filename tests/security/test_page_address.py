"""The secret address of the inspection page is in no program's arguments; the browser reads it from a private file."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from refinedweb.cli.inspect_page import leading_to
from tests.refinedweb.engine.inline import ok, run, write_shards
from tests.refinedweb.inspector.browser import chromium
from tests.refinedweb.views.small_run import page, prose

# A browser that tells what it was given, then sleeps as a real one would stay.
BROWSER = """import json, os, sys, time
from pathlib import Path
file = Path(sys.argv[1].removeprefix("file://"))
seen = {"arguments": sys.argv[1:], "mode": file.stat().st_mode, "folder": file.parent.stat().st_mode,
        "page": file.read_text()}
Path(os.environ["SEEN"] + ".new").write_text(json.dumps(seen))
os.rename(os.environ["SEEN"] + ".new", os.environ["SEEN"])
time.sleep(5)
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    ok(run("pii_v1", write_shards([page("a", prose(1))], folder / "in", 1), folder / "out"))
    return folder / "out"


@pytest.fixture
def served(out: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The printed address of a real `refinedweb inspect`, and the file in which its browser notes what it was given."""
    seen, browser = tmp_path / "seen.json", tmp_path / "browser.py"
    browser.write_text(BROWSER)
    environment = {**os.environ, "BROWSER": f"{sys.executable} {browser} %s &", "SEEN": str(seen)}
    call = [sys.executable, "-m", "refinedweb", "inspect", str(out)]
    with subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip(), seen
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


def arguments_of_all() -> Iterator[str]:
    """The command line of every process, as `ps` shows it to anybody."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def test_no_argument_contains_the_token(served: tuple[str, Path]) -> None:
    address, seen = served
    token = address.split("/")[3]
    assert len(token) == 32
    while not seen.exists():
        assert not any(token in line for line in arguments_of_all())
    assert not any(token in line for line in arguments_of_all())
    found = json.loads(seen.read_text())
    assert token not in found["arguments"][0]
    assert stat.S_IMODE(found["mode"]) == 0o600
    assert stat.S_IMODE(found["folder"]) == 0o700
    leads = re.search(r"url=([^\"]+)\"", found["page"])
    assert leads is not None
    assert leads[1] == address
    with urllib.request.urlopen(leads[1]) as answer:
        assert answer.status == 200


def test_a_browser_follows_the_file_and_it_is_gone_afterwards(served: tuple[str, Path], tmp_path: Path) -> None:
    address, _ = served
    with leading_to(address) as file:
        assert "?" not in address
        with chromium(tmp_path / "profile") as browser:
            browser.get(file.as_uri())
            assert browser.current_url == address
            assert "1 document" in browser.page_source or "pii_v1" in browser.page_source
    assert not file.exists()


def test_what_an_address_contains_stays_text() -> None:
    with leading_to('http://127.0.0.1:1/x/?words=%22&reason="><script>1</script>') as file:
        assert "<script>" not in file.read_text()

"""Real processes are really killed: whatever dies, the corpus has the same bytes and the ledger has each shard once.

Runs on the first pages of each file of the test crawl, so that a pass takes some seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from refinedweb.ledger.claims import Claims
from refinedweb.storage import open_store
from refinedweb.views.verify import verify
from tests.conftest import ROOT
from tests.refinedweb.cli.command import command, corpus_bytes, refinedweb_process
from tests.refinedweb.engine import inline

pytestmark = pytest.mark.slow
LIMIT = 40
OPTIONS = ("--limit", str(LIMIT), "--set", "keep_removed=full")
SHARDS = 8
FIRST, LAST = "00-filter", "04-corpus"
DEADLINE = 180.0


@pytest.fixture(scope="module")
def crawl(shared_data: Path) -> Path:
    return shared_data / "crawl"


@pytest.fixture(scope="module")
def quiet(crawl: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The corpus of an undisturbed run."""
    out = tmp_path_factory.mktemp("quiet") / "out"
    run_here(crawl, out)
    corpus = corpus_bytes(out)
    assert len(corpus) == SHARDS
    return corpus


def run_here(crawl: Path, out: Path) -> None:
    """The same run, or what is left of it, without Ray: if nothing is killed, Ray only adds time to start."""
    inline.ok(inline.run("refinedweb", [crawl], out, f"limit={LIMIT}"))


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each driver starts its own Ray: what is killed here must not be shared."""
    monkeypatch.delenv("REFINEDWEB_ADDRESS", raising=False)


@contextmanager
def driver(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A run in the background. Whatever is left of it at the end is killed, by process id."""
    running = subprocess.Popen(
        command("run", "refinedweb", *arguments, *OPTIONS), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        yield running
    finally:
        left = descendants(running.pid)
        if running.poll() is None:
            running.kill()
        for process in left:
            kill(process)
        running.communicate()


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill(process: psutil.Process) -> bool:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True


def named(pid: int, *words: str) -> list[psutil.Process]:
    """Descendants whose command line has one of the words."""
    found = []
    for process in descendants(pid):
        try:
            line = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if any(word in line for word in words):
            found.append(process)
    return found


def wait_for(what: Callable[[], object], running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not what():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def records(out: Path, step: str = FIRST) -> list[str]:
    return sorted(path.name for path in (out / step / "manifest").glob("*.json"))


def contents(out: Path) -> dict[Path, bytes]:
    """Every commit record of every step."""
    return {path: path.read_bytes() for path in out.rglob("manifest/*.json")}


def assert_same_corpus(out: Path, quiet: dict[str, bytes]) -> None:
    assert len(records(out, FIRST)) == len(records(out, LAST)) == SHARDS
    assert corpus_bytes(out) == quiet
    verdict = verify(str(out))
    assert (verdict.problems, verdict.pending) == ([], 0)


def test_child_worker_and_driver_are_killed_and_the_corpus_is_the_same(
    crawl: Path, quiet: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with driver(crawl, out, "--workers", "2") as running:
        wait_for(lambda: named(running.pid, "stages.extraction"), running)
        assert kill(named(running.pid, "stages.extraction")[0])
        wait_for(lambda: records(out), running)
        wait_for(lambda: any(kill(worker) for worker in named(running.pid, "ray::_in_worker")), running)
        wait_for(lambda: len(records(out)) >= 3, running)
        left = descendants(running.pid)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        before = contents(out)
        for process in left:
            kill(process)
    assert 3 <= len(before) < SHARDS
    refinedweb_process("run", "refinedweb", crawl, out, "--workers", "1", *OPTIONS)
    after = contents(out)
    assert {path: after[path] for path in before} == before, "what was committed is not done again"
    assert_same_corpus(out, quiet)


@pytest.mark.parametrize("phase", ["02-substring_v1/2-group"])
def test_a_driver_killed_within_a_global_step_goes_on_within_it(
    crawl: Path, quiet: dict[str, bytes], tmp_path: Path, phase: str
) -> None:
    out = tmp_path / "out"
    with driver(crawl, out, "--workers", "2") as running:
        wait_for(lambda: records(out, phase), running)
        left = descendants(running.pid)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        before = contents(out)
        for process in left:
            kill(process)
    run_here(crawl, out)
    after = contents(out)
    assert {path: after[path] for path in before} == before
    assert_same_corpus(out, quiet)


def test_two_drivers_share_a_run(crawl: Path, quiet: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with driver(crawl, out, "--workers", "1") as one, driver(crawl, out, "--workers", "1") as two:
        for running in (one, two):
            _, errors = running.communicate(timeout=DEADLINE)
            assert running.returncode == 0, errors
    assert_same_corpus(out, quiet)
    loaded = [json.loads((out / FIRST / "manifest" / name).read_bytes()) for name in records(out)]
    assert len({record["token"] for record in loaded}) == SHARDS
    assert len({record["driver"] for record in loaded}) == 2, "both took part"


def test_ctrl_c_leaves_a_run_that_resumes_at_once(crawl: Path, quiet: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with driver(crawl, out, "--workers", "2") as running:
        wait_for(lambda: records(out), running)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
        assert running.returncode == 130
        assert "To resume, run the same command again" in errors
        assert "Traceback" not in errors
    claims = Claims(open_store(str(out)), FIRST)
    assert all(claims.take(block) for block in claims.claimed()), "every claim was given back"
    for block in claims.mine:
        claims.release(block, done=False)
    run_here(crawl, out)
    assert_same_corpus(out, quiet)

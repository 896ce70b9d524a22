"""The child process: whatever a page or the outside does to it costs at most that page, and never affects another."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import ConfigError, RetryError
from stages.extract import Extract
from stages.extraction import supervisor, wire, zygote
from stages.extraction.engines import ExtractionSettings
from stages.extraction.process import Child
from stages.extraction.supervisor import verdict
from stages.extraction.wire import Answer, Status
from stages.extraction.zygote import Lost, Zygote
from stages.schema import documents
from tests.stages.extraction.pages import SENTENCE, page, paragraphs

ROOT = Path(__file__).resolve().parents[3]
GOOD = page(paragraphs(4))
QUICK = Extract(engine="resiliparse")  # its child starts in a tenth of a second
SLOW = page("<div>" * 5_000 + SENTENCE)  # about a second of resiliparse's CPU time
ENDLESS = page("<div>" * 30_000 + SENTENCE)  # a minute of that
TANGLED = page("<div><a href=x>link text here</a>" * 1500)  # ten seconds of trafilatura's CPU time


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    supervisor.close_all()
    assert extraction_processes() == []


def extraction_processes() -> list[psutil.Process]:
    """The zygotes and their children."""
    found = psutil.Process().children(recursive=True)
    return [each for each in found if each.is_running() and "stages.extraction.child" in arguments(each)]


def arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def child_of(stage: Extract) -> Child:
    child = supervisor.supervisor(stage.settings()).child
    assert child is not None
    return child


def drops(stage: Extract, *pages: bytes) -> list[str | None]:
    found: list[str | None] = stage(documents(html=list(pages))).column("drop").to_pylist()
    return found


def in_background(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def when_started(stage: Extract, act: Callable[[psutil.Process], None], delay: float) -> threading.Thread:
    """Do something to the stage's child `delay` seconds after it began to work."""
    known = supervisor.supervisor(stage.settings())

    def wait() -> None:
        deadline = time.monotonic() + 30
        while known.child is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        child = known.child
        if child is not None:
            act(psutil.Process(child.pid))

    return in_background(wait)


HOSTILE = {
    "deep nesting": b"<div>" * 100_000 + b"text" + b"</div>" * 100_000,
    "nested cells": b"<table><tr><td>" * 30_000,
    "huge spans": b"<table>" + b"<tr><td colspan=1000000000 rowspan=99999999>cell</td></tr>" * 3_000 + b"</table>",
    "data URI": b"<img src='data:image/png;base64," + b"A" * 10_000_000 + b"'>",
    "entities": b"<p>" + b"&amp;&lt;&#1234;&#x1F600;" * 1_000_000,
    "entity bomb": b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><p>&b;&b;",
    "one text": b"<p>" + b"word " * 4_000_000 + b"<p>last",
    "nested links": TANGLED,
    "attributes": b"<div " + b" ".join(b"a%d=1" % n for n in range(50_000)) + b">x",
    "unclosed": b"<a href='" + b"x>" * 1_000_000,
    "NUL bytes": b"<p>" + b"\0" * 1_000_000,
    "line breaks": b"<p>" + b"<br>" * 300_000,
    "URLs": b"<p>" + b"http://" * 1_000_000 + b")" * 1_000_000,
}


BRIEF = ("deep nesting", "huge spans", "data URI", "entity bomb", "one text", "nested links")


@pytest.mark.parametrize(("engine", "kinds"), [("trafilatura", BRIEF), ("resiliparse", HOSTILE)], ids=["t", "r"])
def test_a_hostile_page_costs_itself_within_its_deadline(engine: Any, kinds: Iterable[str]) -> None:
    stage = Extract(engine=engine, deadline_seconds=0.5)
    hostile = {kind: HOSTILE[kind] for kind in kinds}
    pages = [part for html in hostile.values() for part in (html, GOOD)]
    start = psutil.Process().cpu_times()
    found = stage(documents(html=pages))
    end = psutil.Process().cpu_times()
    verdicts = found.column("drop").to_pylist()
    assert verdicts[1::2] == [None] * len(hostile)
    assert len(set(found.column("text").to_pylist()[1::2])) == 1
    allowed = {None, "extract_timeout", "extract_memory", "no_main_text", "unparsable_html"}
    assert set(verdicts[::2]) <= allowed, dict(zip(hostile, verdicts[::2], strict=True))
    spent = sum(end[:4]) - sum(start[:4])  # of this process and its finished children, user and system time
    assert spent < len(hostile) * (0.5 + 4), "a page took more than its deadline and the start of a child"


def test_a_page_beyond_its_deadline_is_a_timeout() -> None:
    stage = Extract(engine="resiliparse", deadline_seconds=0.5)
    assert drops(stage, GOOD, ENDLESS, GOOD) == [None, "extract_timeout", None]


def test_a_deadline_grows_with_the_page_up_to_its_limit() -> None:
    settings = Extract(deadline_seconds=10, seconds_per_mb=3).settings()
    assert [settings.seconds(size) for size in (0, 10**6, 3 * 10**6, 10**9)] == [1.0, 4.0, 10.0, 10.0]
    assert Extract(deadline_seconds=0.5).settings().seconds(10**6) == 0.5
    small, large = ENDLESS, ENDLESS + b" " * 10**6
    stage = Extract(engine="resiliparse", deadline_seconds=60, seconds_per_mb=0)
    assert drops(stage, small, large) == ["extract_timeout"] * 2


def test_a_deadline_is_of_cpu_time() -> None:
    """A child that is stopped for longer than the deadline has not used it up."""
    stage = Extract(engine="resiliparse", deadline_seconds=3, seconds_per_mb=1000)

    def pause(child: psutil.Process) -> None:
        child.suspend()
        time.sleep(3.2)
        child.resume()

    drops(stage, GOOD)
    thread = when_started(stage, pause, 0.1)
    found = drops(stage, SLOW)
    thread.join()
    assert found == [None]


@pytest.mark.parametrize(("engine", "filler"), [("trafilatura", "<p>hi"), ("resiliparse", "<p>word ")])
def test_memory_blows_up_for_one_page(engine: Any, filler: str) -> None:
    stage = Extract(engine=engine, memory_mb=160)
    assert drops(stage, GOOD, page(filler * 400_000), GOOD, GOOD) == [None, "extract_memory", None, None]


def test_a_failed_allocation_that_aborts_the_child_is_memory() -> None:
    stage = Extract(engine="resiliparse", memory_mb=160)
    assert drops(stage, GOOD, b"<p>" + b"word " * 8_000_000, GOOD) == [None, "extract_memory", None]


def test_what_earlier_pages_left_in_memory_condemns_nobody() -> None:
    """A page that fits alone also fits after one that filled the memory, whatever the batches are."""
    sizes = [n * 3_000_000 for n in range(1, 4)]
    pages = [b"<p>" + b"word " * size for size in sizes]
    stage = Extract(engine="resiliparse", memory_mb=160)
    alone = []
    for html in pages:
        supervisor.close_all()
        alone += drops(stage, html)
    assert set(alone) == {None, "extract_memory"}, "the sizes are to lie on both sides of the limit"
    order = [2, 0, 1, 0, 2]
    assert drops(stage, *(pages[n] for n in order)) == [alone[n] for n in order]


@pytest.mark.parametrize(("engine", "count", "depth"), [("trafilatura", 40, 20), ("resiliparse", 80, 700)])
def test_the_child_survives_being_killed_at_any_moment(engine: Any, count: int, depth: int) -> None:
    pages = [page(paragraphs(n % 5 + 1), f"<p>Page {n}.</p>", "<div>" * depth) for n in range(count)]
    docs, stage = (
        documents(html=pages, url=[f"https://example.org/{n}" for n in range(len(pages))]),
        Extract(engine=engine),
    )
    quiet = stage(docs)
    dice, done, kills = random.Random(1), threading.Event(), []

    def kill() -> None:
        while not done.wait(dice.uniform(0.01, 0.2)) and len(kills) < 3:
            child = supervisor.supervisor(stage.settings()).child
            if child is not None and not child.fresh and child.pid is not None and child.pid not in kills:
                kills.append(child.pid)
                victim = dice.choice([child.pid, child.zygote.process.pid])
                os.kill(victim, dice.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV]))

    thread = in_background(kill)
    noisy = [stage(docs) for _ in range(2)]
    done.set()
    thread.join()
    assert kills
    assert all(found == quiet for found in noisy)


def test_a_lost_child_is_forked_anew_from_the_same_zygote() -> None:
    drops(QUICK, GOOD)
    first = child_of(QUICK)
    os.kill(first.pid or 0, signal.SIGKILL)
    assert drops(QUICK, GOOD) == [None]
    second = child_of(QUICK)
    assert (second.zygote, second.pid == first.pid) == (first.zygote, False)


def test_a_child_dies_with_its_zygote_and_both_are_replaced() -> None:
    drops(QUICK, GOOD)
    lost = child_of(QUICK)
    child = psutil.Process(lost.pid)
    lost.zygote.process.kill()
    child.wait(timeout=20)
    assert drops(QUICK, GOOD) == [None]
    assert child_of(QUICK).zygote is not lost.zygote


@pytest.mark.parametrize("engine", ["trafilatura", "resiliparse"])
def test_a_zygote_has_one_thread_and_its_child_no_files_of_others(engine: Any) -> None:
    stage = Extract(engine=engine)
    drops(stage, GOOD)
    child = child_of(stage)
    assert psutil.Process(child.zygote.process.pid).num_threads() == 1
    files = Path(f"/proc/{child.pid}/fd")
    kinds = sorted(os.readlink(file).partition(":")[0].rpartition("/")[2] for file in files.iterdir())
    assert [kind for kind in kinds if "deleted" not in kind] == ["null", "pipe", "pipe", "status"], "stderr is deleted"


def test_a_fresh_child_that_crashes_condemns_its_page(caplog: pytest.LogCaptureFixture) -> None:
    stage = Extract(engine="resiliparse", include_tables=False)
    known = supervisor.supervisor(stage.settings())
    known.zygote = Zygote(stage.settings())
    known.child = Child(known.zygote)
    thread = when_started(stage, lambda child: child.send_signal(signal.SIGSEGV), 0.2)
    assert drops(stage, SLOW, GOOD) == ["extract_crash", None]
    thread.join()
    assert "signal 11" in caplog.text
    assert "Fatal Python error" in caplog.text, "the log says where it crashed"


def test_a_child_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygote, "PATIENCE", 0.3)
    monkeypatch.setattr(zygote, "HANG", 0)
    stage = QUICK
    drops(stage, GOOD)
    first = child_of(stage).pid
    psutil.Process(first).suspend()
    assert drops(stage, GOOD, GOOD) == [None, None]
    assert child_of(stage).pid != first


def test_a_child_that_is_always_killed_is_not_the_pages_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "KILLS", 1)
    stage, done = Extract(engine="resiliparse", image_urls=False), threading.Event()

    def kill() -> None:
        while not done.is_set():
            for each in extraction_processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            time.sleep(0.01)

    thread = in_background(kill)
    try:
        with pytest.raises(RetryError, match="signal 9"):
            stage(documents(html=[GOOD]))
    finally:
        done.set()
        thread.join()
    assert drops(stage, GOOD) == [None]


def test_an_engine_that_cannot_start_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {**os.environ, "PYTHONPATH": "/nonexistent", "PYTHONSAFEPATH": "1"}
    monkeypatch.setattr(zygote, "_environment", lambda: {**broken, "PYTHONHOME": "/nonexistent"})
    with pytest.raises(ConfigError, match="cannot start"):
        Zygote(ExtractionSettings())


def test_an_interrupt_ends_the_child_and_the_next_batch_works() -> None:
    stage = QUICK
    drops(stage, GOOD)
    first = child_of(stage).pid

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            drops(stage, ENDLESS)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not psutil.pid_exists(first)
    assert drops(stage, GOOD) == [None]


def test_threads_share_a_child_that_outlives_them() -> None:
    stage, found = Extract(engine="resiliparse", include_comments=True), {}

    def work(n: int) -> None:
        found[n] = stage(documents(html=[page(f"<p>{n} {SENTENCE}</p>")] * 5)).column("text").to_pylist()

    threads = [in_background(lambda n=n: work(n)) for n in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert all(text.startswith(f"{n} ") for n, texts in found.items() for text in texts)
    first = child_of(stage).pid
    assert drops(stage, GOOD) == [None]
    assert child_of(stage).pid == first


PARENT = """
import os, sys
from stages.extract import Extract
from stages.extraction.supervisor import supervisor
from stages.schema import documents
stage = Extract(engine="resiliparse")
stage(documents(html=[b"<p>x"]))
print(supervisor(stage.settings()).child.pid, flush=True)
if sys.argv[1] == "fork":
    pid = os.fork()
    texts = stage(documents(html=[open(sys.argv[2], "rb").read()])).column("text").to_pylist()
    print(texts[0].count("Part"), flush=True)
    if pid:
        os.waitpid(pid, 0)
else:
    stage(documents(html=[open(sys.argv[2], "rb").read()] * 100))
"""


def script(mode: str, html: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, mode, str(html)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    html = tmp_path / "page.html"
    html.write_bytes(ENDLESS)
    with script("busy", html) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.communicate()
    child.wait(timeout=20)


def test_a_forked_process_has_a_child_of_its_own(tmp_path: Path) -> None:
    html = tmp_path / "page.html"
    html.write_bytes(GOOD)
    with script("fork", html) as parent:
        out, err = parent.communicate(timeout=60)
    assert (out.split()[1:], err, parent.returncode) == (["4", "4"], "", 0)


def test_libraries_cannot_write_into_the_answers() -> None:
    """The child's stdout is its stderr, and neither reaches that of the parent."""
    code = (
        "import os\nfrom stages.extraction import child\ncontrol = child.private_socket()\n"
        "print('noise', flush=True)\nos.system('echo more noise')\ncontrol.send(b'answer')\nprint(input())\n"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        call = [sys.executable, "-c", code]
        done = subprocess.run(call, cwd=ROOT, stdin=theirs, capture_output=True, check=False)
        assert ours.recv(100) == b"answer"
    assert done.stdout == b""
    assert done.stderr.startswith(b"noise\nmore noise\n")
    assert b"EOFError" in done.stderr, "there is nothing to read"


@pytest.mark.parametrize(
    ("code", "said", "fresh", "wanted"),
    [
        (-signal.SIGPROF, "", False, "extract_timeout"),
        (-signal.SIGSEGV, "", False, None),
        (-signal.SIGSEGV, "", True, "extract_crash"),
        (-signal.SIGABRT, "memory allocation of 900 bytes failed", True, "extract_memory"),
        (1, "MemoryError", True, "extract_memory"),
        (1, "SystemError", True, "extract_crash"),
        (-signal.SIGKILL, "", True, None),
        (-signal.SIGTERM, "", True, None),
        (None, "", False, None),
        (None, "", True, "extract_timeout"),
    ],
)
def test_verdicts_over_lost_children(code: int | None, said: str, fresh: bool, wanted: str | None) -> None:
    assert verdict(Lost(code, said), fresh) == wanted


texts = st.text(st.characters(codec="utf-8"))
answers = st.builds(
    Answer, st.sampled_from(Status), st.booleans(), texts, st.lists(st.tuples(texts, texts), max_size=3)
)


@given(st.lists(answers, max_size=5), st.integers(1, 50))
def test_answers_come_whole_however_they_are_cut(sent: list[Answer], size: int) -> None:
    data = b"".join(map(wire.encoded, sent))
    received, found = bytearray(), []
    for at in range(0, len(data), size):
        received += data[at : at + size]
        found += wire.answers(received)
    assert (found, received) == (sent, b"")


def test_settings_travel_as_json() -> None:
    settings = Extract(favor="recall", deadline_seconds=7).settings()
    assert ExtractionSettings(**json.loads(zygote._arguments(settings))) == settings

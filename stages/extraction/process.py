"""A child process as its parent sees it: pages are written, answers are read, losing the child is an exception.

Pipes are non-blocking on this side: the next pages are on their way while the child works, neither side can wait for
the other for ever, and answers that came before the child was lost are never lost with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from stages.errors import ConfigError
from stages.extraction import wire
from stages.extraction.engines import Settings
from stages.extraction.wire import Answer

Page = tuple[bytes | memoryview, str | None]

HANG = 5  # wall-clock seconds without a sign of life, per second of deadline, that a child is given twice
PATIENCE = 60.0  # and at least so many
PIPE_BYTES = 1 << 20
LAST_WORDS = 1500


class Lost(Exception):
    """The child is gone. `code` as of Popen.returncode (negative = signal), None = it hung and was killed."""

    def __init__(self, code: int | None, said: str) -> None:
        self.code = code
        self.said = said
        how = "hung" if code is None else f"ended by signal {-code}" if code < 0 else f"exited with {code}"
        super().__init__(f"the extraction child {how}; its last words: {said or 'none'}")


class Child:
    """One child process. `fresh` until it has been given a page."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.fresh = True
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the child)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stages.extraction.child", _arguments(settings), str(_parent())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            env=_environment(),
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.pages, self.answers = self.process.stdin.fileno(), self.process.stdout.fileno()
        _widen(self.pages)
        os.set_blocking(self.pages, False)
        os.set_blocking(self.answers, False)
        self.received = bytearray()
        self.outbox: deque[memoryview] = deque()
        try:
            self.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def wait_until_ready(self) -> None:
        try:
            next(self.exchange(iter(())))
        except Lost as lost:
            if lost.code is not None and lost.code > 0:
                raise ConfigError(f"{lost}; {self.settings.engine} cannot start in {sys.executable}") from lost
            raise

    def extract(self, pages: Sequence[Page]) -> Iterator[Answer]:
        """An answer per page, in order, as they come. Raises Lost when the child is gone."""
        answers = self.exchange(iter(pages))
        for _, answer in zip(pages, answers, strict=False):
            yield answer
            self.fresh = False

    def exchange(self, pages: Iterator[Page]) -> Iterator[Answer]:
        """Sends pages and takes answers as the pipes allow, for as long as it is asked."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        sending, watch = True, Watch(self.process.pid, self.settings.deadline_seconds)
        while True:
            if sending and not self.outbox:
                sending = self._fill(pages)
            poll.register(self.pages, select.POLLOUT if sending else 0)
            events = dict(poll.poll(watch.patience * 1000))
            if not events and watch.hangs():
                self.close()
                raise Lost(None, "")
            if sending and self.pages in events:
                sending = self._send()
            if self.answers in events:
                self._receive()
                watch.answered()
                yield from wire.answers(self.received)

    def _fill(self, pages: Iterator[Page]) -> bool:
        page = next(pages, None)
        if page is not None:
            self.outbox.extend(memoryview(part) for part in wire.request(*page) if len(part) > 0)
        return page is not None

    def _send(self) -> bool:
        """Writes what the pipe takes; false once nobody reads (the answers' end of file will tell why)."""
        try:
            sent = os.write(self.pages, self.outbox[0])
        except BrokenPipeError:
            return False
        except BlockingIOError:
            return True
        self.outbox[0] = self.outbox[0][sent:]
        if not self.outbox[0]:
            self.outbox.popleft()
        return True

    def _receive(self) -> None:
        try:
            received = os.read(self.answers, PIPE_BYTES)
        except BlockingIOError:
            return
        if not received:
            code = self.process.wait()
            said = self.last_words()
            self.close()
            raise Lost(code, said)
        self.received += received

    def last_words(self) -> str:
        """What it wrote to stderr last: the place of a crash, the end of anything else."""
        self.stderr.seek(0)
        said = self.stderr.read().decode(errors="replace")
        crash = said.rfind("Fatal Python error")
        start = len(said) - LAST_WORDS if crash < 0 else crash - LAST_WORDS // 10
        return said[max(0, start) :][:LAST_WORDS].strip()

    def close(self) -> None:
        """Ends the process and leaves no zombie."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.stderr):
            if pipe is not None:
                pipe.close()


class Watch:
    """Tells a child that hangs from one that is slow, or not given the processor: in a long time it uses no CPU."""

    def __init__(self, pid: int, deadline_seconds: float) -> None:
        self.pid = pid
        self.patience = max(PATIENCE, HANG * deadline_seconds)
        self.cpu: float | None = None

    def answered(self) -> None:
        self.cpu = None

    def hangs(self) -> bool:
        """Asked each time `patience` seconds went by without a sign of life; true from the second time on."""
        before, self.cpu = self.cpu, cpu_seconds(self.pid)
        return before is not None and self.cpu - before < 0.001 * self.patience


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _widen(pipe: int) -> None:
    """Lets a pipe hold the next pages, so that the child does not wait for them (Linux; as far as it allows)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _arguments(settings: Settings) -> str:
    return json.dumps(dataclasses.asdict(settings))


def _parent() -> int:
    """The process with which the child is to die; 0 outside of the main thread, with which it would die instead."""
    return os.getpid() if threading.current_thread() is threading.main_thread() else 0


def _environment() -> dict[str, str]:
    """Of the child: it imports this very package, and its sets have one order."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    paths = [root, *(path for path in sys.path if path and path != root)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}

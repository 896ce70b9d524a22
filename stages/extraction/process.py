"""A child process from its parent's side: pages are written, answers are read, and losing the child is an exception.

Pipes are non-blocking on this side: the next pages are in transit while the child works, neither side can wait for the
other indefinitely, and answers that arrived before the child was lost are never lost with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO

from stages.extraction import wire
from stages.extraction.wire import Answer
from stages.extraction.zygote import Lost, Watch, Zygote, last_words

Page = tuple[bytes | memoryview, str | None]

PIPE_BYTES = 1 << 20  # bytes that a pipe holds: Linux grants this much without privileges


class Child:
    """One child of a zygote. `fresh` until it has answered a page. Raises Lost if the zygote is gone."""

    def __init__(self, zygote: Zygote) -> None:
        self.zygote = zygote
        self.fresh = True
        self.received = bytearray()
        self.outbox: deque[memoryview] = deque()
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the child)
        theirs, self.pages = os.pipe()
        self.answers, others = os.pipe()
        _widen(self.pages)
        os.set_blocking(self.pages, False)
        os.set_blocking(self.answers, False)
        try:
            self.pid: int | None = zygote.fork(theirs, others, self.stderr.fileno())
        except BaseException:
            self.pid = None
            self._close_files()
            raise
        finally:
            os.close(theirs)
            os.close(others)

    def extract(self, pages: Sequence[Page]) -> Iterator[Answer]:
        """An answer per page, in order, as they arrive. Raises Lost if the child is gone."""
        answers = self.exchange(iter(pages))
        for _, answer in zip(pages, answers, strict=False):
            yield answer
            self.fresh = False

    def exchange(self, pages: Iterator[Page]) -> Iterator[Answer]:
        """Send pages and yield answers as the pipes allow, for as long as the caller iterates."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        sending, watch = True, Watch(self.pid or 0, self.zygote.settings.deadline_seconds)
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
        """Put the next page into the outbox; False if there is none."""
        page = next(pages, None)
        if page is not None:
            self.outbox.extend(memoryview(part) for part in wire.request(*page) if len(part) > 0)
        return page is not None

    def _send(self) -> bool:
        """Write what the pipe takes; False once nobody reads (the end of the answers will show why)."""
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
            self.pid = None
            try:
                raise Lost(self.zygote.ending(), last_words(self.stderr))
            finally:
                self.close()
        self.received += received

    def close(self) -> None:
        """End the process. The zygote, if it is alive, leaves no zombie."""
        pid, self.pid = self.pid, None
        if pid is not None and not self.zygote.closed:
            if not self.zygote.has_ended_child():
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(Lost):
                self.zygote.ending()
        self._close_files()

    def _close_files(self) -> None:
        if not self.stderr.closed:
            os.close(self.pages)
            os.close(self.answers)
            self.stderr.close()


def _widen(pipe: int) -> None:
    """Let a pipe hold the next pages, so that the child does not wait for them (on Linux, as far as it allows)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

"""A pool of one worker without Ray: a child process that runs one task at a time.

For what is too small to wait for Ray, for `--workers 1`, and for machines on which Ray cannot start. Ray's guarantees
hold: what kills the worker costs an attempt and not the run, a worker is replaced after many tasks, and the driver
renews its claims, shows progress and can be interrupted while a task runs.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Hashable
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import IO, Any, NamedTuple

from refinedweb.engine import policy
from refinedweb.engine.pool import Beat, OneWorker, TaskOutcome, Work

LAST_WORDS = 500  # characters of what a dying worker wrote that are reported


class _Attempt(NamedTuple):
    task: int
    payload: Any
    careful: bool


class ChildPool(OneWorker):
    """One child process, started with the first task. `recycle`: tasks after which it is replaced."""

    def __init__(self, recycle: int) -> None:
        self._recycle = recycle
        self._work: Any = None
        self._child: _Child | None = None
        self._waiting: dict[Hashable, _Attempt] = {}
        self._running: Hashable | None = None
        self._handles = count()

    def use(self, work: Work, beat: Beat) -> None:
        del beat  # `wait` never blocks for long
        self._work = work
        if self._child is not None:
            self._child.send(work)

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        handle = next(self._handles)
        self._waiting[handle] = _Attempt(task, payload, careful)
        self._begin()
        return handle

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        handle, child = self._running, self._child
        if handle is None or child is None or not child.has_ended(seconds):
            return []
        outcome = child.outcome()
        self._running = None
        if outcome.kind == "died" or child.tasks >= self._recycle:
            self._end_child()
        self._begin()
        return [(handle, outcome)]

    def _begin(self) -> None:
        """Start the next attempt if the worker is free."""
        if self._running is None and self._waiting:
            self._running = next(iter(self._waiting))
            attempt = self._waiting.pop(self._running)
            if self._child is not None and self._child.is_lost():
                self._end_child()
            if self._child is None:
                self._child = _Child(self._work)
            self._child.send(tuple(attempt))

    def cancel(self, handle: Hashable) -> None:
        if handle == self._running:
            self._running = None
            self._end_child(kill=True)
            self._begin()
        self._waiting.pop(handle, None)

    def close(self) -> None:
        self._waiting.clear()
        self._end_child(kill=self._running is not None)
        self._running = None

    def _end_child(self, *, kill: bool = False) -> None:
        if self._child is not None:
            self._child.close(kill=kill)
            self._child = None


class _Child:
    """The worker's process, seen from the driver; `child.py` is its own side."""

    def __init__(self, work: Work) -> None:
        self.tasks = 0
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the process)
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "refinedweb.engine.child", str(theirs.fileno()), str(_parent())],
                stdin=subprocess.DEVNULL,
                stdout=self._stderr,  # libraries may print
                stderr=self._stderr,
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )
        self._pipe = Connection(ours.detach())
        self.send(work)

    def send(self, message: Any) -> None:
        with suppress(OSError):  # it is dead: `outcome` tells how it died
            self._pipe.send(message)

    def is_lost(self) -> bool:
        """Whether the process is dead, whatever it was asked to do."""
        return self._process.poll() is not None

    def has_ended(self, seconds: float) -> bool:
        """Whether the attempt ended within that time, in an answer or in the process's death."""
        return self._pipe.poll(seconds)

    def outcome(self) -> TaskOutcome:
        self.tasks += 1
        try:
            outcome: TaskOutcome = self._pipe.recv()
        except (EOFError, OSError):
            return TaskOutcome("died", error=f"the worker {_ending(self._process.wait())}{self._last_words()}")
        self._forget_words()
        return outcome

    def _last_words(self) -> str:
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace")
        crash = said.find("Fatal Python error")  # the place of a crash, or else the end
        said = said[crash:][:LAST_WORDS] if crash >= 0 else said[-LAST_WORDS:]
        return f"; its last words: {' '.join(said.split())}" if said.strip() else ""

    def _forget_words(self) -> None:
        """Nobody will ask what a living worker wrote, and it may be much. The process writes at the same position."""
        self._stderr.seek(0)
        self._stderr.truncate()

    def close(self, *, kill: bool) -> None:
        """End the process: at once, or as it ends by itself when nobody talks to it any more."""
        if kill:
            self._process.kill()
        self._pipe.close()
        try:
            self._process.wait(policy.CHILD_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()


def _ending(code: int) -> str:
    if code >= 0:
        return f"exited with {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # one of the real-time signals, most of which have no name
        name = f"signal {-code}"
    cause = " (is the machine out of memory?)" if code == -signal.SIGKILL else ""
    return f"was ended by {name}{cause}"


def _parent() -> int:
    """The process with which the worker must die; 0 outside the main thread, because it would die with that thread."""
    return os.getpid() if threading.current_thread() is threading.main_thread() else 0


def _environment() -> dict[str, str]:
    """The worker imports what the driver can import, from the same places."""
    paths = [path or os.getcwd() for path in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}

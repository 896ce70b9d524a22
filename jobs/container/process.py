"""A host's own process and the one it watches: signals, and what the other said last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from stages.errors import RefinedWebError

TICK = 0.2
GRACE_SECONDS = 90.0
LAST_LINES = 8


class Stopped(RefinedWebError):
    """This host was asked to stop."""


@dataclass
class Signals:
    """Was this host asked to stop? Looked at between short sleeps: a handler must not raise just anywhere."""

    stop: bool = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: object) -> None:
        self.stop = True

    def pause(self, seconds: float = TICK) -> None:
        """Raises Stopped."""
        deadline = time.monotonic() + seconds
        while not self.stop and time.monotonic() < deadline:
            time.sleep(TICK)
        if self.stop:
            raise Stopped("stopped on request; what is committed is safe: launch again to go on")


def run_watched(command: list[str], environment: dict[str, str], pause: Callable[[], None]) -> tuple[int, str]:
    """Run a command to its end: its exit code and the last lines of its stderr, which goes to ours as well.

    `pause` is called again and again meanwhile. Where it raises, the command gets SIGTERM and GRACE_SECONDS to end in.
    """
    running = subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.PIPE, start_new_session=True
    )
    last: deque[bytes] = deque(maxlen=LAST_LINES)
    relay = threading.Thread(target=_relay, args=(running, last), daemon=True)
    relay.start()
    try:
        while running.poll() is None:
            pause()
    finally:
        _end(running)
    relay.join(1.0)  # not for good: a grandchild may hold the pipe
    return running.returncode, b"".join(last).decode("utf-8", "replace").strip()


def _relay(running: subprocess.Popen[bytes], last: deque[bytes]) -> None:
    assert running.stderr is not None
    with running.stderr:
        for line in running.stderr:
            last.append(line)
            sys.stderr.write(line.decode("utf-8", "replace"))
            sys.stderr.flush()


def _end(running: subprocess.Popen[bytes]) -> None:
    if running.poll() is not None:
        return
    running.terminate()
    try:
        running.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()

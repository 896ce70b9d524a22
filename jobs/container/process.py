"""A host's own process and the process that it watches: signals, and the last output of the latter."""

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

TICK = 0.2  # seconds between two looks at the signals
GRACE_SECONDS = 90.0  # for a command to end by itself; SageMaker kills a stopped job after 120 s
RELAY_SECONDS = 1.0  # for the last lines of a command that has ended
LAST_LINES = 8  # of a command's stderr, for the message of a failure


class Stopped(RefinedWebError):
    """This host was asked to stop."""


@dataclass
class Signals:
    """Whether this host was asked to stop. It is checked between short sleeps, because a signal handler must not raise
    at an arbitrary place.
    """

    stop: bool = False

    def listen(self) -> None:
        """Handle SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: object) -> None:
        self.stop = True

    def pause(self, seconds: float = TICK) -> None:
        """Sleep. Raises Stopped if this host was asked to stop."""
        deadline = time.monotonic() + seconds
        while not self.stop and time.monotonic() < deadline:
            time.sleep(TICK)
        if self.stop:
            raise Stopped("stopped on request; what is committed is safe: launch again to resume")


def run_watched(command: list[str], environment: dict[str, str], pause: Callable[[], None]) -> tuple[int, str]:
    """Run a command to its end. Returns its exit code and the last lines of its stderr, which goes to ours as well.

    Meanwhile `pause` is called again and again. If it raises, the command gets SIGTERM, and GRACE_SECONDS to end.
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
    relay.join(RELAY_SECONDS)  # with a limit: a grandchild may hold the pipe open
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

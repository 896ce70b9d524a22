"""The process that forks the children, from its parent's side (`child.py` is the other side).

If it is lost, so is its child: on Linux the child dies with it, elsewhere when its pipes close.
"""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from stages.errors import ConfigError
from stages.extraction import wire
from stages.extraction.engines import ExtractionSettings

HANG = 5  # wall-clock seconds without a sign of life, per second of deadline; a process is granted them twice
PATIENCE = 60.0  # wall-clock seconds; it is granted at least this many
BUSY = 0.001  # share of these seconds that a process spends on the CPU unless it hangs
LAST_WORDS = 1500  # characters of stderr that are reported


class Lost(Exception):
    """The child is gone. `code` is as in Popen.returncode (negative = signal); None = it hung and was killed."""

    def __init__(self, code: int | None, said: str) -> None:
        self.code = code
        self.said = said
        how = "hung" if code is None else f"ended by signal {-code}" if code < 0 else f"exited with {code}"
        super().__init__(f"the extraction child {how}; its last words: {said or 'none'}")


class Zygote:
    """A process that has loaded its extractor and forks one child at a time."""

    def __init__(self, settings: ExtractionSettings) -> None:
        self.settings = settings
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the process)
        self.control, other_end = socket.socketpair()
        with other_end:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stages.extraction.child", _arguments(settings), str(_parent())],
                stdin=other_end.fileno(),
                stdout=self.stderr,
                stderr=self.stderr,
                env=_environment(),
                start_new_session=True,
            )
        try:
            self._number()
        except BaseException as error:
            self.close()
            if isinstance(error, Lost) and error.code is not None and error.code > 0:
                raise ConfigError(f"{error}; {settings.engine} cannot start in {sys.executable}") from error
            raise

    def fork(self, pages: int, answers: int, stderr: int) -> int:
        """The number of a new process that reads and writes these files. Raises Lost if the zygote is lost."""
        try:
            socket.send_fds(self.control, [b"+"], [pages, answers, stderr])
        except OSError as error:
            raise self._lost() from error
        return self._number()

    def ending(self) -> int:
        """The exit code of the child, once it has one. Raises Lost if the zygote ended with it."""
        return self._number()

    def has_ended_child(self) -> bool:
        """Whether the child or the zygote ended, so that the child's number may now belong to another process."""
        return len(_ready(self.control.fileno(), 0)) > 0

    def _number(self) -> int:
        """The next number that the zygote sends."""
        watch, said = Watch(self.process.pid, self.settings.deadline_seconds), b""
        while len(said) < wire.NUMBER.size:
            if _ready(self.control.fileno(), watch.patience):
                received = _received(self.control, wire.NUMBER.size - len(said))
                if not received:
                    raise self._lost()
                said += received
            elif watch.hangs():
                self.close()
                raise Lost(None, "")
        number: int = wire.NUMBER.unpack(said)[0]
        return number

    def _lost(self) -> Lost:
        """Describes the end of the zygote, which no page can have caused."""
        code = self.process.wait()
        said = last_words(self.stderr)
        self.close()
        return Lost(code or -signal.SIGKILL, said)

    @property
    def closed(self) -> bool:
        return self.control.fileno() < 0

    def close(self) -> None:
        """End the process, and the child with it; leave no zombie."""
        self.process.kill()
        self.process.wait()
        self.control.close()
        self.stderr.close()


class Watch:
    """Distinguishes a process that hangs from one that is slow or gets no CPU time: it uses no CPU for a long time."""

    def __init__(self, pid: int, deadline_seconds: float) -> None:
        self.pid = pid
        self.patience = max(PATIENCE, HANG * deadline_seconds)
        self.cpu: float | None = None

    def answered(self) -> None:
        self.cpu = None

    def hangs(self) -> bool:
        """Call this when `patience` seconds passed without a sign of life; it can be True from the second call on."""
        before, self.cpu = self.cpu, cpu_seconds(self.pid)
        return before is not None and self.cpu - before < BUSY * self.patience


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used; 0 if the system does not report it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def last_words(stderr: IO[bytes]) -> str:
    """The last thing that a process wrote to stderr: the place of a crash, or else the end."""
    stderr.seek(0)
    said = stderr.read().decode(errors="replace")
    crash = said.rfind("Fatal Python error")
    start = len(said) - LAST_WORDS if crash < 0 else crash - LAST_WORDS // 10
    return said[max(0, start) :][:LAST_WORDS].strip()


def _ready(file: int, seconds: float) -> list[tuple[int, int]]:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return poll.poll(seconds * 1000)


def _received(control: socket.socket, size: int) -> bytes:
    try:
        return control.recv(size)
    except ConnectionResetError:  # it ended with something left unread
        return b""


def _arguments(settings: ExtractionSettings) -> str:
    return json.dumps(dataclasses.asdict(settings))


def _parent() -> int:
    """The process with which the zygote must die; 0 outside the main thread, because it would die with that thread."""
    return os.getpid() if threading.current_thread() is threading.main_thread() else 0


def _environment() -> dict[str, str]:
    """The environment of the zygote: it imports this same package, and its sets have a fixed order."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    paths = [root, *(path for path in sys.path if path and path != root)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}

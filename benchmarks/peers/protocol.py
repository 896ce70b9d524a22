"""A side of a benchmark as a process that answers requests: a line of JSON in, a line of JSON out.

A side stays up between requests, so start-up (imports, models, lists, compiled kernels) is paid before anything is
timed. It times itself (`seconds`); the asker adds the CPU time of the side and of all its children (`cpu_seconds`),
which says more than the clock does where others use the machine. Standard library only: every environment runs it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Answer = dict[str, Any]


class SideError(RuntimeError):
    """A side could not do what it was asked to: `reason` says in a line what it said itself."""

    def __init__(self, asked: str, reason: str) -> None:
        super().__init__(f"{asked}: {reason}; see above")
        self.reason = reason


def serve(jobs: Mapping[str, Callable[..., Answer]]) -> None:
    """Answers requests `{"do": job, **arguments}` until standard input ends. Jobs print to standard error.

    Every side also has the job `version`. A job that fails is answered by `{"error": …}`; the side lives on.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    known = {"version": version, **jobs}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = known[request.pop("do")](**request)
        except Exception as error:
            traceback.print_exc()
            kind = "" if type(error) is RuntimeError else f"{type(error).__name__}: "
            answer = {"error": f"{kind}{error}"}
        print(json.dumps(answer), file=answers, flush=True)


def version(package: str) -> Answer:
    """The version of a package in the environment of a side, empty where it is not there."""
    try:
        return {"version": importlib.metadata.version(package)}
    except importlib.metadata.PackageNotFoundError:
        return {"version": ""}


def reason_of(lines: Sequence[str]) -> str:
    """Why a process ended, from what it wrote last to standard error: its exception, or what it said after one."""
    said = list(lines)
    for at in reversed(range(len(said))):
        if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", said[at]):
            later = [line for line in said[at + 1 :] if line[:1].strip()]
            said = later or [said[at]]
            break
    return " ".join(" ".join(said).translate(str.maketrans("", "", "×╰─▶│╭├")).split())


class Side:
    """One side, pinned to one core with all its children. A context manager: leaving it ends the process."""

    def __init__(self, command: Sequence[str], core: int, cwd: Path | None = None) -> None:
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        )  # fmt: skip
        self._said: deque[str] = deque(maxlen=12)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        """What the side writes to standard error goes to ours; the last lines are kept, to say why it ended."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line.rstrip())
            sys.stderr.write(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=60)
        self._listener.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def ask(self, do: str, **arguments: Any) -> Answer:
        """The side's answer, with `cpu_seconds`. Raises SideError where it failed, or ended instead of answering."""
        before = self.cpu_seconds()
        line = self._exchange(json.dumps({"do": do, **arguments}))
        if not line:
            status = self._process.wait()
            self._listener.join()
            raise SideError(f"{self._process.args} ended with {status} while asked to {do}", reason_of(self._said))
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise SideError(f"{self._process.args} was asked to {do}", answer["error"])
        return {**answer, "cpu_seconds": self.cpu_seconds() - before}

    def _exchange(self, line: str) -> str:
        """The answer to a line, empty where the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()

    def cpu_seconds(self) -> float:
        """CPU time so far of the process, its children, and their children that have ended; 0 of one that is gone."""
        return float(sum(sum(times[:4]) for times in self._of_each("cpu_times")))

    def processes(self) -> list[Any]:
        """The process (first) and all its children, as psutil sees them; none where it has ended."""
        import psutil

        if self._process.poll() is not None:
            return []
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def resident_megabytes(self) -> list[float]:
        """Resident size of the process (first) and of each child that still lives, in MB."""
        return [memory.rss / 1e6 for memory in self._of_each("memory_info")]

    def _of_each(self, method: str) -> list[Any]:
        """What psutil says of the process (first) and of each child that still lives when it is asked."""
        import psutil

        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(getattr(process, method)())
        return found

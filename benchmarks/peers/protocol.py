"""A side of a benchmark as a process that answers requests: a line of JSON in, a line of JSON out.

A side stays up between requests, so its start (imports, models, lists, compiled kernels) is over before anything is
timed. It measures its own wall time (`seconds`). The harness adds the CPU time of the side and of all its children
(`cpu_seconds`), which is more reliable if others use the machine. Uses only the standard library: every environment
must be able to run it.
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
    """A side could not do what it was asked to. `reason` is the side's own explanation, in one line."""

    def __init__(self, asked: str, reason: str) -> None:
        super().__init__(f"{asked}: {reason}; see above")
        self.reason = reason


def serve(jobs: Mapping[str, Callable[..., Answer]]) -> None:
    """Answer requests `{"do": job, **arguments}` until standard input ends. What jobs print goes to standard error.

    Every side also has the job `version`. If a job fails, the answer is `{"error": …}` and the side goes on.
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
    """The version of a package in a side's environment, empty if it is not installed."""
    try:
        return {"version": importlib.metadata.version(package)}
    except importlib.metadata.PackageNotFoundError:
        return {"version": ""}


def reason_of(lines: Sequence[str]) -> str:
    """Why a process ended, from its last lines on standard error: its exception, or what it wrote after one."""
    last = list(lines)
    for at in reversed(range(len(last))):
        if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", last[at]):
            later = [line for line in last[at + 1 :] if line[:1].strip()]
            last = later or [last[at]]
            break
    return " ".join(" ".join(last).translate(str.maketrans("", "", "×╰─▶│╭├")).split())


class Side:
    """One side, pinned to one core with all its children. It is a context manager; leaving it ends the process."""

    def __init__(self, command: Sequence[str], core: int, cwd: Path | None = None) -> None:
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        )  # fmt: skip
        self._last_lines: deque[str] = deque(maxlen=12)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        """Copy the side's standard error to ours, and keep the last lines to explain why it ended."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._last_lines.append(line.rstrip())
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
        """The side's answer, with `cpu_seconds`. Raises SideError if it failed, or ended instead of answering."""
        before = self.cpu_seconds()
        line = self._exchange(json.dumps({"do": do, **arguments}))
        if not line:
            status = self._process.wait()
            self._listener.join()
            reason = reason_of(self._last_lines)
            raise SideError(f"{self._process.args} ended with {status} while asked to {do}", reason)
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise SideError(f"{self._process.args} was asked to {do}", answer["error"])
        return {**answer, "cpu_seconds": self.cpu_seconds() - before}

    def _exchange(self, line: str) -> str:
        """The answer to a line, empty if the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()

    def cpu_seconds(self) -> float:
        """CPU seconds so far of the process, its children, and their ended children; 0 for a process that is gone."""
        return float(sum(sum(times[:4]) for times in self._of_each("cpu_times")))

    def processes(self) -> list[Any]:
        """The process (first) and all its children, as psutil sees them; none if it has ended."""
        import psutil

        if self._process.poll() is not None:
            return []
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def resident_megabytes(self) -> list[float]:
        """The resident size of the process (first) and of each living child, in MB."""
        return [memory.rss / 1e6 for memory in self._of_each("memory_info")]

    def _of_each(self, method: str) -> list[Any]:
        """What psutil reports for the process (first) and for each child that is still alive when asked."""
        import psutil

        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(getattr(process, method)())
        return found

"""A side of a benchmark as a process that answers requests: a line of JSON in, a line of JSON out.

A side stays up between requests, so start-up (imports, models, lists, compiled kernels) is paid before anything is
timed. It times itself (`seconds`); the asker adds the CPU time of the side and of all its children (`cpu_seconds`),
which says more than the clock does where others use the machine. Standard library only: every environment runs it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Answer = dict[str, Any]


def serve(jobs: Mapping[str, Callable[..., Answer]]) -> None:
    """Answers requests `{"do": job, **arguments}` until standard input ends. Jobs print to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        request = json.loads(line)
        answer = jobs[request.pop("do")](**request)
        print(json.dumps(answer), file=answers, flush=True)


class Side:
    """One side, pinned to one core with all its children. A context manager: leaving it ends the process."""

    def __init__(self, command: Sequence[str], core: int, cwd: Path | None = None) -> None:
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=60)

    def ask(self, do: str, **arguments: Any) -> Answer:
        """The side's answer, with `cpu_seconds`. Raises RuntimeError where the side ended instead of answering."""
        before = self.cpu_seconds()
        line = self._exchange(json.dumps({"do": do, **arguments}))
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()} while asked to {do}; see above")
        answer: Answer = json.loads(line)
        return {**answer, "cpu_seconds": self.cpu_seconds() - before}

    def _exchange(self, line: str) -> str:
        """The answer to a line, empty where the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()

    def cpu_seconds(self) -> float:
        """CPU time so far of the process, its children, and their children that have ended."""
        return float(sum(sum(process.cpu_times()[:4]) for process in self.processes()))

    def processes(self) -> list[Any]:
        """The process (first) and all its children, as psutil sees them."""
        import psutil

        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def resident_megabytes(self) -> list[float]:
        """Resident size of the process (first) and of each child that still lives, in MB."""
        import psutil

        sizes = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append(process.memory_info().rss / 1e6)
        return sizes

"""The command line as a user calls it: in a process of its own, or within this one if only the answer counts."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from refinedweb.cli import main
from refinedweb.engine import run as engine_run
from refinedweb.engine.inline import InlinePool
from tests.conftest import ROOT

WIDTH = "200"  # columns of the terminal: no message is wrapped


def command(*arguments: str | Path) -> list[str]:
    """The words of one call."""
    return [sys.executable, "-m", "refinedweb", *map(str, arguments)]


def refinedweb_process(*arguments: str | Path, code: int = 0, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a process to its end; fails with what was printed if the exit code is not `code`."""
    env = {**os.environ, "COLUMNS": WIDTH, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=400, cwd=cwd, env=env)
    return _checked(done, code)


def refinedweb(*arguments: str | Path, code: int = 0, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`refinedweb_process` within this process, which saves a second of imports. A run takes the pool of this process
    instead of Ray.
    """
    words = list(map(str, arguments))
    with _as_process(words, cwd) as (out, err):
        with pytest.raises(SystemExit) as end:
            main(words)
        ended = end.value.code
    return _checked(subprocess.CompletedProcess(words, _number(ended), _text(out), _text(err)), code)


def _number(code: object) -> int:
    """A process that ends with `sys.exit(None)` has the exit code 0."""
    assert code is None or isinstance(code, int), code
    return code or 0


def _checked(done: subprocess.CompletedProcess[str], code: int) -> subprocess.CompletedProcess[str]:
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


@contextmanager
def _as_process(words: list[str], cwd: Path) -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Streams, a working folder, a command line and signal handlers of its own; afterwards all are as before."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setattr(sys, "argv", ["refinedweb", *words])
            patch.setattr(engine_run, "start_pool", lambda *settings: InlinePool())
            patch.setenv("COLUMNS", WIDTH)
            patch.chdir(cwd)
            yield out, err
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _text(stream: io.TextIOWrapper) -> str:
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode("utf-8")


def corpus_bytes(out: Path) -> dict[str, bytes]:
    """The content of every corpus file, by name."""
    return {path.name: path.read_bytes() for path in sorted((out / "corpus").glob("*.parquet"))}

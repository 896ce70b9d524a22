"""The command line as a user calls it: in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def command(*arguments: str | Path) -> list[str]:
    """The words of one call."""
    return [sys.executable, "-m", "refinedweb", *map(str, arguments)]


def refinedweb(*arguments: str | Path, code: int = 0, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run to the end. Fails with what was printed if the exit code is not `code`."""
    env = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=400, cwd=cwd, env=env)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def corpus_bytes(out: Path) -> dict[str, bytes]:
    """The content of every corpus file, by name."""
    return {path.name: path.read_bytes() for path in sorted((out / "corpus").glob("*.parquet"))}

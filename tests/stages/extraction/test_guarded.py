"""No kernel reads past the end of its text."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="protects a page of memory with mprotect")
def test_nothing_is_read_behind_the_text() -> None:
    command = [sys.executable, "-m", "tests.stages.extraction.guarded"]
    done = subprocess.run([*command, "kernels"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "inside\n"), done.stderr
    assert subprocess.run([*command, "control"], capture_output=True, check=False, cwd=ROOT).returncode < 0

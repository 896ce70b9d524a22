"""Which code ran: the package's version, and the commit if it runs from a checkout or an image that knows it."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

GIT_SECONDS = 10  # a git that takes longer hangs (a network drive): the version then goes without the commit


@lru_cache(maxsize=1)
def code_version() -> str:
    """E.g. `0.1.0`, `0.1.0+3f2a91c`, or `0.1.0+3f2a91c.dirty` with uncommitted changes.

    An image has no git history; its build sets REFINEDWEB_COMMIT to the commit.
    """
    try:
        number = version("refinedweb")
    except PackageNotFoundError:
        number = "0"
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        commit = os.environ.get("REFINEDWEB_COMMIT")
        return number if commit is None else f"{number}+{commit}"
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=.dirty", "--exclude=*"],
            cwd=root, capture_output=True, text=True, timeout=GIT_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return number
    return f"{number}+{described.stdout.strip()}"

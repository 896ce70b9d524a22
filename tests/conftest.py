"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party pages, labels and odd WARCs; skips the test where it is missing."""
    named = os.environ.get("REFINEDWEB_TEST_DATA")
    folder = Path(named) if named is not None else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the test data: no folder {folder}; set REFINEDWEB_TEST_DATA")
    return folder

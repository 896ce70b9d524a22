"""Imports go down only: jobs → refinedweb → stages → classifiers; ray and boto3 stay where they belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.structure import FLOORS, ROOT, files_below, packages_of

RAY = ("refinedweb/engine/",)
BOTO = ("refinedweb/storage/", "jobs/")


@pytest.mark.parametrize("path", files_below(*FLOORS), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    above = FLOORS[FLOORS.index(name.partition("/")[0]) + 1 :]
    found = packages_of(path)
    assert not found & set(above), f"{name} imports from a floor above it"
    assert "ray" not in found or name.startswith(RAY), f"{name} imports ray; only {RAY} may"
    assert not found & {"boto3", "botocore"} or name.startswith(BOTO), f"{name} imports boto3; only {BOTO} may"


def test_the_check_sees_a_broken_floor(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from refinedweb.engine import loop\n    import ray\n")
    assert packages_of(wrong) == {"refinedweb", "ray"}

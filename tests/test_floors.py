"""Imports go down only: jobs → refinedweb → stages → classifiers; ray and boto3 stay where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("classifiers", "stages", "refinedweb", "jobs")
RAY = ("refinedweb/engine/",)
BOTO = ("refinedweb/storage/", "jobs/")


def modules() -> list[Path]:
    return sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    above = FLOORS[FLOORS.index(name.partition("/")[0]) + 1 :]
    found = set(imported(path))
    assert not found & set(above), f"{name} imports from a floor above it"
    assert "ray" not in found or name.startswith(RAY), f"{name} imports ray; only {RAY} may"
    assert not found & {"boto3", "botocore"} or name.startswith(BOTO), f"{name} imports boto3; only {BOTO} may"


def test_the_check_sees_a_broken_floor(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from refinedweb.engine import loop\n    import ray\n")
    assert set(imported(wrong)) == {"refinedweb", "ray"}

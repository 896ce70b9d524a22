"""Commands that are shown to a user are those that work where the program was started."""

from __future__ import annotations

import sys

import pytest

from refinedweb.cli.lost import RunCommand
from refinedweb.views.terminal import command


@pytest.mark.parametrize(
    ("started", "with_uv", "typed"),
    [
        ("/usr/bin/refinedweb", False, "refinedweb report 'my out'"),
        ("/work/.venv/bin/refinedweb", True, "uv run refinedweb report 'my out'"),
        ("/lib/refinedweb/__main__.py", True, "python -m refinedweb report 'my out'"),
    ],
)
def test_a_hint_begins_as_the_program_was_started(
    started: str, with_uv: bool, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [started, "demo"])
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    if with_uv:
        monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert command(["report", "my out"]) == typed
    assert RunCommand(["run"], "r", [], "out").again() == typed.partition(" report")[0] + " run"

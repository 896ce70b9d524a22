"""Outputs that were meant in another way are refused before anything is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from refinedweb.engine.start import begin
from refinedweb.ledger.output import check_output
from refinedweb.recipe.load import load
from refinedweb.sources.inputs import InputSpecs
from stages.errors import ConfigError


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("-", "standard output"),
        ("~", "quoted"),
        ("~/out", rf"write {os.path.expanduser('~/out')}, or \./~/out"),
        ("/proc/x", "no file can be kept"),
        ("/proc/../sys/x/y", "no file can be kept"),
        ("/dev/null", "no file can be kept"),
        ("https://example.org/out", "local folder or to s3://"),
        ("hf://datasets/a/b", "local folder or to s3://"),
    ],
)
def test_what_cannot_be_an_output_is_refused(
    out: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says):
        begin(load("quality_v1"), InputSpecs((str(tmp_path),)), out)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["out", "a~b", "./~/out", "/dev/shm/out", "/processed/out", "s3://bucket/out", "~x"])
def test_other_names_are_outputs(out: str) -> None:
    check_output(out)

"""An image's kernels where the run may not write: they are copied once, into a folder that only its user can write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from classifiers.kernels import warmed
from tests.conftest import ROOT


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of kernels that this process may not write to."""
    kernels = tmp_path / "kernels"
    (kernels / "a_1").mkdir(parents=True)
    (kernels / "a_1" / "f.nbc").write_bytes(b"code")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv(warmed.KERNELS, str(kernels))
    monkeypatch.delenv(warmed.CACHE, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(warmed.os, "access", lambda path, mode: False)
    return kernels


def copies(image: Path) -> list[Path]:
    return sorted((image.parent / "tmp").iterdir())


def test_they_are_copied_once_into_a_private_folder(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        monkeypatch.delenv(warmed.CACHE, raising=False)
        warmed.use_warmed()
        [copy] = copies(image)
        assert os.environ[warmed.CACHE] == str(copy)
        assert (copy / "a_1" / "f.nbc").read_bytes() == b"code"
        assert copy.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_planted_is_not_used(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warmed.use_warmed()
    [copy] = copies(image)
    for plant in (lambda: copy.chmod(0o777), lambda: (shutil.rmtree(copy), copy.symlink_to(image))):
        plant()
        monkeypatch.delenv(warmed.CACHE, raising=False)
        warmed.use_warmed()
        assert warmed.CACHE not in os.environ
        assert "only this user can write to" in capsys.readouterr().err


def test_a_users_own_cache_is_left_alone(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(warmed.CACHE, "/mine")
    warmed.use_warmed()
    assert os.environ[warmed.CACHE] == "/mine"
    assert copies(image) == []


def test_no_place_is_told(image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    warmed.use_warmed()
    assert "set TMPDIR to a writable folder" in capsys.readouterr().err


def test_numba_takes_the_place(tmp_path: Path) -> None:
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    environment = {**os.environ, warmed.KERNELS: str(kernels)}
    environment.pop(warmed.CACHE, None)
    code = "import classifiers.kernels.jit, numba; print(numba.config.CACHE_DIR)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == str(kernels), "this user may write there, as the image's build does"

"""Nobody else on the machine enters the folder of a run's Ray or knows its token, and neither outlives the run."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from refinedweb.engine import ray_home
from refinedweb.engine.ray_home import RayHome, remove_left_over, socket_path_length, temporary_folder
from stages.errors import ConfigError
from tests.conftest import ROOT

NO_RAY = SimpleNamespace()


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_the_folder_is_private_and_the_token_fresh(below: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    tokens = set()
    for _ in range(2):
        home = RayHome(NO_RAY)
        [private] = below.iterdir()
        assert home.folder.parent == private
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert os.environ["RAY_AUTH_MODE"] == "token"
        tokens.add(os.environ["RAY_AUTH_TOKEN"])
        home.close()
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
        assert "RAY_AUTH_TOKEN" not in os.environ
        assert list(below.iterdir()) == []
    assert [len(token) for token in tokens] == [64, 64]


def test_what_a_killed_run_left_is_removed_and_what_lives_is_not(below: Path) -> None:
    call = "from refinedweb.engine.ray_home import RayHome; RayHome(object()); print('up', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", call], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        remove_left_over(below)
        assert len(list(below.iterdir())) == 1, "its run is alive"
        other.send_signal(signal.SIGKILL)
    remove_left_over(below)
    assert list(below.iterdir()) == []


def test_what_is_not_ours_stays(below: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (below / "rw-12345678").mkdir()  # no lock: it is being made
    (below / "rw-abcdefgh").write_text("a file")
    (below / "rw-00000000").symlink_to(tmp_path)
    (tmp_path / "lock").touch()
    (below / "rw-other" / "deep").mkdir(parents=True)
    remove_left_over(below)
    assert len(list(below.iterdir())) == 4
    assert (tmp_path / "lock").exists()
    (below / "rw-12345678" / "lock").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    remove_left_over(below)
    assert (below / "rw-12345678").exists(), "it is another user's"


def test_a_path_that_is_too_long_names_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(deep))
    with pytest.raises(ConfigError, match=r"at most 107 are possible; set RAY_TMPDIR"):
        RayHome(NO_RAY)


def test_a_folder_that_cannot_be_written_names_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/proc/none")
    with pytest.raises(ConfigError, match="set RAY_TMPDIR to a writable folder"):
        RayHome(NO_RAY)


def test_a_machine_without_a_writable_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(ray_home.tempfile, "gettempdir", none)
    with pytest.raises(ConfigError, match="RAY_TMPDIR"):
        temporary_folder()


REAL = """
import json, os, stat, subprocess, sys
from pathlib import Path
from refinedweb.engine.ray_pool import RayPool
pool = RayPool(1, None, 10)
pool.use(lambda task, payload, careful: os.environ["RAY_AUTH_TOKEN"], lambda: None)
pool.submit(1, None, False)
while not (ended := pool.wait(1.0)):
    pass
token = ended[0][1].record
below = Path(os.environ["RAY_TMPDIR"])
sockets = [str(path) for path in below.glob("rw-*/r/session_2*/sockets/*")]
commands = [path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline")]
print(json.dumps({
    "token": len(token), "in ps": sum(token in command for command in commands), "sockets": sockets,
    "modes": [stat.S_IMODE(path.stat().st_mode) for path in below.iterdir()],
    "cpus": pool.slots(),
}))
pool.close()
"""


@pytest.mark.slow
def test_a_real_ray_leaves_nothing_behind(below: Path, tmp_path: Path) -> None:
    known = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    known |= {"HOME": str(tmp_path / "home"), "RAY_TMPDIR": str(below), "TMPDIR": str(tmp_path)}
    (tmp_path / "home").mkdir()
    call = [sys.executable, "-c", REAL]
    done = subprocess.run(call, cwd=ROOT, env=known, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["token"], found["in ps"], found["modes"]) == (64, 0, [0o700])
    assert max(map(len, found["sockets"])) <= socket_path_length(below)
    assert list(below.iterdir()) == []
    assert list((tmp_path / "home").rglob("*")) == []
    assert not (tmp_path / "ray").exists()

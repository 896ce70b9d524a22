"""Whatever keeps Ray from starting or joining is one message that says what to do, and said while it lasts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from refinedweb.engine import policy, ray_start
from refinedweb.engine.policy import RAY_STARTS
from refinedweb.engine.ray_start import import_ray, start_ray
from stages.errors import ConfigError, RetryError
from tests.conftest import ROOT

TIMED_OUT = Exception("The current node timed out during startup. This could happen because the GCS is overloaded.")


class SlowRay:
    """Ray on a machine where its start fails until the `good`-th try."""

    def __init__(self, good: int, error: BaseException = TIMED_OUT, seconds: float = 0.0) -> None:
        self.left, self.error, self.seconds = good, error, seconds
        self.cleaned = 0
        self.settings: dict[str, Any] = {}

    def is_initialized(self) -> bool:
        return False

    def init(self, **settings: Any) -> None:
        self.settings = settings
        time.sleep(self.seconds)
        self.left -= 1
        if self.left > 0:
            raise self.error

    def shutdown(self) -> None:
        self.cleaned += 1


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for Ray's, with a path that is short enough."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def started(ray: SlowRay, said: list[str], workers: int | None = 2) -> None:
    home = start_ray(ray, workers, None, said.append)
    assert home is not None
    home.close()


def test_ray_gets_more_tries_to_start_and_each_is_said() -> None:
    slow, said = SlowRay(RAY_STARTS), list[str]()
    started(slow, said)
    assert slow.cleaned == RAY_STARTS - 1
    assert slow.settings["address"] == "local"
    assert ["Try 2 of 3" in said[0], "Try 3 of 3" in said[1]] == [True, True]
    assert all("--workers 1" in line for line in said)


@pytest.mark.parametrize(
    "error", [TIMED_OUT, RuntimeError("GCS died"), TimeoutError("too late"), OSError("no process can be started")]
)
def test_after_the_last_try_the_message_offers_to_do_without(error: Exception, own_folder: Path) -> None:
    with pytest.raises(
        RetryError, match=r"did not start on this machine in 3 tries.*--workers 1.*run the same"
    ) as told:
        started(SlowRay(RAY_STARTS + 1, error), [])
    assert str(error)[:20] in str(told.value)
    [left] = own_folder.iterdir()
    assert str(left) in str(told.value), "the logs can be read"
    started(SlowRay(1), [])
    assert list(own_folder.iterdir()) == [], "and are gone after the next run"


@pytest.mark.parametrize("error", [ValueError("too little memory"), TypeError("x"), ImportError("x")])
def test_what_no_try_can_mend_is_told_at_once(error: Exception, own_folder: Path) -> None:
    slow, said = SlowRay(2, error), list[str]()
    with pytest.raises(ConfigError, match=r"cannot start on this machine: .*--workers 1"):
        started(slow, said)
    assert (slow.left, said) == (1, [])
    assert list(own_folder.iterdir()) == []


def test_a_start_that_hangs_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "NEWS_SECONDS", 0.01)
    said: list[str] = []
    started(SlowRay(1, seconds=0.3), said)
    assert any("try 1 of 3" in line and "--workers 1" in line for line in said)


def test_it_has_the_cores_and_the_memory_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_start.machine, "cores", lambda: 3)
    monkeypatch.setattr(ray_start.machine, "memory", lambda root: 5 << 30)
    ray = SlowRay(1)
    started(ray, [], workers=None)
    assert ray.settings["num_cpus"] == 3
    assert 4 << 30 < ray.settings["_memory"] < 5 << 30


def test_an_interrupted_start_leaves_nothing(own_folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        started(SlowRay(2, KeyboardInterrupt()), [])
    assert list(own_folder.iterdir()) == []
    assert os.environ.get("RAY_AUTH_TOKEN") is None or len(os.environ["RAY_AUTH_TOKEN"]) != 64


def test_the_ray_of_a_notebook_is_left_alone() -> None:
    theirs = SimpleNamespace(is_initialized=lambda: True)
    with pytest.raises(ConfigError, match="uses a Ray already"):
        start_ray(theirs, None, None, print)


@pytest.mark.parametrize("error", [ImportError("no module"), OSError("wrong ELF class")])
def test_a_ray_that_cannot_be_imported(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *rest: object) -> None:
            if name == "ray":
                raise error

    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ConfigError, match=r"cannot be imported: .*--workers 1"):
        import_ray()


# A cluster ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (RuntimeError("Version mismatch: The cluster was started with:\n  Ray: 2.9"), ConfigError, "Ray: 2.9"),
        (ConnectionError("Unauthenticated: RPC error: InvalidAuthToken"), ConfigError, "RAY_AUTH_TOKEN"),
        (ConnectionError("ray client connection timeout"), ConfigError, "no Ray cluster"),
        (ValueError("Invalid address port 7."), ConfigError, "HOST:PORT"),
        (AssertionError("x"), RetryError, "run the same command again"),
        (Exception("y"), RetryError, "run the same command again"),
    ],
)
@pytest.mark.parametrize("address", ["auto", "ray://:1", "a:b"])
def test_whatever_ray_raises_is_a_message(error: Exception, kind: type[Exception], said: str, address: str) -> None:
    with pytest.raises(kind) as told:
        start_ray(SlowRay(2, error), None, address, print)
    assert "Traceback" not in str(told.value)
    if not address.startswith("ray:"):
        assert said in str(told.value)


def test_the_last_word_of_a_traceback_is_the_message() -> None:
    inner = RuntimeError("Traceback (most recent call last):\n  File x\nRpcError: the head is gone")
    with pytest.raises(ConfigError, match="no Ray cluster at 'auto': RpcError: the head is gone; leave"):
        start_ray(SlowRay(2, ConnectionError(str(inner))), None, "auto", print)


JOIN = """
import sys
from refinedweb.engine.ray_pool import RayPool
import ray
exec(sys.argv[2])
from stages.errors import ConfigError
try:
    RayPool(None, sys.argv[1], 1)
except ConfigError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("before", "token", "said"),
    [
        ("ray.__version__ = '9.9'", None, "different versions"),
        (
            "import ray._private.utils as u; u.compute_version_info = lambda: (ray.__version__, '3.99.0')",
            None,
            "3.99.0",
        ),
        pytest.param("", "", "wants another token", marks=pytest.mark.slow),
    ],
)
def test_a_real_cluster_says_what_it_does_not_accept(cluster: str, before: str, token: str | None, said: str) -> None:
    known = {**os.environ} if token is None else {**os.environ, "RAY_AUTH_TOKEN": token}
    call = [sys.executable, "-c", JOIN, cluster, before]
    done = subprocess.run(call, cwd=ROOT, env=known, capture_output=True, text=True, timeout=200)
    assert said in done.stdout, done.stderr

"""What Ray says of nodes, workers and memory, on a real cluster of two nodes whose parts are really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
import ray.exceptions

from refinedweb.engine.pool import TaskOutcome
from refinedweb.engine.ray_pool import ENDINGS, RayPool
from refinedweb.patches import read_token_again
from stages.errors import ConfigError, Full

pytestmark = pytest.mark.slow


def works(task: int, payload: Any, careful: bool) -> int:
    """What a task does, by its payload. A folder: it notes there that it has begun, and takes long."""
    if payload == "refused":
        raise ConfigError("this node has no access")
    if payload == "full":
        raise Full("/tmp: the disk is full")
    if payload == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(payload, Path):
        (payload / str(task)).touch()
    time.sleep(30 if isinstance(payload, Path) else 0.5)
    return task


@pytest.fixture(scope="module")
def second_node(cluster: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another node, next to that of the shared cluster."""
    arguments = ["start", f"--address={cluster}", "--block", "--num-cpus=2", "--disable-usage-stats"]
    arguments += ["--node-ip-address=127.0.0.1", f"--object-store-memory={128 << 20}"]
    ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", *arguments]
    node = subprocess.Popen(ray, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    yield node
    end(node)


def end(node: subprocess.Popen[bytes]) -> None:
    """Kill the processes of a node, as a preemption does."""
    if node.poll() is None:
        for process in [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]:
            process.kill()
    node.wait()


def outcomes(pool: RayPool, payloads: list[Any]) -> list[TaskOutcome]:
    handles: list[Hashable] = [pool.submit(n, payload, False) for n, payload in enumerate(payloads)]
    ended: dict[Hashable, TaskOutcome] = {}
    deadline = time.monotonic() + 120
    while len(ended) < len(handles) and time.monotonic() < deadline:
        ended.update(pool.wait(0.5))
    return [ended[handle] for handle in handles]


def test_two_nodes_of_which_one_is_avoided_and_then_killed(
    cluster: str, second_node: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    read_token_again(ray)  # it was imported before the cluster had its token
    pool = RayPool(None, cluster, 10)
    try:
        deadline = time.monotonic() + 60
        while pool.nodes() < 2 and time.monotonic() < deadline:
            time.sleep(0.5)
        pool.use(works, lambda: None)
        ids = {str(node["NodeID"]) for node in ray.nodes() if node["Alive"]}
        assert len(ids) == 2
        for avoided in ids:
            pool.avoid([avoided])
            found = {outcome.node.id for outcome in outcomes(pool, [None] * 4) if outcome.node is not None}
            assert found == ids - {avoided}
        pool.avoid(())
        kinds = [outcome.kind for outcome in outcomes(pool, ["refused", "full", "killed", None])]
        assert kinds == ["config", "full", "died", "done"]
        handles = [pool.submit(n, tmp_path, False) for n in range(4)]
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 4 and time.monotonic() < deadline:  # each has a core of its own
            pool.wait(0.1)
        end(second_node)
        ended: dict[Hashable, TaskOutcome] = {}
        while len(ended) < 4:
            ended.update(pool.wait(0.5))
        assert sorted(ended[handle].kind for handle in handles) == ["done", "done", "node_died", "node_died"]
    finally:
        pool.close()


def test_every_ending_is_one_of_rays() -> None:
    assert all(issubclass(getattr(ray.exceptions, name), ray.exceptions.RayError) for name in ENDINGS)

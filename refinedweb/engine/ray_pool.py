"""Ray as a pool of single-core workers. This module and `ray_start` are the only ones of the engine that know Ray.

There is one task per shard, and nothing big goes through the object store. Retries are ours, not Ray's: the ledger must
be read before anything is run again.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Collection, Hashable
from typing import Any, Literal

from refinedweb.engine import policy
from refinedweb.engine.pool import Beat, TaskOutcome, Work, WorkerNode, attempt
from refinedweb.engine.ray_start import Say, import_ray, start_ray
from refinedweb.patches import LOOPBACK_ENVIRONMENT, check_loopback_switch
from refinedweb.storage.settings import store_settings

# Ray reads these when it is imported. The keep-alives: without them, a link that is silently cut hangs its tasks.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    "RAY_grpc_keepalive_time_ms": "10000",
    "RAY_grpc_keepalive_timeout_ms": "5000",
}
NODE_ID = "ray.io/node-id"  # the label that Ray gives every node
# What Ray's errors say about an attempt. Any other is about what ran it: its node, its network, Ray itself.
ENDINGS: dict[str, Literal["died", "out_of_memory", "full"]] = {
    "WorkerCrashedError": "died",
    "OutOfMemoryError": "out_of_memory",
    "ObjectStoreFullError": "out_of_memory",
    "OutOfDiskError": "full",
}


class RayPool:
    """A pool over an embedded Ray on this machine (`address` is None) or over a running cluster. `say` shows the user
    news of a slow start.
    """

    def __init__(self, workers: int | None, address: str | None, recycle: int, say: Say = lambda text: None) -> None:
        settings = ENVIRONMENT if address is not None else {**ENVIRONMENT, **LOOPBACK_ENVIRONMENT}
        os.environ.update({name: value for name, value in settings.items() if name not in os.environ})
        ray = import_ray()
        if address is None:
            check_loopback_switch(ray)
        self._ray = ray
        self._workers = workers
        self._cluster = address is not None
        self._running: dict[Any, None] = {}
        self._home = start_ray(ray, workers, address, say)
        self._remote = ray.remote(num_cpus=1, max_retries=0, max_calls=recycle)(_in_worker)
        self._work: Any = None
        self._nodes: list[int] = []
        self._counted = float("-inf")
        self._elsewhere: dict[str, Any] = {}

    def use(self, work: Work, beat: Beat) -> None:
        del beat  # `wait` never blocks for long
        self._work = self._ray.put((work, store_settings()))

    def slots(self) -> int:
        """The number of cores here; on a cluster twice that and one, because a cluster that scales itself grows only
        while tasks wait for more cores. (A standing request for cores would do that too, but it would outlive a killed
        driver, and so would the nodes and their bill.)
        """
        cpus = sum(self._cores())
        wanted = 2 * cpus + 1 if self._cluster else cpus
        return max(1, wanted if self._workers is None else min(wanted, self._workers))

    def nodes(self) -> int:
        return max(1, len(self._cores()))

    def _cores(self) -> list[int]:
        """The cores of each node as of a moment ago: it takes a call to Ray's head, and thousands of tasks a second
        would queue for it.
        """
        now = time.monotonic()
        if now - self._counted >= policy.CPU_COUNT_SECONDS:
            found = (int(node["Resources"].get("CPU", 0)) for node in self._ray.nodes() if node["Alive"])
            self._counted, self._nodes = now, [cores for cores in found if cores > 0]
        return self._nodes

    def avoid(self, nodes: Collection[str]) -> None:
        ids = ",".join(sorted(nodes))
        self._elsewhere = {"label_selector": {NODE_ID: f"!in({ids})"}} if ids else {}

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        options = {**self._elsewhere, **({"num_cpus": self._fitting(cores)} if cores > 1 else {})}
        remote = self._remote.options(**options) if options else self._remote
        handle: Hashable = remote.remote(self._work, task, payload, careful)
        self._running[handle] = None
        return handle

    def _fitting(self, cores: int) -> int:
        """As many cores as the largest node has: Ray would wait for more for ever."""
        return max(1, min(cores, max(self._cores(), default=1)))

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        ready, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        if not ready:
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [(handle, self._outcome(handle)) for handle in ready]

    def _outcome(self, handle: Any) -> TaskOutcome:
        del self._running[handle]
        try:
            outcome: TaskOutcome = self._ray.get(handle)
        except self._ray.exceptions.RayError as error:
            said = (str(error).strip().splitlines() or [""])[0]
            return TaskOutcome(ENDINGS.get(type(error).__name__, "node_died"), error=f"{type(error).__name__}: {said}")
        return outcome

    def cancel(self, handle: Hashable) -> None:
        if self._running.pop(handle, 0) is None:
            self._ray.cancel(handle, force=True)

    def close(self) -> None:
        """End everything that runs and leave the cluster; an embedded Ray ends with it."""
        for handle in list(self._running):
            self.cancel(handle)
        self._ray.shutdown()
        if self._home is not None:
            self._home.close()


def _in_worker(shipped: tuple[Work, dict[str, str]], task: int, payload: Any, careful: bool) -> TaskOutcome:
    import pyarrow as pa
    import ray

    from refinedweb.shard.deadline import expendable

    pa.set_cpu_count(1)  # a worker has one core
    expendable()
    node = WorkerNode(ray.get_runtime_context().get_node_id(), socket.gethostname())
    return dataclasses.replace(_attempt_shipped(shipped, task, payload, careful), node=node)


def _attempt_shipped(shipped: tuple[Work, dict[str, str]], task: int, payload: Any, careful: bool) -> TaskOutcome:
    """An attempt at the work that the driver sent, with the driver's settings of the store."""
    work, settings = shipped
    os.environ.update(settings)
    return attempt(work, task, payload, careful)

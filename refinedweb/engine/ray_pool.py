"""Ray as a pool of single-core workers. This module and `ray_start` are the only ones of the engine that know Ray.

There is one task per shard, and nothing big goes through the object store. Retries are ours, not Ray's: the ledger must
be read before anything is run again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Hashable
from typing import Any

from refinedweb.engine import policy
from refinedweb.engine.pool import TaskOutcome, Work, attempt
from refinedweb.engine.ray_start import start_ray
from refinedweb.patches import LOOPBACK_ENVIRONMENT, check_loopback_switch

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


class RayPool:
    """A pool over an embedded Ray on this machine (`address` is None) or over a running cluster."""

    def __init__(self, workers: int | None, address: str | None, recycle: int) -> None:
        settings = ENVIRONMENT if address is not None else {**ENVIRONMENT, **LOOPBACK_ENVIRONMENT}
        os.environ.update({name: value for name, value in settings.items() if name not in os.environ})
        import ray

        if address is None:
            check_loopback_switch(ray)
        self._ray = ray
        self._workers = workers
        self._cluster = address is not None
        self._running: dict[Any, None] = {}
        start_ray(ray, workers, address)
        remote = ray.remote(num_cpus=1, max_retries=0, max_calls=recycle)(_in_worker)
        self._submit = remote.remote
        self._work: Any = None
        self._cpus = 1
        self._counted = float("-inf")

    def use(self, work: Work) -> None:
        self._work = self._ray.put(work)

    def slots(self) -> int:
        """The number of cores here; on a cluster twice that and one, because a cluster that scales itself grows only
        while tasks wait for more cores. (A standing request for cores would do that too, but it would outlive a killed
        driver, and so would the nodes and their bill.)
        """
        cpus = self._cluster_cpus()
        wanted = 2 * cpus + 1 if self._cluster else cpus
        return max(1, wanted if self._workers is None else min(wanted, self._workers))

    def _cluster_cpus(self) -> int:
        """The cluster's cores as of a moment ago: it takes a call to Ray's head, and thousands of tasks a second would
        queue for it.
        """
        now = time.monotonic()
        if now - self._counted >= policy.CPU_COUNT_SECONDS:
            self._counted, self._cpus = now, int(self._ray.cluster_resources().get("CPU", 0))
        return self._cpus

    def submit(self, task: int, payload: Any, careful: bool) -> Hashable:
        handle: Hashable = self._submit(self._work, task, payload, careful)
        self._running[handle] = None
        return handle

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
            return TaskOutcome("died", error=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
        return outcome

    def cancel(self, handle: Hashable) -> None:
        if self._running.pop(handle, 0) is None:
            self._ray.cancel(handle, force=True)

    def close(self) -> None:
        """End everything that runs and leave the cluster; an embedded Ray ends with it."""
        for handle in list(self._running):
            self.cancel(handle)
        self._ray.shutdown()


def _in_worker(work: Work, task: int, payload: Any, careful: bool) -> TaskOutcome:
    import pyarrow as pa

    from refinedweb.shard.deadline import expendable

    pa.set_cpu_count(1)  # a worker has one core
    expendable()
    return attempt(work, task, payload, careful)

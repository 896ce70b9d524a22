"""Ray as a pool of single-core workers: the only module of the engine that knows Ray.

There is one task per shard, and nothing big goes through the object store. Retries are ours, not Ray's: the ledger must
be read before anything is run again.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from refinedweb.engine import policy
from refinedweb.patches import LOOPBACK_ENVIRONMENT, check_loopback_switch, init_on_loopback, ray_start_timed_out
from stages.errors import CommitUnknown, ConfigError, RefinedWebError, RetryError

Work = Callable[[int, Any, bool], Any]

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


@dataclass(frozen=True)
class TaskOutcome:
    """How one attempt at a task ended. `died`: its worker died before it could say."""

    kind: Literal["done", "retry", "failed", "raised", "config", "died"]
    record: Any = None
    error: str = ""


class Pool(Protocol):
    """Runs tasks at the same time."""

    def use(self, work: Work) -> None:
        """Set what the tasks submitted from now on do."""
        ...

    def slots(self) -> int:
        """How many tasks can run at the same time, as things stand now."""
        ...

    def submit(self, task: int, payload: Any, careful: bool) -> Hashable:
        """Start an attempt and return its handle."""
        ...

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        """Wait for at most `seconds` and return the attempts that ended."""
        ...

    def cancel(self, handle: Hashable) -> None:
        """End an attempt whose outcome is no longer wanted."""
        ...

    def close(self) -> None:
        """End everything that runs."""
        ...


def attempt(work: Work, task: int, payload: Any, careful: bool) -> TaskOutcome:
    """Make one attempt, and name its error by what the driver does next."""
    try:
        return TaskOutcome("done", work(task, payload, careful))
    except ConfigError as error:
        return TaskOutcome("config", error=str(error))
    except (RetryError, CommitUnknown, OSError) as error:
        return TaskOutcome("retry", error=f"{type(error).__name__}: {error}")
    except RefinedWebError as error:
        return TaskOutcome("failed", error=str(error))
    except Exception as error:  # reported with its place; a careful run then finds the document
        return TaskOutcome("raised", error=f"{type(error).__name__}: {error} ({_place(error)})")


def _place(error: Exception) -> str:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "" if at is None else f"{os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}"


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
        _start(ray, workers, address)
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


def _start(ray: Any, workers: int | None, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address is None:
        _start_here(ray, workers, quiet)
    else:
        _connect(ray, address, quiet)


def _connect(ray: Any, address: str, quiet: dict[str, Any]) -> None:
    _check_listening(address)
    try:
        ray.init(address=address, **quiet)
    except ConnectionError as error:
        raise _no_cluster(address, error) from error
    except ValueError as error:
        if not address.startswith("ray://"):
            raise
        raise ConfigError(f"--address {address}: {error}; or install refinedweb[cluster]") from error


def _check_listening(address: str) -> None:
    """Raises ConfigError if nothing listens at the address: Ray itself takes minutes to notice."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), policy.CONNECT_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: OSError) -> ConfigError:
    return ConfigError(f"no Ray cluster at {address!r}: {error}; leave --address out to run on this machine")


def _start_here(ray: Any, workers: int | None, quiet: dict[str, Any]) -> None:
    """Start an embedded Ray. The 30 seconds it allows itself are too few on a busy machine, so it gets more tries."""
    for attempt in range(1, policy.RAY_STARTS + 1):
        try:
            init_on_loopback(
                ray,
                address="local",  # without it, Ray joins whatever cluster was last started on this machine
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=policy.OBJECT_STORE_BYTES,
                **quiet,
            )
        except Exception as error:
            if not ray_start_timed_out(error):
                raise
            ray.shutdown()
            if attempt == policy.RAY_STARTS:
                raise RetryError(
                    f"Ray did not start on this machine in {attempt} tries: {error} Free the machine of other work and "
                    "run the same command again"
                ) from error
        else:
            return


def _in_worker(work: Work, task: int, payload: Any, careful: bool) -> TaskOutcome:
    import pyarrow as pa

    pa.set_cpu_count(1)  # a worker has one core
    return attempt(work, task, payload, careful)

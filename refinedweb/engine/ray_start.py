"""Starts Ray on this machine, or joins a running cluster."""

from __future__ import annotations

import socket
from typing import Any

from refinedweb.engine import policy
from refinedweb.patches import init_on_loopback, ray_start_timed_out
from stages.errors import ConfigError, RetryError


def start_ray(ray: Any, workers: int | None, address: str | None) -> None:
    """`ray.init`, at `address` or (None) here. Raises ConfigError or RetryError, with what to do."""
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

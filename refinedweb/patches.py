"""Internals of other packages that this floor relies on, each with its reason and a check that they are as expected."""

from __future__ import annotations

from typing import Any

from stages.errors import ConfigError

# Ray ------------------------------------------------------------------------------------------------------------------
#
# An embedded Ray must not be reachable from the network: anyone who can talk to it can run code here. Ray has no public
# setting for that. Two internals together do it; both hold for Ray 2.50 to 2.60.
#
# - `ray.init` takes the address to listen on as `_node_ip_address`.
# - It replaces 127.0.0.1 by the machine's network address and then listens on all interfaces, unless an environment
#   variable meant for macOS and Windows says that clusters are not supported. It must be set before `import ray`.

RAY_VERSIONS = "2.50 to 2.60"
LOOPBACK_SWITCH = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
LOOPBACK_ENVIRONMENT = {LOOPBACK_SWITCH: "0"}


def check_loopback_switch(ray: Any) -> None:
    """Raises ConfigError if this Ray does not read `LOOPBACK_SWITCH`: it would listen on all interfaces."""
    constants = getattr(getattr(ray, "_private", None), "ray_constants", None)
    if getattr(constants, "ENABLE_RAY_CLUSTERS_ENV_VAR", None) != LOOPBACK_SWITCH:
        raise _other_ray(ray, f"it does not read {LOOPBACK_SWITCH}")


def init_on_loopback(ray: Any, **settings: Any) -> None:
    """`ray.init` on this machine's loopback address. Raises ConfigError if this Ray does not take that address."""
    try:
        ray.init(_node_ip_address="127.0.0.1", **settings)
    except RuntimeError as error:
        if "_node_ip_address" not in str(error):
            raise
        raise _other_ray(ray, str(error)) from error


def ray_start_timed_out(error: Exception) -> bool:
    """Whether the error says that Ray was not up in time. Ray raises a bare `Exception` for that and nothing else."""
    return type(error) is Exception


def _other_ray(ray: Any, why: str) -> ConfigError:
    return ConfigError(
        f"Ray {getattr(ray, '__version__', '')} would not stay on this machine ({why}); install Ray {RAY_VERSIONS}, "
        "or adapt refinedweb/patches.py"
    )

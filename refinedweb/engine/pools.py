"""Which pool a run gets: Ray's, or a child process where Ray is not needed or cannot start."""

from __future__ import annotations

from collections.abc import Sequence

from refinedweb.engine import policy
from refinedweb.engine.child_pool import ChildPool
from refinedweb.engine.pool import Pool
from refinedweb.engine.ray_pool import RayPool
from refinedweb.engine.ray_start import Say
from refinedweb.sources.inputs import Input
from stages.errors import ConfigError, RetryError


def needs_ray(workers: int | None, address: str | None, inputs: Sequence[Input]) -> bool:
    """Whether more than one worker is wanted: as the user says, or else if the inputs are worth Ray's start."""
    if address is not None or workers is not None:
        return address is not None or workers != 1
    return len(inputs) > 1 and sum(item.size for item in inputs) > policy.SMALL_BYTES


def start_pool(workers: int | None, address: str | None, inputs: Sequence[Input], go_on: bool, say: Say) -> Pool:
    """Start the workers. `go_on`: with one worker, if Ray cannot start on this machine. Raises ConfigError or
    RetryError if there are no workers.
    """
    mean = sum(item.size for item in inputs) // len(inputs)
    recycle = policy.recycle_of(mean)
    if not needs_ray(workers, address, inputs):
        return ChildPool(recycle)
    try:
        return RayPool(workers, address, recycle, say)
    except (ConfigError, RetryError) as error:
        if not go_on or address is not None:
            raise
        say(f"{error}\nGoing on without Ray, with one worker.")
        return ChildPool(recycle)

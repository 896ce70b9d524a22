"""Starts Ray here, or joins a running cluster. Whatever Ray raises becomes a message that says what to do."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from refinedweb.engine import machine, policy
from refinedweb.engine.every import every
from refinedweb.engine.ray_home import RayHome
from refinedweb.patches import init_on_loopback
from stages.errors import ConfigError, RefinedWebError, RetryError

Say = Callable[[str], None]

QUIET = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
# No further try helps against these: a setting is wrong, or the installation is.
HOPELESS = (ValueError, TypeError, AttributeError, ImportError)
WITHOUT = "--workers 1 does without Ray"


def import_ray() -> Any:
    """Raises ConfigError if Ray is not installed, or not for this machine."""
    try:
        import ray
    except (ImportError, OSError) as error:  # OSError: a library that is broken, or made for another machine
        raise ConfigError(f"Ray cannot be imported: {error}; install it again (uv sync), or: {WITHOUT}") from error
    return ray


def start_ray(ray: Any, workers: int | None, address: str | None, say: Say) -> RayHome | None:
    """`ray.init`, at `address` or (None) here, with news of slow starts to `say`. Raises ConfigError or RetryError,
    with what to do. Returns the place of an embedded Ray, which must be closed after Ray.
    """
    if ray.is_initialized():
        raise ConfigError("this process uses a Ray already: call ray.shutdown() first, or pass its address (--address)")
    if address is not None:
        _connect(ray, address, say)
        return None
    home = RayHome(ray)
    try:
        _start_here(ray, workers, home, say)
    except BaseException as error:
        home.close(keep=isinstance(error, RetryError))
        raise
    return home


# A running cluster ----------------------------------------------------------------------------------------------------


def _connect(ray: Any, address: str, say: Say) -> None:
    _check_listening(address)
    try:
        with _news_of(f"Joining the Ray cluster at {address}", say):
            ray.init(address=address, **QUIET)
    except Exception as error:  # by its words: Ray raises the same types for different reasons
        ray.shutdown()
        raise _not_joined(address, error) from error


def _check_listening(address: str) -> None:
    """Raises ConfigError if nothing listens at the address: Ray itself takes minutes to notice."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), policy.CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> ConfigError:
    return ConfigError(f"no Ray cluster at {address!r}: {_words(error)}; leave --address out to run on this machine")


def _not_joined(address: str, error: Exception) -> RefinedWebError:
    """What Ray's error means, by the words of it and of its causes."""
    words = " ".join(map(_words, _causes(error)))
    at = f"--address {address}"
    if re.search(r"version mismatch|versions? (don't|do not) match", words, re.IGNORECASE):
        return ConfigError(
            f"{at}: the cluster and this process have different versions. {_words(error)}. Install the cluster's "
            "versions of Ray and Python here, or start the cluster with those of this process"
        )
    if re.search(r"authenticat|unauthorized|\btoken\b", words, re.IGNORECASE):
        return ConfigError(
            f"{at}: the cluster wants another token than this process has, or one at all; set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN to the cluster's token"
        )
    if isinstance(error, ConnectionError):
        return _no_cluster(address, error)
    if address.startswith("ray://") and isinstance(error, (ImportError, ValueError)):
        return ConfigError(f"{at}: {_words(error)}; or install refinedweb[cluster]")
    if isinstance(error, HOPELESS):
        return ConfigError(f"{at}: {_named(error)}; an address is HOST:PORT, ray://HOST:PORT, or auto")
    return RetryError(f"{at}: Ray did not join the cluster: {_named(error)}; run the same command again")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(error: BaseException) -> str:
    """What the error says, in one line of bearable length: some of Ray's are pages, and others hold tracebacks."""
    text = str(error).strip()
    said = text.splitlines()[-1] if "Traceback (most recent" in text else text
    line = " ".join(said.split()).rstrip(".")
    return line if len(line) <= policy.MOST_OF_AN_ERROR else line[: policy.MOST_OF_AN_ERROR] + " …"


def _named(error: Exception) -> str:
    """The error's words, with its type where it has one of its own: a bare Exception says nothing."""
    return _words(error) if type(error) is Exception else f"{type(error).__name__}: {_words(error)}"


# This machine ---------------------------------------------------------------------------------------------------------


def _start_here(ray: Any, workers: int | None, home: RayHome, say: Say) -> None:
    """Start an embedded Ray. The 30 seconds it allows itself are too few on a busy machine, so it gets more tries."""
    for attempt in range(1, policy.RAY_STARTS + 1):
        try:
            with _news_of(f"Ray is starting ({WITHOUT}): try {attempt} of {policy.RAY_STARTS}", say):
                _init(ray, workers, home)
        except HOPELESS as error:
            raise ConfigError(f"Ray cannot start on this machine: {_named(error)}; {WITHOUT}") from error
        except RefinedWebError:
            raise
        except Exception as error:  # Ray raises a bare one where it was not up in time, and others if its parts died
            ray.shutdown()
            if attempt == policy.RAY_STARTS:
                raise RetryError(
                    f"Ray did not start on this machine in {attempt} tries: {_named(error)}. {WITHOUT}; or free the "
                    f"machine of other work and run the same command again. Ray's own logs: {home.logs}"
                ) from error
            say(f"Ray did not start: {_named(error)}. Try {attempt + 1} of {policy.RAY_STARTS} ({WITHOUT})")
        else:
            return


def _init(ray: Any, workers: int | None, home: RayHome) -> None:
    init_on_loopback(
        ray,
        address="local",  # without it, Ray joins whatever cluster was last started on this machine
        num_cpus=machine.cores() if workers is None else workers,
        _memory=machine.worker_memory(),
        _temp_dir=str(home.folder),
        include_dashboard=False,
        object_store_memory=policy.OBJECT_STORE_BYTES,
        **QUIET,
    )


@contextmanager
def _news_of(what: str, say: Say) -> Iterator[None]:
    """Say every now and then that it still goes on: Ray is silent while it starts, also if it never will."""
    since = time.monotonic()
    with every(policy.NEWS_SECONDS, lambda: say(f"{what}, {time.monotonic() - since:.0f} s so far"), "news of Ray"):
        yield

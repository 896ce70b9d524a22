"""Who takes part in this job: the file that SageMaker puts into every container, and the hosts' addresses."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobs.launch.spec import Kind
from stages.errors import ConfigError, RefinedWebError

# Processing and Training jobs have the same file in different places, and look for a failure's message in others.
CONFIG: dict[Kind, str] = {
    "processing": "config/resourceconfig.json",
    "training": "input/config/resourceconfig.json",
}
MESSAGE: dict[Kind, str] = {"processing": "output/message", "training": "output/failure"}
LONGEST_MESSAGE = 1024  # bytes that SageMaker shows


class Unresolved(RefinedWebError):
    """A host's name did not resolve in time."""


@dataclass(frozen=True)
class Hosts:
    """The hosts of a job. `names` are sorted, as SageMaker promises, so all agree on the first one: the head."""

    current: str
    names: tuple[str, ...]
    kind: Kind = "processing"

    @property
    def head(self) -> str:
        return self.names[0]

    @property
    def is_head(self) -> bool:
        return self.current == self.head


def read_hosts(root: Path) -> Hosts:
    """The hosts that the file below `root` (/opt/ml) names. Without it, outside of SageMaker, only this machine."""
    for kind, name in CONFIG.items():
        if (root / name).exists():
            return _parsed(root / name, kind)
    return Hosts("localhost", ("localhost",))


def _parsed(path: Path, kind: Kind) -> Hosts:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        current, names = loaded["current_host"], tuple(sorted(loaded["hosts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not the resource configuration of SageMaker: {error!r}") from error
    if current not in names:
        raise ConfigError(f"{path}: this host, {current!r}, is not among the hosts: {', '.join(names)}")
    return Hosts(current, names, kind)


def address_of(name: str, seconds: float, pause: Callable[[], None]) -> str:
    """The IPv4 address of a host. Names may not resolve at first, so it tries again until `seconds` have passed.

    `pause` is called between two attempts. Raises Unresolved.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
        except socket.gaierror as error:
            if time.monotonic() >= deadline:
                raise Unresolved(f"the host {name!r} has no address after {seconds:.0f} s: {error}") from error
        pause()


def leave_message(root: Path, kind: Kind, text: str) -> None:
    """Write the reason of a failure where SageMaker looks for it: UTF-8, cut at 1,024 bytes between characters.

    If it cannot be written, the log must do: a second error must not hide the first one.
    """
    path = root / MESSAGE[kind]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode()[:LONGEST_MESSAGE].decode("utf-8", "ignore").encode())
    except OSError as error:
        print(f"cannot leave a message at {path}: {error}", file=sys.stderr, flush=True)

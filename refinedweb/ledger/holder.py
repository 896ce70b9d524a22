"""Who holds a claim, and for how long nothing was heard of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

Name = TypeVar("Name", int, str)


@lru_cache(maxsize=1)
def this_machine() -> str:
    """Identify the place in which a process id is valid: boot and process-id namespace. Empty if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def started_at(pid: int) -> str | None:
    """When the process started, in clock ticks after boot (detects a reused process id); None if it is not alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def this_process() -> str:
    """Name this process so that its end can be noticed on this machine."""
    return f"{this_machine()} {os.getpid()} {started_at(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether a process that was named so by `this_process` ran on this machine, and has ended."""
    machine, _, rest = process.rpartition(" ")
    machine, _, pid = machine.rpartition(" ")
    return machine != "" and machine == this_machine() and pid.isdecimal() and started_at(int(pid)) != rest


@dataclass(frozen=True)
class Holder:
    """Who holds a claim. Older versions renew a claim by writing it with another `beat`."""

    owner: str
    beat: int
    machine: str
    pid: int
    started: str
    released: bool = False

    @classmethod
    def of_this_process(cls, owner: str, beat: int, *, released: bool) -> Holder:
        """The driver `owner`, which is in this process."""
        pid = os.getpid()
        return cls(owner, beat, this_machine(), pid, started_at(pid) or "", released)

    def is_free(self) -> bool:
        """True if the claim was given back, or if its process is known to be dead."""
        if self.released:
            return True
        return self.machine != "" and self.machine == this_machine() and started_at(self.pid) != self.started


UNKNOWN = Holder("", 0, "", 0, "")  # the holder of a claim that cannot be read: nothing is known of it


@dataclass(frozen=True)
class Heartbeat:
    """That a driver lives, written again and again, each time with another `beat`; and the blocks that it holds."""

    owner: str
    beat: int
    blocks: list[int] = field(default_factory=list)


class _Seen(NamedTuple):
    """The version of an object, and when a listing first showed it. An empty etag: it is gone."""

    etag: str
    since: float


class Sightings(Generic[Name]):
    """Objects that are listed again and again, and for how long each has not changed, by the watcher's clock."""

    def __init__(self) -> None:
        self._seen: dict[Name, _Seen] = {}
        self.last = float("-inf")

    @property
    def names(self) -> set[Name]:
        """What the last listing showed."""
        return {name for name, seen in self._seen.items() if seen.etag}

    def etag(self, name: Name) -> str | None:
        """The version that the last listing showed; None if it showed none."""
        seen = self._seen.get(name)
        return seen.etag or None if seen is not None else None

    def see(self, listed: Mapping[Name, str], now: float) -> None:
        """Note what a listing shows."""
        before, self.last = self._seen, now
        gone = dict.fromkeys(before.keys() - listed.keys(), "")
        self._seen = {
            name: before[name] if name in before and before[name].etag == etag else _Seen(etag, now)
            for name, etag in {**gone, **listed}.items()
        }

    def silent(self, lease: float) -> set[Name]:
        """Those that are there, and did not change between two listings a lease apart."""
        return {name for name, seen in self._seen.items() if seen.etag and self.last - seen.since >= lease}

    def is_silent(self, name: Name, lease: float) -> bool:
        """Whether it did not change for a lease, or has been gone for one; also true for what was never seen."""
        seen = self._seen.get(name)
        return seen is None or self.last - seen.since >= lease

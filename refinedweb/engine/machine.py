"""What this process may use of its machine: cores and memory, as its affinity and its control groups limit them.

A container sees the host's cores and memory. What it may use stands in the files of its control group and of every
group above it (Linux, versions 1 and 2); the smallest limit counts. A limit that cannot be read is none.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from refinedweb.engine.policy import OBJECT_STORE_BYTES

SHARED_MEMORY = Path("/dev/shm")
HOST = Path("/")


def cores(root: Path = HOST) -> int:
    """The cores that this process may use, at least 1. A quota is rounded to whole cores, because a worker needs one.

    `root`: where /proc and /sys are.
    """
    quotas = [int(quota + 0.5) for folder in _groups(root, "cpu") for quota in _quotas(folder)]
    return max(1, min([_affine_cores(), *quotas]))


def memory(root: Path = HOST) -> int:
    """The bytes of memory that this process may use."""
    limits = [limit for folder in _groups(root, "memory") for limit in _memory_limits(folder)]
    return min([_physical_memory(), *limits])


def worker_memory(root: Path = HOST) -> int:
    """The bytes that an embedded Ray may give to its workers."""
    return max(1, memory(root) - OBJECT_STORE_BYTES)


def shared_memory() -> int | None:
    """The size of /dev/shm in bytes; None where there is none."""
    try:
        found = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    return found.f_frsize * found.f_blocks


def _affine_cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class _Mount(NamedTuple):
    """A mounted hierarchy of control groups. `controllers` is None for version 2, which has them all in one."""

    root: str
    point: str
    controllers: frozenset[str] | None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's groups with that controller, each followed by those above it."""
    own = dict(_own_groups(root))
    for mount in _mounts(root):
        if mount.controllers is not None and controller not in mount.controllers:
            continue
        path = own.get("" if mount.controllers is None else controller)
        if path is not None:
            top = root / mount.point.lstrip("/")
            below = _below(path, mount.root)
            yield from (top.joinpath(*below[:depth]) for depth in range(len(below), -1, -1))


def _own_groups(root: Path) -> Iterator[tuple[str, str]]:
    """(controller, path) of the groups that this process is in; version 2 has the empty name."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            yield controller, path


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _read(root / "proc/self/mountinfo").splitlines():
        place, _, kind = line.partition(" - ")
        fields, types = place.split(), kind.split()
        if len(fields) >= 5 and types and types[0] in ("cgroup", "cgroup2"):
            controllers = None if types[0] == "cgroup2" else frozenset(types[-1].split(","))
            yield _Mount(_unescaped(fields[3]), _unescaped(fields[4]), controllers)


def _unescaped(path: str) -> str:
    """mountinfo writes a space as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)


def _below(path: str, root: str) -> list[str]:
    """The folders from the mounted root down to a group. None are known of a group outside of what is mounted: a
    container of version 1 mounts its own group, and has the host's path of it.
    """
    parts, above = (place.strip("/").split("/") if place.strip("/") else [] for place in (path, root))
    if ".." in parts or parts[: len(above)] != above:
        return []
    return parts[len(above) :]


def _quotas(folder: Path) -> Iterator[float]:
    """The group's own limits in cores."""
    both = _read(folder / "cpu.max").split()  # version 2: "150000 100000", or "max 100000"
    both = both or [
        _read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")
    ]  # version 1: -1 is none
    quota, period = (_number(word) for word in (*both, "", "")[:2])
    if quota is not None and period:
        yield quota / period


def _memory_limits(folder: Path) -> Iterator[int]:
    """The group's own limits in bytes. Above `memory.high`, the kernel slows a group down until nothing gets on."""
    for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
        limit = _number(_read(folder / name).strip())
        if limit:
            yield limit


def _number(word: str) -> int | None:
    """The whole number that the word is; None for `max`, -1 and anything else."""
    return int(word) if re.fullmatch(r"[0-9]{1,19}", word) else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

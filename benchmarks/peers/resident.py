"""Resident memory of this process and its peak, from Linux's /proc. Uses only the standard library."""

from __future__ import annotations

import ctypes
from pathlib import Path

_PROC = Path("/proc/self")


def reset_peak() -> None:
    """Start counting the peak again, after returning memory that the allocator holds in reserve."""
    ctypes.CDLL(None).malloc_trim(0)
    (_PROC / "clear_refs").write_text("5")


def resident_megabytes() -> float:
    """The present resident size."""
    return _field("VmRSS")


def peak_megabytes() -> float:
    """The largest resident size since `reset_peak`."""
    return _field("VmHWM")


def _field(name: str) -> float:
    lines = (_PROC / "status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(name))

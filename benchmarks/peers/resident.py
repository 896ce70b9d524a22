"""Resident memory of this process and its peak, from Linux's /proc. Standard library only."""

from __future__ import annotations

import ctypes
from pathlib import Path

_PROC = Path("/proc/self")


def reset_peak() -> None:
    """From now on the peak is counted anew; memory that the allocator holds for later is given back first."""
    ctypes.CDLL(None).malloc_trim(0)
    (_PROC / "clear_refs").write_text("5")


def resident_megabytes() -> float:
    return _field("VmRSS")


def peak_megabytes() -> float:
    """Since `reset_peak`."""
    return _field("VmHWM")


def _field(name: str) -> float:
    lines = (_PROC / "status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(name))

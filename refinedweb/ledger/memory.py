"""How much memory this process has used."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def peak_memory() -> int:
    """The most bytes that were resident in this process so far.

    Uses VmHWM on Linux: `ru_maxrss` starts at the parent's peak.
    """
    try:
        found = _PEAK.search(Path("/proc/self/status").read_text(encoding="ascii", errors="replace"))
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

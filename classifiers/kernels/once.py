"""A kernel that several processes need at once is compiled by one of them; the others wait and load what it saved.

The lock is of the kernel's module. A kernel is compiled with those that it calls, which are of its own module or of one
that it imports; imports do not go in a circle, so no two processes wait for each other. numba's own lock comes first:
threads of one process never compile at the same time.
"""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_held: Counter[Path] = Counter()  # locks of this process, and how many kernels of the module it is compiling


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds the lock, and hold it. Without a place for it, or on a file system that locks
    nothing, several processes do the same work. The caller sees to it that threads take turns.
    """
    file = None if _held[lock] else _locked(lock)
    _held[lock] += 1
    try:
        yield
    finally:
        _held[lock] -= 1
        if file is not None:
            fcntl.flock(file, fcntl.LOCK_UN)  # a process that was forked meanwhile has the file open, too
            file.close()


def _locked(lock: Path) -> IO[bytes] | None:
    try:
        file = lock.open("ab")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        file.close()
        return None
    return file

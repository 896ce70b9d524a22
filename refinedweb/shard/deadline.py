"""A limit on the CPU seconds of the stages of a pass: what a document may cost outside of the extraction's child.

A kernel cannot be interrupted, so the system ends the process (`SIGPROF`, from a timer of its CPU time): a child that
runs a part of a batch, or a worker whose batch does not end. The process of a notebook is never ended. CPU time it is
because no load on the machine, no pause and no slow store may decide what is in the corpus.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

HANGS = 4  # times the limit after which a worker whose batch goes on is ended: it would keep its core for good
_expendable = False


def ended_by_limit(exit_code: int | None) -> bool:
    """Whether a process with this exit code spent more than its limit."""
    return exit_code == -signal.SIGPROF


def expendable() -> None:
    """Say that this process is a worker, which another one replaces."""
    global _expendable
    _expendable = True


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """End this process if what follows takes more CPU seconds than this (infinite: no limit)."""
    if math.isfinite(seconds):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def hang_limit(seconds: float) -> float:
    """The limit for a batch in this process, given that of a document."""
    return HANGS * seconds if _expendable else math.inf


def batch_limit(seconds: float) -> AbstractContextManager[None]:
    """End a worker in which a batch does not end, given the limit of a document."""
    return cpu_limit(hang_limit(seconds))

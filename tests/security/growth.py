"""Whether something takes more than linear time, by the CPU time that it takes over longer and longer texts.

No time is compared with a limit: only times of the same call over texts of different lengths with each other.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

FACTORS = (1, 4, 16)
# Four times the text: linear calls take 4 times as long, quadratic ones 16 times.
MOST_GROWTH = 9.0
FLOOR = 5e-4  # CPU seconds below which neither is worth a comparison
REPETITIONS = 3
GUARD = 2.0  # CPU seconds of one comparison after which it is taken for endless: linear calls take some 0.05


class Endless(Exception):
    """The call would not end."""


def superlinear(call: Callable[[T], object], texts: Sequence[T]) -> bool:
    """Whether the call takes more than linear time at all sizes. `texts` are of one shape and grow as FACTORS do."""
    try:
        with _guarded():
            return all(_grows(call, small, large) for small, large in itertools.pairwise(texts))
    except Endless:
        return True


def _grows(call: Callable[[T], object], small: T, large: T) -> bool:
    if _seconds(call, large) < FLOOR:
        return False
    short, long = (min(_seconds(call, text) for _ in range(REPETITIONS)) for text in (small, large))
    return long > MOST_GROWTH * short


def _seconds(call: Callable[[T], object], text: T) -> float:
    begun = time.thread_time()
    call(text)
    return time.thread_time() - begun


@contextmanager
def _guarded() -> Iterator[None]:
    def give_up(number: int, frame: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, GUARD)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)

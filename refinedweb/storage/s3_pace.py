"""How often requests are sent: retries with jittered back-off, and a token bucket per prefix.

A bucket is at full speed until the store answers SlowDown (503). Then its rate drops to half of the actual request
rate, and grows again with every success (additive increases would take hours to reach 3,500 requests a second, the rate
of one prefix of S3). Buckets are per folder of keys: S3 partitions by prefix, and a hot one must not slow the others.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from refinedweb.storage.base import Changed, Missing
from refinedweb.storage.s3_client import renew
from refinedweb.storage.s3_errors import FAULTS, Denied, Expired, Unproven, UploadGone, translated
from stages.errors import ConfigError, Full, RefinedWebError, RetryError, Throttled

R = TypeVar("R")

ATTEMPTS = 10  # of one request: with their back-off about half a minute
FIRST_ATTEMPTS = 3  # of a process that has never got an answer, if it has no credentials or nothing there speaks S3
DENIALS = 2  # of one request that may pass: rights that hold are denied to single requests now and then
FIRST_WAIT = 0.1  # seconds; doubled by each attempt
MOST_WAIT = 20.0  # seconds
MOST_RATE = 3500.0  # requests per second: what S3 promises for the writes of one prefix
LEAST_RATE = 0.5  # requests per second: a slow store must still show that it has recovered
GROWTH = 1.02  # of the rate, per success: from one request per second to 3,500 in 412 of them
MEASURED = 32  # requests whose times give the actual rate
RECOVERED_SECONDS = 60.0  # without another SlowDown: then the store is no longer said to throttle


class Pace:
    """The token bucket of one prefix. Rates are requests per second of this process."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0
        self._asked: deque[float] = deque(maxlen=MEASURED)
        self._since = self._last = float("-inf")  # the first SlowDown of this storm, and the last one
        self.rate = MOST_RATE

    def take(self) -> None:
        """Wait for a token. Tokens come at intervals of 1/rate, and at most one is saved up."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + 1 / self.rate
            self._asked.append(at)
        if at > now:
            self._sleep(at - now)

    def slowed(self) -> None:
        """After a SlowDown: halve the actual request rate, not the rate that would have been allowed."""
        with self._lock:
            span = self._asked[-1] - self._asked[0] if self._asked else 0.0
            asked = (len(self._asked) - 1) / span if span > 0 else self.rate
            self.rate = max(LEAST_RATE, min(self.rate, asked) / 2)
            now = self._clock()
            self._since = now if now - self._last > RECOVERED_SECONDS else self._since
            self._last = now

    def throttled(self) -> float | None:
        """For how many seconds the store has asked for fewer requests; None if it has not for a while."""
        now = self._clock()
        return now - self._since if now - self._last <= RECOVERED_SECONDS else None

    def went_well(self) -> None:
        """After a success: let the rate grow."""
        self.rate = min(MOST_RATE, self.rate * GROWTH)


@lru_cache(maxsize=4096)
def pace_of(prefix: str) -> Pace:
    """This process's bucket for a prefix."""
    return Pace()


_answered = threading.Event()
"""This process has got an answer of a store: its credentials and its endpoint have been right."""
_slowed: dict[str, Pace] = {}  # by prefix: those that have ever got a SlowDown, which are few


def throttled(root: str) -> str | None:
    """Which prefix at or below `root` the store throttles now, and for how long; the one throttled longest."""
    storms = [
        (seconds, prefix)
        for prefix, pace in list(_slowed.items())
        if f"{prefix}/".startswith(f"{root.rstrip('/')}/") and (seconds := pace.throttled()) is not None
    ]
    if not storms:
        return None
    seconds, prefix = max(storms)
    span = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"the store has asked for fewer requests for {span} ({prefix})"


def again(uri: str, call: Callable[[], R]) -> R:
    """Repeat an idempotent request until it succeeds. Raises what `s3_errors.translated` makes of the last error."""
    pace, denied = pace_of(uri.rpartition("/")[0]), 0
    for attempt in range(ATTEMPTS):
        try:
            return once(uri, pace, call)
        except (UploadGone, Full):
            raise  # it stays gone; and room is not made in half a minute
        except Unproven as error:
            if attempt + 1 >= (ATTEMPTS if _answered.is_set() else FIRST_ATTEMPTS):
                raise _given_up(error) from error
            back_off(attempt, error)
        except (RetryError, Denied) as error:
            denied += isinstance(error, Denied)
            if attempt == ATTEMPTS - 1 or denied > DENIALS:
                raise
            back_off(attempt, error)
    raise AssertionError("the last attempt returns or raises")


def _given_up(error: Unproven) -> RefinedWebError:
    """A person must mend it, unless this process has shown that its settings are right: then it will pass."""
    return error if _answered.is_set() and not isinstance(error, Expired) else ConfigError(str(error))


def once(uri: str, pace: Pace, call: Callable[[], R]) -> R:
    """Send one request at the prefix's pace. Raises what `s3_errors.translated` makes of its error.

    After an error about credentials, the next request looks for others: `call` must ask for the client each time.
    """
    pace.take()
    begun = time.monotonic()
    try:
        answer = call()
    except FAULTS as error:
        meaning = translated(uri, error)
        if isinstance(meaning, Throttled):
            pace.slowed()
            _slowed[uri.rpartition("/")[0]] = pace
        if isinstance(meaning, Unproven):
            renew(begun)
        if isinstance(meaning, Missing | Changed):
            _answered.set()
        raise meaning from error
    pace.went_well()
    _answered.set()
    return answer


def back_off(attempt: int, error: Exception | None = None) -> None:
    """Wait a random time before the next attempt, or longer if the store said for how long.

    It is random because workers that fail together must not come back together.
    """
    asked = error.wait_seconds if isinstance(error, RetryError) else 0.0
    own = min(MOST_WAIT, FIRST_WAIT * 2**attempt)
    time.sleep(max(asked * random.uniform(1.0, 1.25), own * random.uniform(0.5, 1.0)))

"""How long a server asks its clients to wait: the Retry-After header, as servers really write it."""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime

MOST_SECONDS = 30.0  # half a lease: a driver that sleeps for longer loses its claims


def seconds_asked(header: str | None, most: float = MOST_SECONDS) -> float:
    """The seconds in a Retry-After header: whole, fractional, or until a date. 0 if it is missing or makes no sense.

    At most `most`: a server that wants more says so again.
    """
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        seconds = _until(header)
    return min(max(seconds, 0.0), most) if math.isfinite(seconds) else 0.0


def _until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0

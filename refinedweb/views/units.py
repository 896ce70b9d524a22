"""Numbers, bytes and seconds as people write them."""

from __future__ import annotations


def counted(n: int, what: str) -> str:
    """`1 shard`, `2 shards`."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def size(value: float) -> str:
    """Bytes in powers of 1000: `812 B`, `1.4 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} PB"


def duration(seconds: float) -> str:
    """`12.0 s`, `3.4 min`, `5.6 h`, `7.8 days`."""
    length, unit = duration_unit(seconds)
    return f"{seconds / length:,.1f} {unit}"


def duration_unit(seconds: float) -> tuple[float, str]:
    """The largest unit of which a duration has two or more, else the second: its length in seconds, and its name."""
    for length, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return length, unit
    return 1.0, "s"

"""Bytes and seconds in the units that people use."""

from __future__ import annotations


def size(value: float) -> str:
    """Bytes in powers of 1000: `812 B`, `1.4 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} PB"


def duration(seconds: float) -> str:
    """`12.0 s`, `3.4 min`, `5.6 h`, `7.8 days`."""
    for least, length, unit in ((172_800, 86_400, "days"), (7_200, 3_600, "h"), (120, 60, "min")):
        if seconds >= least:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"

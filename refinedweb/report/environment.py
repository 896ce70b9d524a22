"""HTML templates. Everything that comes from a document is escaped, and numbers are written for people."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from refinedweb.views.units import duration, size


def environment(package: str) -> Environment:
    """The templates of a package, with filters for numbers. Everything that comes from a document is escaped."""
    loader = PackageLoader(package)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"n": number, "pct": percent, "bytes": size, "duration": duration}
    return made


def number(value: float) -> str:
    """1234567 → 1,234,567"""
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """The share with at most two digits after the point: 12.3 %, 1.2 %, 0.12 %; < 0.01 % if it is less but not 0."""
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return f"{share * 100:.{0 if share in (0, 1) else 1 if share >= 0.01 else 2}f} %"

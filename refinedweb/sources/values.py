"""Convert values of JSON (and of maps) to those of document columns."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from refinedweb.sources.headers import parse_date
from stages.schema import DOCUMENT

_SURROGATE = re.compile("[\ud800-\udfff]")


def as_column(column: str, value: Any) -> Any:
    """Convert a JSON value to the document column's Python value; None if it is of another kind."""
    wanted = DOCUMENT.field(column).type
    if pa.types.is_timestamp(wanted):
        return parse_date(value) if isinstance(value, str) else unix_millis(value)
    if pa.types.is_integer(wanted):
        return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else None
    if pa.types.is_floating(wanted):
        return _float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if pa.types.is_list(wanted):
        return value if _is_pairs(value) else None
    if column == "drop" and isinstance(value, bool | int | float):
        return str(value).lower()
    if column == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return valid_text(value).encode() if column == "html" else valid_text(value)


def _float(value: int | float) -> float | None:
    """The number; None for a whole number that is too large to be one."""
    try:
        return float(value)
    except OverflowError:
        return None


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and all(part is None or isinstance(part, str) for part in pair) for pair in value
    )


def valid_text(text: str) -> str:
    """Replace lone surrogates, which JSON can hold and UTF-8 cannot, by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def unix_millis(value: object) -> int | None:
    """Milliseconds from a Unix time in s, ms, µs or ns, whichever its size suggests; None if it is not a Unix time."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e19:
        return None
    # 1e11 is the year 5138 in seconds and 1973 in milliseconds; the same holds for the finer units.
    for limit, unit in ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6)):
        if abs(value) < limit:
            return int(value * unit)
    return None

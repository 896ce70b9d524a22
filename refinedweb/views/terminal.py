"""Documents' values on a terminal."""

from __future__ import annotations

import json
import re
from typing import Any

_UNPRINTABLE = re.compile(
    "[\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]"
)


def printable(text: str) -> str:
    """Without control characters: a page must not be able to drive the reader's terminal."""
    return "".join(c if c == "\n" or c.isprintable() or c == "\u3000" else " " for c in text)


def line(value: object, most: int = 300) -> str:
    """Anything that a document or a file brought, as one printable line."""
    text = " ".join(printable(str(value)).split())
    return text if len(text) <= most else f"{text[:most]} …"


def json_line(value: Any) -> str:
    """JSON on one line. What could drive a terminal is escaped: JSON itself spares the upper control codes."""
    told = json.dumps(value, ensure_ascii=False, default=plain)
    return _UNPRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1], told) if not told.isprintable() else told


def plain(value: Any) -> str:
    """A value that JSON does not know."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

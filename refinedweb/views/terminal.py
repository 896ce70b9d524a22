"""Values of documents, made fit for a terminal."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

_UNPRINTABLE = re.compile(
    "[\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]"
)


def printable(text: str) -> str:
    """The text without control characters: a page must not be able to control the reader's terminal."""
    return "".join(c if c == "\n" or c.isprintable() or c == "\u3000" else " " for c in text)


def line(value: object, most: int = 300) -> str:
    """Any value from a document or a file, as one printable line of at most `most` characters."""
    text = " ".join(printable(str(value)).split())
    return text if len(text) <= most else f"{text[:most]} …"


def program() -> str:
    """The program as it was started, for commands that a user may type."""
    if PurePath(sys.argv[0]).name == "__main__.py":
        return "python -m refinedweb"
    return "uv run refinedweb" if "UV_RUN_RECURSION_DEPTH" in os.environ else "refinedweb"


def command(words: Sequence[str]) -> str:
    """A command of this program as a user has to type it."""
    return f"{program()} {shlex.join(words)}"


def json_line(value: Any) -> str:
    """JSON on one line, with everything escaped that could control a terminal: JSON leaves the upper control codes as
    they are.
    """
    text = json.dumps(value, ensure_ascii=False, default=plain)
    return text if text.isprintable() else _UNPRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def plain(value: Any) -> str:
    """A value of a type that JSON does not have, as a string."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

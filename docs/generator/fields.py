"""Types and defaults of dataclass fields, in the words of a recipe's author."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import MISSING
from typing import Any


def type_name(kind: Any) -> str:
    """A type in the words of a recipe's author."""
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    if choices := re.match(r"Literal\[(.*)\]$", name):
        return "one of " + ", ".join(
            f"`{choice.strip(chr(34))}`" for choice in choices[1].replace("'", '"').split(", ")
        )
    return " or ".join(
        _TYPES.get(part) or _TYPES.get(part.partition("[")[0], f"`{part}`") for part in name.split(" | ")
    )


_TYPES = {
    "int": "whole number",
    "float": "number",
    "str": "text",
    "bool": "true or false",
    "None": "none",
    "Asset": "path",
    "tuple[str, ...]": "list of texts",
    "tuple[int, ...]": "list of whole numbers",
    "list": "list",
    "dict": "object",
    "Removed": "object",
}


def default_of(field: dataclasses.Field[Any]) -> str:
    """A field's default as a recipe would write it; of a long list the first eight values. Empty if there is none."""
    if field.default is MISSING:
        return ""
    value = field.default
    if isinstance(value, tuple):
        shown = ", ".join(str(item) for item in value[:8])
        return (f"`{shown}`" + (f" … ({len(value)})" if len(value) > 8 else "")) if value else "none"
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"

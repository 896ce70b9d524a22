"""Convert values from TOML and the command line to the types that a dataclass of parameters declares."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from stages.assets import Asset, split_pin
from stages.base import BY_LANGUAGE
from stages.by_language.tables import LIKE
from stages.errors import ConfigError, nearest

T = TypeVar("T")


def parse(text: str) -> Any:
    """Parse a value of the command line as TOML if it is valid TOML (`0.5`, `true`, `["en"]`), else return the text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # TOMLDecodeError, numbers of 5,000 digits, deeply nested brackets
        return text


def coerce(cls: type[Any], params: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Convert `params` to the types of `cls`'s fields. Raises ConfigError, naming `where`, the field and its type."""
    hints = typing.get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]
    coerced = {}
    for key, value in params.items():
        if key == BY_LANGUAGE and key not in known:
            coerced[key] = _by_language(cls, value, f"{where}.{BY_LANGUAGE}")
            continue
        if key not in known:
            raise ConfigError(f"{where} has no parameter {key!r}: {nearest(key, known)}")
        try:
            coerced[key] = _to_type(hints[key], value)
        except (TypeError, ValueError):
            raise ConfigError(f"{where}.{key} takes {_described(hints[key])}, not {value!r}") from None
    return coerced


def _by_language(cls: type[Any], value: Any, where: str) -> dict[str, Any]:
    """Parameters by language, each in its type. A name alone is that of a shipped table."""
    if isinstance(value, str):
        return {LIKE: value}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} takes the name of a table, or a table of parameters by language, not {value!r}")
    return {
        key: coerce(cls, each, f"{where}.{key}") if key != LIKE and isinstance(each, Mapping) else each
        for key, each in value.items()
    }


def instance(cls: type[T], params: Mapping[str, Any], where: str) -> T:
    """Build the dataclass from `params`. Raises ConfigError for an unknown key, a wrong type or a refused value."""
    try:
        return cls(**coerce(cls, params, where))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def _to_type(hint: Any, value: Any) -> Any:
    """The value in the declared type. Raises TypeError or ValueError if it does not fit."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Asset:
        split_pin(_to_type(str, value))  # what is not a digest is refused as it is read, not when it is used
        return value
    if isinstance(hint, typing.NewType):
        return _to_type(hint.__supertype__, value)
    if origin in (typing.Union, types.UnionType):
        return _to_union(arguments, value)
    if origin is typing.Literal:
        if value not in arguments:
            raise ValueError(value)
        return value
    if origin is tuple:
        items = [item.strip() for item in value.split(",")] if isinstance(value, str) else [*value]
        if isinstance(value, str) and arguments[0] is not str:
            items = [parse(item) for item in items]
        return tuple(_to_type(arguments[0], item) for item in items)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError(value)
    return value


def _to_union(arguments: tuple[Any, ...], value: Any) -> Any:
    if value is None or (value == "none" and type(None) in arguments):
        if type(None) not in arguments:
            raise TypeError(value)
        return None
    for option in arguments:
        if option is not type(None):
            try:
                return _to_type(option, value)
            except (TypeError, ValueError):
                continue
    raise TypeError(value)


_NAMES = {int: "a whole number", float: "a number", str: "a string", bool: "true or false", type(None): '"none"'}


def _described(hint: Any) -> str:
    """What a parameter of this type takes, in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.NewType):
        return "a path"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_described(option) for option in arguments)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if origin is tuple:
        return "a list of values" if arguments[0] is str else f"a list, each {_described(arguments[0])}"
    return _NAMES.get(hint, str(hint))

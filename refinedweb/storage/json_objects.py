"""Dataclasses from JSON objects that another version of the code may have written.

In a rolling upgrade old and new code read each other's objects. So a field that is not known is ignored, and one that
is missing has its default. But what is there has the type that the dataclass declares, or the object is refused.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from stages.errors import ShardError

T = TypeVar("T")
Reader = Callable[[Any], Any]  # from a plain value to one of the declared type; raises ValueError

SHOWN = 60  # characters of a wrong value in a message
MOST_DIGITS = 19  # of a whole number, sign included
_HUGE = re.compile(rb"[0-9]{19}")  # there may be such a number; in most objects there is none


class Unreadable(ShardError):
    """An object of the store is not what its name promises."""


def load_object(cls: type[T], data: bytes, where: str, remedy: str) -> T:
    """The dataclass from a JSON object. Raises Unreadable: `where` it is, what is wrong with it, and the `remedy`."""
    return from_plain(cls, plain_of(data, where, remedy), where, remedy)


def plain_of(data: bytes, where: str, remedy: str) -> Any:
    """The values of a JSON object. Raises Unreadable."""
    if not data:
        raise Unreadable(f"{where} is empty (0 bytes); {remedy}")
    try:
        return json.loads(data, parse_int=_counted) if _HUGE.search(data) else json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{where} is not JSON ({error}); {remedy}") from error


def _counted(digits: str) -> int:
    """A whole number that a machine can count to: sums and shares of larger ones overflow wherever they are made."""
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def from_plain(cls: type[T], value: Any, where: str, remedy: str) -> T:
    """The dataclass from the values of a JSON object. Raises Unreadable."""
    try:
        read: Callable[[Any], T] = reader_of(typing.cast(Any, cls))
        return read(value)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{where} is damaged: {error}; {remedy}") from error


@cache
def reader_of(hint: Any) -> Reader:
    """What turns a plain value into one of the type `hint`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value: value
    if hint is float:
        return _number
    if hint in _NAMES:
        return _exact(hint)
    if dataclasses.is_dataclass(hint):
        return _of_dataclass(hint)
    if origin in (typing.Union, types.UnionType):
        return _of_union(arguments)
    if origin is typing.Literal:
        return _of_literal(arguments)
    if origin in (list, tuple):
        return _of_items(origin, arguments[0])
    if origin is dict:
        return _of_dict(arguments[1])
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        return _of_named_tuple(hint)
    raise TypeError(f"no JSON object has a field of the type {hint}")


_NAMES: dict[Any, str] = {
    int: "a whole number", str: "a string", bool: "true or false", list: "a list", dict: "an object"
}  # fmt: skip


_PLAIN: dict[Any, frozenset[type]] = {
    int: frozenset([int]), str: frozenset([str]), float: frozenset([int, float])
}  # fmt: skip


def _wrong(value: Any, wanted: str) -> ValueError:
    shown = repr(value)
    return ValueError(f"{shown if len(shown) <= SHOWN else shown[:SHOWN] + '…'} is not {wanted}")


def _exact(cls: type) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not cls:
            raise _wrong(value, _NAMES[cls])
        return value

    return read


def _number(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise _wrong(value, "a number")
    return value


def _of_union(options: tuple[Any, ...]) -> Reader:
    """Of the kind `X | None`: no JSON object of ours has another."""
    (one,) = (reader_of(option) for option in options if option is not type(None))
    return lambda value: None if value is None else one(value)


def _of_literal(known: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        if value not in known:
            raise _wrong(value, f"one of {', '.join(map(repr, known))}")
        return value

    return read


def _of_items(cls: type, hint: Any) -> Reader:
    is_list, item = _exact(list), reader_of(hint)
    return lambda value: cls(map(item, is_list(value)))


def _of_dict(hint: Any) -> Reader:
    is_dict = _exact(dict)
    if hint is Any:
        return is_dict
    item, plain = reader_of(hint), _PLAIN.get(hint, frozenset())

    def read(value: Any) -> Any:
        if plain.issuperset(map(type, is_dict(value).values())):
            return value  # counts, of which a record has many
        return {key: item(each) for key, each in value.items()}

    return read


def _of_named_tuple(cls: Any) -> Reader:
    """From a list: what a newer version may have appended is ignored."""
    is_list = _exact(list)
    readers = [reader_of(hint) for hint in typing.get_type_hints(cls).values()]
    least = len(readers) - len(cls._field_defaults)

    def read(value: Any) -> Any:
        if len(is_list(value)) < least:
            raise _wrong(value, f"a list of {', '.join(cls._fields)}")
        return cls(*(each(item) for each, item in zip(readers, value, strict=False)))

    return read


def _of_dataclass(cls: Any) -> Reader:
    is_dict = _exact(dict)
    hints, fields = typing.get_type_hints(cls), dataclasses.fields(cls)
    readers = {field.name: reader_of(hints[field.name]) for field in fields}
    none = dataclasses.MISSING
    required = {field.name for field in fields if field.default is none and field.default_factory is none}

    def read(value: Any) -> Any:
        known: dict[str, Any] = {}
        for name, each in is_dict(value).items():
            if name in readers:
                try:
                    known[name] = readers[name](each)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        if not known.keys() >= required:
            raise ValueError(f"it lacks {', '.join(sorted(required - known.keys()))}")
        return cls(**known)

    return read

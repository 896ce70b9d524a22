"""What an expression works with: a column's values or one constant, of one kind: number, text, truth, time or any.

Values out of JSON are of the kind `any`: the other side of an operation decides what they are taken for. Compared with
a number, those that are not numbers are null, so the answer does not depend on which rows share a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["number", "text", "truth", "time", "any", "list", "null"]
_TYPES = {"number": pa.float64(), "text": pa.string(), "truth": pa.bool_()}


class Mismatch(Exception):
    """An operation got values of kinds that it cannot use. The message says which."""


@dataclass(frozen=True)
class Value:
    """An array with a row for each document, or a scalar; of the kind `any`, a list of what JSON gave."""

    kind: Kind
    data: Any
    constant: bool = False

    def as_kind(self, kind: Kind) -> Any:
        """The Arrow array or scalar, if it is of this kind or can be. Raises Mismatch."""
        if self.kind == kind:
            return self.data
        if self.kind == "null":
            return pa.scalar(None, _TYPES.get(kind, pa.timestamp("ms", tz="UTC")))
        if self.kind == "any" and kind in _TYPES:
            return pa.array([_only(kind, value) for value in self.data], _TYPES[kind])
        if kind == "time" and self.kind == "text" and self.constant:
            return _time(self.data.as_py())
        raise Mismatch(f"a {kind} is needed here, but this is a {self.kind}")


def constant(value: object) -> Value:
    """A literal of the expression. Raises Mismatch if it is neither number, text, truth nor None."""
    if value is None:
        return Value("null", pa.scalar(None), constant=True)
    for kind, types in _LITERALS:
        if isinstance(value, types):
            try:
                return Value(kind, pa.scalar(value), constant=True)
            except (OverflowError, pa.ArrowInvalid):
                raise Mismatch(f"{value} is too large") from None
    raise Mismatch(f"{value!r} is neither a number nor a text")


_LITERALS: Sequence[tuple[Kind, type | tuple[type, ...]]] = (
    ("truth", bool),
    ("number", (int, float)),
    ("text", str),
)


def column(values: pa.Array | pa.ChunkedArray) -> Value:
    """A column's values. Raises Mismatch if no operation is known for its type."""
    type_ = values.type
    if pa.types.is_dictionary(type_):
        return column(values.cast(type_.value_type))
    for kind, holds, cast in _COLUMNS:
        if holds(type_):
            return Value(kind, values if cast is None else values.cast(cast, safe=False))
    raise Mismatch(f"it is of the type {type_}, which no operation takes")


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_))


def _is_time(type_: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(type_) or pa.types.is_date(type_))


# The kind of a column's type, and the type that it is worked with, if it is not its own.
_COLUMNS: Sequence[tuple[Kind, Callable[[pa.DataType], bool], pa.DataType | None]] = (
    ("truth", pa.types.is_boolean, None),
    ("number", pa.types.is_integer, None),
    ("number", _is_number, pa.float64()),
    ("text", _is_text, pa.large_string()),
    ("time", _is_time, pa.timestamp("ms", tz="UTC")),
    ("list", _is_list, None),
    ("null", pa.types.is_null, None),
)


def shared_kinds(one: Value, other: Value) -> tuple[Kind, ...]:
    """The kinds as which two values are compared; two values of JSON as any of them. Raises Mismatch."""
    kinds = {one.kind, other.kind} - {"any", "null"}
    if kinds == {"time", "text"} and (one.constant or other.constant):
        return ("time",)
    if len(kinds) > 1:
        raise Mismatch(f"a {one.kind} cannot be compared with a {other.kind}")
    return tuple(kinds) or ("number", "text", "truth")


def _only(kind: Kind, value: object) -> object:
    if kind == "number":
        try:
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        except OverflowError:  # a whole number of hundreds of digits
            return None
    return value if isinstance(value, str if kind == "text" else bool) else None


def _time(text: str) -> pa.Scalar:
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"):
        parsed = pc.strptime(pa.scalar(text.removesuffix("Z")), format=form, unit="ms", error_is_null=True)
        if parsed.is_valid:
            return pc.assume_timezone(parsed, "UTC")
    raise Mismatch(f"{text!r} is not a time; write 2024-12-31 or 2024-12-31T23:59:59")

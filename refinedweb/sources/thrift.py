"""Read structs of Thrift's compact protocol, in which Parquet describes itself.

pyarrow shows some of these numbers only after it has acted on them, and some never. A field is known by its number and
its type together: a reader that knows the format skips a field of another type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

INT32, INT64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12  # types as the protocol numbers them
_TRUE, _FALSE, _BYTE, _INT16, _DOUBLE, _SET, _MAP = 1, 2, 3, 4, 7, 10, 11
_INTEGERS = (_INT16, INT32, INT64)
MOST_DEPTH = 24
_VARINT_BITS = 70

Fields = dict[tuple[int, int], Any]


class Malformed(ValueError):
    """What is there cannot be a struct."""


class Parsed(NamedTuple):
    """A struct, and where it ends."""

    fields: Fields
    end: int


def parse(data: Sequence[int], start: int = 0) -> Parsed:
    """The struct at `start`: its fields by number and type. Raises Malformed."""
    reader = _Compact(data, start)
    try:
        fields = reader.struct(0)
    except IndexError:
        raise Malformed(f"the struct at byte {start} is cut off") from None
    return Parsed(fields, reader.at)


def integer(fields: Fields, number: int, kind: int = INT32) -> int:
    """A field that must be there. Raises Malformed."""
    try:
        return int(fields[number, kind])
    except KeyError:
        raise Malformed(f"field {number} is missing") from None


def structs(fields: Fields, number: int) -> Iterator[Fields]:
    """The structs of a list; none if it is not there."""
    for value in fields.get((number, LIST), ()):
        if not isinstance(value, dict):
            raise Malformed(f"field {number} has something other than structs")
        yield value


class _Compact:
    """Reads values one after another."""

    def __init__(self, data: Sequence[int], at: int) -> None:
        self._data = data
        self.at = at

    def struct(self, depth: int) -> Fields:
        if depth > MOST_DEPTH:
            raise Malformed(f"structs in more than {MOST_DEPTH} structs")
        fields: Fields = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._signed()
            fields[number, kind] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._signed()
        if kind == BINARY:
            return self._bytes(self._unsigned())
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, _SET):
            return self._list(depth + 1)
        if kind == _MAP:
            return self._map(depth + 1)
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind in (_BYTE, _TRUE, _FALSE):  # of a list: one byte each
            return self._byte()
        raise Malformed(f"type {kind} at byte {self.at}")

    def _list(self, depth: int) -> list[Any]:
        if depth > MOST_DEPTH:
            raise Malformed(f"lists in more than {MOST_DEPTH} lists")
        head = self._byte()
        size = head >> 4
        return [self._value(head & 15, depth) for _ in range(self._unsigned() if size == 15 else size)]

    def _map(self, depth: int) -> list[Any]:
        size = self._unsigned()
        kinds = self._byte() if size else 0
        return [(self._value(kinds >> 4, depth), self._value(kinds & 15, depth)) for _ in range(size)]

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise Malformed(f"{size} bytes at byte {self.at}, where there are fewer")
        self.at += size
        return bytes(cast(Any, self._data[self.at - size : self.at]))

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > _VARINT_BITS:
                raise Malformed(f"a number without end at byte {self.at}")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

"""Where the documents of a JSON file begin and end: a line each, the elements of an array, or objects over many lines.

Which of the three a file is, its beginning shows. A file of lines may begin with a broken line, so it is taken for
something else only if its first value is whole and does not end with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from refinedweb.sources.base import Damage, NoDocuments
from refinedweb.sources.json_text import UTF8_MARK, loaded
from refinedweb.sources.stream import CHUNK, ByteStream

# A string, a bracket, or the beginning of a string whose end is not there yet.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]|"', re.DOTALL)
_INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE = 0x22
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")  # of a key that a shell and jq read as it stands
_SPACE = re.compile(rb"[\s,]*+")
_SCALAR = re.compile(rb"[^\s,\[\]{}\"]++")
_NEED = 1 << 16  # bytes that show how a file begins


class Framed(NamedTuple):
    """A document's bytes (empty if there are too many), how many they are, and whether damage or the end cut it."""

    content: bytes
    size: int
    cut: bool


def is_in_lines(stream: ByteStream, key: str, limit: int) -> bool:
    """Whether a file has a document a line. Raises ShardError if what it has instead cannot be documents."""
    stream.need(_NEED)
    begin = bytes(stream.buffer[:_NEED]).removeprefix(UTF8_MARK).lstrip()
    if begin.startswith(b"["):
        _check_array(begin[1:].lstrip(), key)
        return False
    if not begin.startswith(b"{"):
        return True
    end = stream.buffer.find(b"\n")
    if end < 0 or _loaded(bytes(stream.buffer[: end + 1])) is not None:
        _check_wrapper(stream, stream.buffer[: end + 1] if end >= 0 else stream.buffer, key)
        return True
    values = JsonValues(stream, limit)
    whole = values.first()
    if whole is None or _loaded(whole) is None:
        return True
    _check_wrapper(stream, whole, key)
    return False


def _loaded(content: bytes) -> Any:
    try:
        return loaded(content.removeprefix(UTF8_MARK).decode("utf-8", "replace"))
    except ValueError:
        return None


def _check_array(rest: bytes, key: str) -> None:
    if rest and rest[:1] not in (b"{", b"]"):
        kind = {b"[": "arrays", b'"': "strings"}.get(rest[:1], "plain values")
        raise NoDocuments(
            f"{key}: a JSON array of {kind}, and documents are objects with a name for each value, as in "
            '{"text": "…", "url": "…"}'
        )


def _check_wrapper(stream: ByteStream, first: bytes | bytearray, key: str) -> None:
    """Raises ShardError if the whole file is one object that holds the documents in a list."""
    stream.need(len(first) + _NEED)
    if stream.buffer[len(first) :].strip():
        return  # something follows
    value = _loaded(bytes(first))
    lists = [
        name
        for name, part in (value.items() if isinstance(value, dict) else ())
        if isinstance(part, list) and part and all(isinstance(one, dict) for one in part)
    ]
    if len(lists) == 1 and not any(isinstance(value.get(name), str) for name in ("text", "content", "html")):
        example = f", for example by `jq -c '.{lists[0]}[]'`" if _PLAIN_NAME.fullmatch(lists[0]) else ""
        raise NoDocuments(f"{key}: one JSON object whose rows are in {lists[0][:60]!r}; write them as lines{example}")


class JsonValues:
    """The values of a stream: objects one after the other, or the elements of arrays."""

    def __init__(self, stream: ByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._in_array = False
        self.damage: list[Damage] = []

    def first(self) -> bytes | None:
        """The first value, which stays in the stream; None if it does not end within the limit."""
        begin = 3 if self._stream.buffer.startswith(UTF8_MARK) else 0
        space = _SPACE.match(self._stream.buffer, begin)
        size = self._measured(begin if space is None else space.end())
        return None if size is None else bytes(self._stream.buffer[:size])

    def __iter__(self) -> Iterator[Framed]:
        stream = self._stream
        if stream.need(3) >= 3 and stream.buffer.startswith(UTF8_MARK):
            stream.drop(3)
        while self._skip_space():
            stream.settle()
            byte = stream.buffer[:1]
            if byte == b"[" and not self._in_array:
                self._in_array = True
                stream.drop(1)
            elif byte == b"]":
                self._in_array = False
                stream.drop(1)
            else:
                yield self._piece()
        if self._in_array and stream.fault is None:
            self.damage.append(Damage(stream.offset_of(stream.position), "the file ends within an array"))

    def _skip_space(self) -> bool:
        """Go to the next byte that is neither white space nor a comma. False at the end."""
        while self._stream.need(1):
            space = _SPACE.match(self._stream.buffer)
            self._stream.drop(0 if space is None else space.end())
            if self._stream.buffer:
                return True
        return False

    def _piece(self) -> Framed:
        stream = self._stream
        size = self._measured(0)
        if size is not None:
            return Framed(stream.take(size), size, False)
        if stream.need(self._limit + 1) <= self._limit:  # the end comes first
            offset = stream.offset_of(stream.position)
            left = stream.take(len(stream.buffer))
            if stream.fault is None:
                self.damage.append(Damage(offset, f"the file ends within a value, after {len(left)} bytes of it"))
            return Framed(left, len(left), True)
        return Framed(b"", self._skip_value(), False)

    def _measured(self, start: int) -> int | None:
        """Where the value that begins at `start` in the buffer ends; None if it does not end within the limit."""
        stream, at, depth = self._stream, start, 0
        while True:
            at, depth, done = _scan(stream.buffer, at if depth else start, depth)
            if done:
                return at
            have = len(stream.buffer)
            if have > self._limit:
                return None
            if stream.need(min(self._limit + 1, max(2 * have, CHUNK))) == have:
                return at if depth == 0 and at > start and stream.fault is None else None

    def _skip_value(self) -> int:
        """Drop a value that is longer than the limit. Returns its size."""
        stream, size, depth = self._stream, 0, 0
        scalar = _SCALAR.match(stream.buffer) is not None
        while stream.need(1):
            at, depth, done = _scan(stream.buffer, 0, depth) if not scalar else _rest_of_scalar(stream.buffer)
            stream.drop(at)
            size += at
            if not done and stream.buffer[:1] == b'"':
                size += self._skip_string()
                done = depth == 0
            if done:
                return size
        return size

    def _skip_string(self) -> int:
        """Drop the string that begins here, however long it is. Returns its size."""
        stream, size = self._stream, 1
        stream.drop(1)
        while stream.need(2):
            inside = _INSIDE.match(stream.buffer)
            at = 0 if inside is None else inside.end()
            ended = stream.buffer[at : at + 1] == b'"'
            at += ended or (at == 0 and len(stream.buffer) == 1)  # a backslash as the last byte of all
            stream.drop(at)
            size += at
            if ended:
                break
        return size


def _rest_of_scalar(buffer: bytearray) -> tuple[int, int, bool]:
    found = _SCALAR.match(buffer)
    end = 0 if found is None else found.end()
    return end, 0, end < len(buffer)


def _scan(buffer: bytearray, at: int, depth: int) -> tuple[int, int, bool]:
    """Scan a value on from `at`. Returns how far it came, the open brackets, and whether the value has ended."""
    if depth == 0 and (scalar := _SCALAR.match(buffer, at)) is not None:
        return scalar.end(), 0, scalar.end() < len(buffer)
    for token in _TOKEN.finditer(buffer, at):
        sign = buffer[token.start()]
        if sign == _QUOTE and token.end() - token.start() == 1:
            return token.start(), depth, False
        if sign != _QUOTE:
            depth += 1 if sign in b"{[" else -1
        if depth <= 0:
            return token.end(), 0, True
    return len(buffer), depth, False

"""The text of JSON files: its encoding, its values, and how values are written again.

By its standard JSON is UTF-8. Files are not always: PowerShell writes UTF-16 with a byte order mark, and one bad byte
in a gigabyte of text is common. What can be read is read.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any, BinaryIO, cast

from refinedweb.sources.stream import CHUNK, ByteStream

UTF8_MARK = b"\xef\xbb\xbf"
# Longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
# Without a mark: the first character of JSON is ASCII, so its zero bytes show the encoding (RFC 4627, section 3).
_ZEROS = (
    (re.compile(rb"[\[{]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[\[{]"), "utf-32-be"),
    (re.compile(rb"[\[{]\0[^\0]\0"), "utf-16-le"),
    (re.compile(rb"\0[\[{]\0[^\0]"), "utf-16-be"),
)
_BEGIN = re.compile(r"\ufeff?\s*[\[{]")
_LOOKED_AT = 256  # bytes
MOST_DEPTH = 200  # values within values: more would end in Python's own limit, at a depth that depends on the caller


def marked_encoding(content: bytes) -> str | None:
    """The codec that a byte order mark names, but for UTF-8; None if there is none."""
    return next((codec for mark, codec in _MARKS if content.startswith(mark)), None)


def wide_encoding(content: bytes) -> str | None:
    """The codec of JSON text in UTF-16 or UTF-32; None if `content` does not begin so."""
    head = bytes(content[:_LOOKED_AT])
    codec = marked_encoding(head) or next((codec for zeros, codec in _ZEROS if zeros.match(head)), None)
    if codec is None or _BEGIN.match(head.decode(codec, "ignore")) is None:
        return None
    return codec


class _Recoded:
    """The text of a stream in UTF-8, as a file that is read forward."""

    def __init__(self, stream: ByteStream, codec: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(codec)("replace")

    def read(self, size: int = -1) -> bytes:
        """The next bytes, however many; none at the end or at damage."""
        while self._stream.need(1):
            text = self._decoder.decode(self._stream.take(CHUNK))
            if text:
                return text.encode("utf-8", "replace")
        return self._decoder.decode(b"", True).encode("utf-8", "replace")


class RecodedStream(ByteStream):
    """A stream of UTF-16 or UTF-32 as one of UTF-8. Offsets count bytes of the text in UTF-8."""

    def __init__(self, inner: ByteStream, codec: str) -> None:
        super().__init__(cast(BinaryIO, _Recoded(inner, codec)), None)
        self._inner = inner

    def _more(self) -> bool:
        more = super()._more()
        self.bytes_read = self._inner.bytes_read
        if not more and self.fault is None:
            self.fault = self._inner.fault
        return more


def as_utf8(stream: ByteStream) -> ByteStream:
    """The stream of JSON itself if it is UTF-8, else one that is."""
    stream.need(_LOOKED_AT)
    return recoded(stream, wide_encoding(bytes(stream.buffer[:_LOOKED_AT])))


def recoded(stream: ByteStream, codec: str | None) -> ByteStream:
    """The stream itself if `codec` is None, else one of UTF-8."""
    return stream if codec is None else RecodedStream(stream, codec)


def parsed(content: bytes, max_garbage: float) -> Any:
    """The value that these bytes are. Bytes that are not UTF-8 become U+FFFD, unless their share is too large.

    Raises ValueError if they are no JSON, or values are nested more than MOST_DEPTH times.
    """
    content = content.removeprefix(UTF8_MARK)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
        if text.count("\ufffd") > max_garbage * len(text):
            raise
    return loaded(text)


def loaded(text: str) -> Any:
    """The value that a text is. Raises ValueError if it is not JSON, or nested more than MOST_DEPTH times."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.count("[") + text.count("{") > MOST_DEPTH and _is_deeper(value, MOST_DEPTH):
        raise ValueError("nested too deeply")
    return value


def _is_deeper(value: Any, most: int) -> bool:
    """Whether there are values within more than `most` others."""
    level = [value]
    for _ in range(most + 1):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for values in inner for one in values]
    return bool(level)


def canonical(value: Any) -> str:
    """The value as canonical JSON: sorted keys, no spaces. Numbers that JSON does not have (a NaN) become strings."""
    try:
        return _written(value)
    except ValueError:
        return _written(_finite(value))


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list) else value

"""The last bytes of an S3 object, with which a reader of parts of it begins: they hold a file's footer, or its index.

One request gives them together with the size and the etag, which saves asking for the head first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from refinedweb.storage.s3_sums import BLOCK, Corrupt, check_blocks

ENDING = 2 * BLOCK  # bytes: at least one whole block of sums
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
Fetch = Callable[[int, int], bytes]


class End(NamedTuple):
    """What a store answered, the object's last bytes, and the size of all of it."""

    answer: dict[str, Any]
    data: bytes
    size: int
    uri: str

    @classmethod
    def of(cls, answer: dict[str, Any], data: bytes, uri: str) -> End:
        """From the answer to a request for the last bytes; a store that takes no ranges sends everything.

        Raises Corrupt if other bytes came than the store says.
        """
        span = _RANGE.fullmatch(answer.get("ContentRange", ""))
        first, last, size = map(int, span.groups()) if span is not None else (0, answer["ContentLength"] - 1, len(data))
        if len(data) != last + 1 - first or last + 1 != size:
            raise Corrupt(f"{uri}: {len(data)} bytes arrived of {first} to {last}, and it has {size}")
        return cls(answer, data, size, uri)

    @property
    def whole(self) -> bool:
        """Whether these bytes are all of the object."""
        return len(self.data) == self.size

    def before(self, fetch: Fetch, sums: bytes | None) -> Fetch:
        """`fetch` for what comes before these bytes. Of them, whole blocks are compared with the sums, if there are
        any; what cannot be compared, or differs, is fetched.
        """
        start = self.size - len(self.data)
        if sums is not None:
            start = -(-start // BLOCK) * BLOCK
            try:
                check_blocks(self.uri, self.data[start - self.size :], sums, start)
            except Corrupt:
                return fetch

        def cached(first: int, last: int) -> bytes:
            if first < start:
                return fetch(first, last)
            return self.data[first - self.size : last + 1 - self.size or None]

        return cached

"""What the engine needs from a store: streams, listing, and the two conditional writes that the ledger relies on.

Keys are relative to the store's root, with `/` between parts. An object exists as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol, Self

from stages.errors import RefinedWebError


class Missing(RefinedWebError):
    """There is no object with this key."""


class Exists(RefinedWebError):
    """A create-only write found that another writer had created the object."""


class Changed(RefinedWebError):
    """A compare-and-swap found another version of the object than the one it named."""


class ObjectInfo(NamedTuple):
    """One object: its key, its size in bytes, and an etag that changes whenever its content does."""

    key: str
    size: int
    etag: str


class StoredObject(NamedTuple):
    """A finished object: its size in bytes and the 128-bit xxh3 of its bytes, in hex."""

    size: int
    checksum: str


class Sink(Protocol):
    """A binary stream into an object. `finish` commits it; leaving the `with` block without `finish` discards it."""

    closed: bool

    def write(self, data: bytes) -> int: ...
    def flush(self) -> None: ...
    def finish(self) -> StoredObject: ...
    def discard(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None: ...


class Store(Protocol):
    """A folder on disk or a prefix of a bucket."""

    root: str
    parallel: int
    """How many small reads in parallel pay off: one on disk, many if each waits for a network."""

    def __hash__(self) -> int:
        """`open_store` gives one object for one root, so that caches may have stores as keys."""
        ...

    def uri(self, key: str) -> str:
        """The full name of an object, as a user would write it."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """List the objects whose key starts with `prefix`, in key order. Unfinished objects are not listed."""
        ...

    def info(self, key: str) -> ObjectInfo:
        """Key, size and etag of an object. Raises Missing."""
        ...

    def get(self, key: str) -> tuple[bytes, str]:
        """Read the content and etag of a small object. Raises Missing."""
        ...

    def part(self, key: str, offset: int, size: int) -> bytes:
        """Read these bytes of an object by one request; fewer if it ends before. Raises Missing."""
        ...

    def put(self, key: str, data: bytes) -> str:
        """Write or replace a small object. Returns its etag."""
        ...

    def put_new(self, key: str, data: bytes) -> str:
        """Create an object; exactly one racing writer succeeds. Raises Exists, or CommitUnknown (read again)."""
        ...

    def put_match(self, key: str, data: bytes, etag: str) -> str:
        """Replace exactly the version `etag`. Raises Changed (also if the object is gone), or CommitUnknown."""
        ...

    def open(self, key: str, *, random: bool = False) -> BinaryIO:
        """Open a seekable stream. `random` reads just what is requested (Parquet), else ahead. Raises Missing."""
        ...

    def create(self, key: str) -> Sink:
        """Open a stream into a new object, which replaces an existing one when it is finished."""
        ...

    def delete(self, key: str) -> None:
        """Delete the object if it exists."""
        ...

    def delete_many(self, keys: Sequence[str]) -> None:
        """Delete those of the objects that exist, with few requests."""
        ...

    def throttled(self) -> str | None:
        """Since when the store asks this process for fewer requests, in words; None if it does not."""
        ...

    def tidy(self) -> None:
        """Remove what killed writers left over; nothing that others are writing."""
        ...

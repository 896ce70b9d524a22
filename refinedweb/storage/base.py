"""What the engine needs of a store: streams, listing, and the two conditional writes the ledger stands on.

Keys are relative to the store's root, with `/` between parts. An object appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol, Self

from stages.errors import RefinedWebError


class Missing(RefinedWebError):
    """There is no object under this key."""


class Exists(RefinedWebError):
    """A create-only write found another writer's object under the key."""


class Changed(RefinedWebError):
    """A compare-and-swap found another version than the one it named."""


class ObjectInfo(NamedTuple):
    """One object: its key, size in bytes, and an etag that changes whenever its content does."""

    key: str
    size: int
    etag: str


class StoredObject(NamedTuple):
    """A finished object: size in bytes and the 128-bit xxh3 of its bytes, in hex."""

    size: int
    checksum: str


class Sink(Protocol):
    """A binary stream into an object that appears only at `finish`. Leaving the `with` block without it discards."""

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
    """How many small reads side by side pay off: one on disk, many where each waits for a network."""

    def uri(self, key: str) -> str:
        """The full name of an object, as a user would write it."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose key starts with `prefix`, in key order. Unfinished ones are not seen."""
        ...

    def info(self, key: str) -> ObjectInfo:
        """Raises Missing."""
        ...

    def get(self, key: str) -> tuple[bytes, str]:
        """Content and etag of a small object. Raises Missing."""
        ...

    def put(self, key: str, data: bytes) -> str:
        """Write or replace a small object; its etag."""
        ...

    def put_new(self, key: str, data: bytes) -> str:
        """Create; of all racing writers exactly one succeeds. Raises Exists, or CommitUnknown (read again)."""
        ...

    def put_match(self, key: str, data: bytes, etag: str) -> str:
        """Replace exactly the version `etag`. Raises Changed (also when it is gone), or CommitUnknown."""
        ...

    def open(self, key: str, *, random: bool = False) -> BinaryIO:
        """A seekable stream. `random` = read just what is asked for (Parquet); else it reads ahead. Raises Missing."""
        ...

    def create(self, key: str) -> Sink:
        """A stream into a new object that replaces whatever is there when it is finished."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object if it is there."""
        ...

    def tidy(self) -> None:
        """Remove what killed writers left behind. For when nobody writes any more."""
        ...

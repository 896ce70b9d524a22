"""A folder on disk as a store.

Every write goes to a file in `.tmp/` first, is synced, and then gets its name by `rename` (replace) or `link`
(create-only, atomic with its content: `O_EXCL` alone could leave an empty record after a crash). Compare-and-swap holds
an `flock`, which the kernel releases when the process ends. Where the file system has no hard links, create-only holds
that lock too, looks, and renames: a record is never half-written there either. Without locks there is no ledger.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self

import xxhash

from refinedweb.storage.base import Changed, Exists, Missing, ObjectInfo, StoredObject
from refinedweb.storage.keys import checked_key, checked_prefix
from refinedweb.storage.local_calls import linked, sync_folder
from refinedweb.storage.os_errors import explained
from refinedweb.storage.partial import TEMPORARY, clear, lock_file, make_folder, new_file

READ_AHEAD = 1 << 20  # bytes: a few system calls per file read in order


class LocalStore:
    """Objects are files below `root`."""

    parallel = 1

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def uri(self, key: str) -> str:
        return os.path.join(self.root, key) if key else self.root

    def path(self, key: str) -> str:
        """Where the object lies. Raises ConfigError for a key that leads elsewhere."""
        return os.path.join(self.root, checked_key(key))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        folder, _, _ = checked_prefix(prefix).rpartition("/")
        for key, entry in _walk(self.uri(folder), folder):
            if key.startswith(prefix):
                with suppress(FileNotFoundError):  # another driver has deleted it
                    yield _info(key, entry.stat())

    def broken_links(self, prefix: str) -> Sequence[str]:
        """The keys below a folder that are links to nothing, which `list` leaves out."""
        found = _walk(self.uri(checked_prefix(prefix).rstrip("/")), prefix.rstrip("/"))
        return [key for key, entry in found if entry.is_symlink() and not os.path.exists(entry.path)]

    def info(self, key: str) -> ObjectInfo:
        try:
            with explained(self.path(key)):
                return _info(key, os.stat(self.path(key)))
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(f"no file {self.uri(key)}") from None

    def get(self, key: str) -> tuple[bytes, str]:
        try:
            with explained(self.path(key)):
                data = Path(self.path(key)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(f"no file {self.uri(key)}") from None
        return data, _etag(data)

    def part(self, key: str, offset: int, size: int) -> bytes:
        with self.open(key, random=True) as file, explained(self.path(key)):
            file.seek(offset)
            return file.read(size)

    def put(self, key: str, data: bytes) -> str:
        with LocalSink(self, key) as sink:
            sink.write(data)
            sink.finish()
        return _etag(data)

    def put_new(self, key: str, data: bytes) -> str:
        with LocalSink(self, key) as sink:
            sink.write(data)
            try:
                sink.finish_new()
            except FileExistsError:
                raise Exists(f"{self.uri(key)} exists") from None
        return _etag(data)

    def name_new(self, key: str, temporary: str) -> None:
        """Give the finished file its name. Raises FileExistsError."""
        path = self.path(key)
        if linked(temporary, path):
            with suppress(OSError):  # a disk that has become read-only keeps it
                os.unlink(temporary)
            return
        with self._lock(key):
            if os.path.lexists(path):
                raise FileExistsError(path)
            os.replace(temporary, path)

    def put_match(self, key: str, data: bytes, etag: str) -> str:
        with self._lock(key):
            try:
                _, found = self.get(key)
            except Missing:
                found = None
            if found != etag:
                raise Changed(f"{self.uri(key)} changed since it was read")
            return self.put(key, data)

    def open(self, key: str, *, random: bool = False, checked: bool = False) -> BinaryIO:
        try:
            with explained(self.path(key)):
                return open(self.path(key), "rb", buffering=0 if random else READ_AHEAD)
        except (FileNotFoundError, IsADirectoryError):
            raise Missing(f"no file {self.uri(key)}") from None

    def create(self, key: str) -> LocalSink:
        return LocalSink(self, key)

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError), explained(self.path(key)):
            os.unlink(self.path(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def throttled(self) -> str | None:
        return None

    def tidy(self) -> None:
        clear(self.root)

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        name = xxhash.xxh3_64_hexdigest(key.encode())
        with explained(os.path.join(self.root, TEMPORARY)):
            file = lock_file(self.root, name, self.path(key))  # what the caller raises is not ours to explain
        with file:
            yield


class LocalSink:
    """A `Sink` into a file."""

    def __init__(self, store: LocalStore, key: str) -> None:
        self._store, self._key, self._final = store, key, store.path(key)
        make_folder(os.path.dirname(self._final))
        with explained(self._final):
            self._path, self._file = new_file(store.root)  # closed by finish or discard
        self._hash = xxhash.xxh3_128()
        self.closed = False

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        with explained(self._final):
            return self._file.write(data)

    def flush(self) -> None:
        with explained(self._final):
            self._file.flush()

    def finish(self) -> StoredObject:
        return self._finish(lambda: os.replace(self._path, self._final))

    def finish_new(self) -> StoredObject:
        """As `finish`, unless there is such a file. Raises FileExistsError then."""
        return self._finish(lambda: self._store.name_new(self._key, self._path))

    def _finish(self, name: Callable[[], None]) -> StoredObject:
        """Sync the file and give it its name. It is open, and so locked, until it has one."""
        with explained(self._final):
            self._file.flush()
            os.fsync(self._file.fileno())
            size = self._file.tell()
            name()
            self._file.close()
            sync_folder(os.path.dirname(self._final))
        self.closed = True
        return StoredObject(size, self._hash.hexdigest())

    def discard(self) -> None:
        if not self.closed:
            self.closed = True
            with suppress(OSError):  # closing flushes, which a full disk refuses again
                self._file.close()
            with suppress(OSError):  # a disk that has become read-only keeps the file
                os.unlink(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        self.discard()


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with explained(folder):
            entries = sorted(os.scandir(folder), key=_place, reverse=True)
    except (FileNotFoundError, NotADirectoryError):
        return
    while entries:
        entry = entries.pop()  # not kept: each entry caches its stat, a gigabyte for a million files
        key = f"{prefix}/{entry.name}" if prefix else entry.name
        if entry.is_dir():
            if entry.name != TEMPORARY:
                yield from _walk(entry.path, key)
        else:
            yield key, entry


def _place(entry: os.DirEntry[str]) -> str:
    """By what entries are sorted so that keys come in their order, as on S3: `a-b/c` is before `a/b`."""
    return f"{entry.name}/" if entry.is_dir() else entry.name


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, stat.st_size, f"{stat.st_size:x}-{stat.st_mtime_ns:x}")


def _etag(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)

"""A folder on disk as a store.

Every write goes to a file in `.tmp/` first, is synced, and then gets its name by `rename` (replace) or `link`
(create-only, atomic with its content: `O_EXCL` alone could leave an empty record after a crash). Compare-and-swap holds
an `flock`, which the kernel releases when the process ends. Where the file system has no hard links, create-only holds
that lock too, looks, and renames: a record is never half-written there either. Without locks there is no ledger.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self

import xxhash

from refinedweb.storage.base import Changed, Exists, Missing, ObjectInfo, StoredObject
from refinedweb.storage.keys import checked_key, checked_prefix
from refinedweb.storage.local_calls import linked, lock, sync_folder
from refinedweb.storage.os_errors import explained
from stages.errors import ConfigError

TEMPORARY = ".tmp"
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

    def put(self, key: str, data: bytes) -> str:
        with LocalSink(self, key) as sink:
            sink.write(data)
            sink.finish()
        return _etag(data)

    def put_new(self, key: str, data: bytes) -> str:
        temporary = self._temporary(key)
        try:
            with explained(self.path(key)):
                _write_synced(temporary, data)
            self._create(key, temporary)
        except FileExistsError:
            raise Exists(f"{self.uri(key)} exists") from None
        finally:
            with suppress(OSError):  # a disk that has become read-only keeps the file
                temporary.unlink(missing_ok=True)
        return _etag(data)

    def _create(self, key: str, temporary: Path) -> None:
        """Give the finished file its name. Raises FileExistsError."""
        path = self.path(key)
        with explained(path):
            if not linked(temporary, path):
                with self._lock(key):
                    if os.path.lexists(path):
                        raise FileExistsError(path)
                    os.replace(temporary, path)
            sync_folder(os.path.dirname(path))

    def put_match(self, key: str, data: bytes, etag: str) -> str:
        with self._lock(key):
            try:
                _, found = self.get(key)
            except Missing:
                found = None
            if found != etag:
                raise Changed(f"{self.uri(key)} changed since it was read")
            return self.put(key, data)

    def open(self, key: str, *, random: bool = False) -> BinaryIO:
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
        shutil.rmtree(os.path.join(self.root, TEMPORARY), ignore_errors=True)

    def _temporary(self, key: str) -> Path:
        folder = Path(self.root, TEMPORARY)
        for needed in (os.path.dirname(self.path(key)), str(folder)):
            _make_folder(needed)
        return folder / uuid.uuid4().hex

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        path = self._temporary(key).with_name(xxhash.xxh3_64_hexdigest(key.encode()) + ".lock")
        with explained(str(path)):
            file = open(path, "wb")  # noqa: SIM115  (closed below; errors that the caller raises are not ours to explain)
        with file:
            lock(file.fileno(), self.path(key))
            yield


class LocalSink:
    """A `Sink` into a file."""

    def __init__(self, store: LocalStore, key: str) -> None:
        self._final = store.path(key)
        self._path = store._temporary(key)
        with explained(self._final):
            self._file = self._path.open("xb")  # closed by finish or discard
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
        with explained(self._final):
            self._file.flush()
            os.fsync(self._file.fileno())
            size = self._file.tell()
            self._file.close()
            os.replace(self._path, self._final)
            sync_folder(os.path.dirname(self._final))
        self.closed = True
        return StoredObject(size, self._hash.hexdigest())

    def discard(self) -> None:
        if not self.closed:
            self.closed = True
            with suppress(OSError):  # closing flushes, which a full disk refuses again
                self._file.close()
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

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


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: str) -> None:
    """Create the folder and those above it. Raises ConfigError if one of these names is not a folder."""
    try:
        with explained(folder):
            os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"{folder}: a file is where a folder is needed; choose another output") from error

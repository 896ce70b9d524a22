"""Files in a store's `.tmp/`: what is being written, and the files whose locks compare-and-swap holds.

Each is locked for as long as it is open. So what a dead process left differs from what a live one is writing, and
one driver can clean up at its end while others go on. A name that was taken away between opening and locking is opened
again: two processes must never hold "the" lock on two files.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from contextlib import suppress
from typing import BinaryIO

from refinedweb.storage.local_calls import lock, locked_if_free
from refinedweb.storage.os_errors import explained
from stages.errors import ConfigError

TEMPORARY = ".tmp"
_TRIES = 1000  # each lost to another driver's cleaning; the folder that is never there is another error


def new_file(root: str) -> tuple[str, BinaryIO]:
    """A new file in `.tmp/`, locked if the file system has locks; its path and the file."""
    name = uuid.uuid4().hex
    return os.path.join(root, TEMPORARY, name), _opened(root, name, must=None)


def lock_file(root: str, name: str, key: str) -> BinaryIO:
    """The file of this name in `.tmp/`, locked. Raises ConfigError if the file system has no locks; it names `key`."""
    return _opened(root, f"{name}.lock", must=key)


def _opened(root: str, name: str, must: str | None) -> BinaryIO:
    folder = os.path.join(root, TEMPORARY)
    path = os.path.join(folder, name)
    make_folder(root)
    for _ in range(_TRIES):
        try:
            with suppress(FileExistsError):
                os.mkdir(folder)
            file = open(path, "wb")  # noqa: SIM115  (it is the caller's, who closes it)
        except FileNotFoundError:
            continue
        except NotADirectoryError as error:
            raise ConfigError(f"{folder}: a file is where a folder is needed; choose another output") from error
        try:
            if must is not None:
                lock(file.fileno(), must)
            elif not locked_if_free(file.fileno()):
                file.close()  # who cleans up has it, and takes it away
                continue
        except BaseException:
            file.close()
            raise
        if _is_at(file.fileno(), path):
            return file
        file.close()
    raise ConfigError(f"{folder}: what is created here vanishes; let nothing else clean this folder")


def _is_at(file: int, path: str) -> bool:
    """Whether an open file is the one of this name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def clear(root: str) -> None:
    """Delete what nobody writes any more, and the folder if it is empty then. Refusals are left for the next time."""
    folder = os.path.join(root, TEMPORARY)
    with suppress(OSError):
        for entry in os.listdir(folder):
            with suppress(OSError):
                _delete_if_free(os.path.join(folder, entry))
        os.rmdir(folder)


def _delete_if_free(path: str) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(handle, path):  # another driver may have deleted it since, and a writer begun one of this name
            os.unlink(path)
    finally:
        os.close(handle)


def make_folder(folder: str) -> None:
    """Create the folder and those above it. Raises ConfigError if one of these names is not a folder."""
    try:
        with explained(folder):
            os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"{folder}: a file is where a folder is needed; choose another output") from error

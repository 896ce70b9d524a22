"""What not every file system can do: hard links, locks, and folders that can be synced.

Ext4, XFS, tmpfs and NFS have all three. FAT and some FUSE file systems have no hard links, Lustre has no locks unless
it is mounted with `-o flock`, and many network file systems refuse to sync a folder, because they do so at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from contextlib import suppress
from pathlib import Path

from refinedweb.storage.os_errors import explained, translated
from stages.errors import ConfigError

LOCKS_ADVICE = "mount it with them (Lustre: -o flock, NFS: with lockd), or write to another disk or to S3"
_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_NO_LINKS = {*_UNSUPPORTED, errno.EPERM, errno.EMLINK}  # EPERM is what Linux says of FAT
_NO_LOCKS = {*_UNSUPPORTED, errno.ENOLCK}
_NO_SYNC = {*_UNSUPPORTED, errno.EINVAL, errno.EBADF}


def linked(source: str | Path, target: str) -> bool:
    """Give a file a second name; False if the file system has no hard links. Raises FileExistsError if it is taken."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def lock(file: int, path: str) -> None:
    """Wait for the exclusive lock of an open file. Raises ConfigError if the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise translated(path, error) from error
        raise ConfigError(
            f"{path}: this file system has no locks ({error.strerror}), which the ledger needs; {LOCKS_ADVICE}"
        ) from error


def locked_if_free(file: int) -> bool:
    """Lock an open file without waiting; False if another has it. A file system without locks has nothing to say."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def sync_folder(folder: str) -> None:
    """Make new names in the folder survive a power cut, if the file system can be asked to."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def what_it_can(folder: str) -> tuple[bool, str]:
    """Whether a ledger can lie in this folder, and what its file system has. Leaves no file."""
    name = os.path.join(folder, uuid.uuid4().hex)
    with explained(folder):
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        with explained(folder):
            links = "hard links" if linked(name, name + ".link") else "no hard links (locks are used instead)"
        try:
            lock(handle, folder)
        except ConfigError:
            return False, f"{links}, no locks"
        return True, f"{links}, locks"
    finally:
        os.close(handle)
        for left in (name, name + ".link"):
            with suppress(OSError):
                os.unlink(left)

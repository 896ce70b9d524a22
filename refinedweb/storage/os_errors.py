"""What a file system's errors mean for the engine, and what the user can do about them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from stages.errors import ConfigError, Full, RefinedWebError, RetryError, Unanswered

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
}
MAKE_ROOM = "make room and run the same command again: what is committed is safe"
FORBIDDEN = {
    errno.EACCES: "permission denied; change its owner or mode, or choose another place",
    errno.EPERM: "permission denied; change its owner or mode, or choose another place",
    errno.EROFS: "the file system is read-only; mount it writable, or choose another place",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "a symbolic link points to itself",
    errno.ENOSYS: "this file system cannot do that; choose another place",
    errno.EOPNOTSUPP: "this file system cannot do that; choose another place",
    errno.EFBIG: "the file is larger than the system allows; raise `ulimit -f`, or choose another file system",
}


NETWORK = {  # what a network file system says when its server cannot be reached
    errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ECONNREFUSED,
    errno.ECONNRESET, errno.ECONNABORTED, errno.ENOTCONN,
}  # fmt: skip


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn an OSError into a ConfigError if it will persist, or a RetryError if it may pass (Full if it needs room).

    The four that say whether a file exists (FileExistsError …) are left to the caller.
    """
    try:
        yield
    except (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise
    except OSError as error:
        raise translated(path, error) from error
    except ValueError as error:  # a NUL in the name
        raise ConfigError(f"{path!r} is not a file name: {error}") from error


def translated(path: str, error: OSError) -> RefinedWebError:
    """The error that says what to do next. Raise it from the original, so that nothing of it is lost."""
    if error.errno in FULL:
        return Full(f"{path}: {FULL[error.errno]}; {MAKE_ROOM}")
    if error.errno in FORBIDDEN:
        return ConfigError(f"{path}: {FORBIDDEN[error.errno]}")
    meaning = Unanswered if error.errno in NETWORK else RetryError
    return meaning(f"{path}: {error.strerror or os.strerror(error.errno or 0)}")

"""What a file system's refusals mean for the engine, and what the user can do about them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from stages.errors import ConfigError, RefinedWebError, RetryError

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the system allows",
}
FORBIDDEN = {
    errno.EACCES: "permission denied; change its owner or mode, or choose another place",
    errno.EPERM: "permission denied; change its owner or mode, or choose another place",
    errno.EROFS: "the file system is read-only; mount it writable, or choose another place",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "a symbolic link points to itself",
}


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Raises ConfigError for what stays refused, RetryError for what may pass, in place of the system's OSError.

    The four that say whether a file is there (FileExistsError …) are the caller's.
    """
    try:
        yield
    except (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise
    except OSError as error:
        raise named(path, error) from error
    except ValueError as error:  # a NUL in the name
        raise ConfigError(f"{path!r} is no name of a file: {error}") from error


def named(path: str, error: OSError) -> RefinedWebError:
    """The error by what to do next."""
    if error.errno in FULL:
        then = "make room and run the same command again: what is committed is safe"
        return RetryError(f"{path}: {FULL[error.errno]}; {then}")
    if error.errno in FORBIDDEN:
        return ConfigError(f"{path}: {FORBIDDEN[error.errno]}")
    return RetryError(f"{path}: {error.strerror or os.strerror(error.errno or 0)}")

"""Which keys a store takes: names that stay below its root, however they came in.

Keys come from records, runs and listings that others made. `..` and a leading `/` lead out of a local root, a NUL ends
a name early, and `.` and empty parts give one object two names. S3 takes them all literally, but what is copied from
there to a disk would not stay where it should: so both stores refuse the same keys.
"""

from __future__ import annotations

import re

from stages.errors import ConfigError

_NO_PARTS = frozenset(("", ".", ".."))
_PASSWORD = re.compile(r"(?<=://)[^/\s]{1,300}@")


def checked_key(key: str) -> str:
    """The key of one object. Raises ConfigError if it is not the plain name of something below the root."""
    if "\0" in key or not _NO_PARTS.isdisjoint(key.split("/")):
        raise ConfigError(f"{key!r} is not the key of an object: {_RULE}")
    return key


def checked_prefix(prefix: str) -> str:
    """The beginning of keys: its last part may be empty or cut short. Raises ConfigError if no key begins so."""
    if "\0" in prefix or not _NO_PARTS.isdisjoint(prefix.split("/")[:-1]):
        raise ConfigError(f"{prefix!r} is not a prefix of keys: {_RULE}")
    return prefix


_RULE = "its parts between / must be names, none of them empty, '.' or '..', and without a NUL"


def is_full(name: str) -> bool:
    """Whether a list that names files names this one in full, and not below something."""
    return name.startswith(("s3://", "/"))


def full_name(name: str, base: str) -> str:
    """The full name of a file that a list names, perhaps below `base`."""
    return name if is_full(name) else f"{base.rstrip('/')}/{name}"


def masked(uri: str) -> str:
    """A URI without its query, which in a signed URL is a password, and without a password in front of its host."""
    path, mark, query = uri.partition("?")
    return _PASSWORD.sub("…@", f"{path}?…" if mark and "=" in query else uri)

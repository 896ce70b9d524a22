"""This machine's copies of remote models and lists: a private folder whose entries are named after their content.

    assets/<digest>/<name>     a file or folder whose sha256 is <digest>; nothing else ever gets that name
    assets/.partial-…/<name>   what is being fetched

Bytes are fetched into a partial folder, hashed there, and renamed only if they are what was pinned: neither a broken
download nor a wrong pin can leave anything under the name of the right content. An entry is hashed again before its
first use in a process, and replaced if it is wrong. The folder is its user's alone (0700): what others could write,
they could exchange after it was hashed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from refinedweb.storage.os_errors import explained
from stages.assets import digest_of, open_asset, with_pin
from stages.errors import ConfigError

PRIVATE = 0o700
_LOCK = ".lock"
_PARTIAL = ".partial-"


def cache_folder() -> Path:
    """The folder of the copies, which is made if need be. Raises ConfigError if it is another user's."""
    return private_folder("assets")


def private_folder(name: str) -> Path:
    """A folder of this user alone, which is made if need be. Raises ConfigError if it is another user's."""
    base = Path(os.environ.get("REFINEDWEB_CACHE", Path.home() / ".cache" / "refinedweb"))
    folder = base / name
    try:
        with explained(str(folder)):
            base.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            folder.mkdir(mode=PRIVATE, exist_ok=True)
            found = folder.stat()
            if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != PRIVATE:
                folder.chmod(PRIVATE)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"{folder}: a file is where a folder is needed; set REFINEDWEB_CACHE to another") from error
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{folder} belongs to user {found.st_uid}, who could change what is in it; set REFINEDWEB_CACHE to a "
            "folder of your own"
        )
    return folder


@contextmanager
def partial_folder() -> Iterator[Path]:
    """A new private folder to fetch into. What is still in it at the end is deleted."""
    folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=cache_folder()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cached(digest: str, name: str) -> Path | None:
    """The copy of this content; None if there is none, or what lies under its name is something else."""
    copy = cache_folder() / digest / name
    if not copy.exists():
        return None
    with suppress(ConfigError, OSError):  # another process may be replacing a wrong one
        return open_asset(with_pin(str(copy), digest))
    return None


def keep(fetched: Path, digest: str) -> Path:
    """The copy of the content `fetched`, whose digest this is, under its own name from now on."""
    folder = cache_folder()
    entry = folder / digest
    with (folder / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        copy = entry / fetched.name
        if copy.exists():
            if digest_of(copy) == digest:  # another process was faster
                return copy
            _delete(copy)
        entry.mkdir(mode=PRIVATE, exist_ok=True)
        fetched.rename(copy)
    return copy


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()

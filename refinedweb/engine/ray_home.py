"""A private place for one embedded Ray: a folder that only this user can enter, and a token that nobody else has.

By itself, Ray keeps its sockets and logs in a folder that is open to everyone, and the token of all of a user's runs in
`~/.ray/auth_token`, readable by everyone. Here both live as long as the run. A run that was killed leaves its folder to
the next one, which removes it: the lock on it is free.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from refinedweb.patches import read_token_again
from stages.errors import ConfigError

PREFIX, RAYS, LOCK = "rw-", "r", "lock"
MOST_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # bytes: the system's limit for a Unix socket
LONGEST_SOCKET = f"/{PREFIX}12345678/{RAYS}/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
REMOVALS, REMOVAL_SECONDS = 20, 0.1  # tries, and the wait between them: Ray's processes may still write while they end


def temporary_folder() -> Path:
    """The folder below which Ray's is made: RAY_TMPDIR, or what TMPDIR says. Raises ConfigError if there is none."""
    try:
        return Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    except FileNotFoundError as error:
        raise ConfigError(f"{error}; set RAY_TMPDIR to a writable folder, or use --workers 1") from error


def socket_path_length(folder: Path) -> int:
    """The length in bytes of the longest path of a socket that Ray makes if its folder is below this one."""
    return len(os.fsencode(folder.absolute())) + len(LONGEST_SOCKET)


class RayHome:
    """The folder and the token of one embedded Ray, from now until `close`. `folder` is for `ray.init`."""

    def __init__(self, ray: Any) -> None:
        """Raises ConfigError if there is no place for the folder."""
        below = temporary_folder()
        if socket_path_length(below) > MOST_SOCKET_PATH:
            raise ConfigError(
                f"Ray cannot keep its sockets below {below}: their paths would have {socket_path_length(below)} bytes, "
                f"and at most {MOST_SOCKET_PATH} are possible; set RAY_TMPDIR to a folder with a shorter path"
            )
        remove_left_over(below)
        try:
            self._private = Path(tempfile.mkdtemp(prefix=PREFIX, dir=below))
            self._lock = _locked(self._private)
        except OSError as error:
            raise ConfigError(
                f"Ray's folder cannot be made below {below}: {error}; set RAY_TMPDIR to a writable folder"
            ) from error
        self.folder = self._private / RAYS  # one level down: Ray opens the folder that it is given to everyone
        self._ray = ray
        self._before = _set({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
        read_token_again(ray)

    @property
    def logs(self) -> Path:
        """Where Ray's own logs are."""
        return self.folder / "session_latest" / "logs"

    def close(self, *, keep: bool = False) -> None:
        """Forget the token and remove the folder; `keep` leaves it to be read, until the next run removes it."""
        _set(self._before)
        read_token_again(self._ray)
        if not keep:
            _remove(self._private)
        os.close(self._lock)


def remove_left_over(below: Path) -> None:
    """Remove the folders of this user's runs that were killed."""
    for folder in below.glob(f"{PREFIX}????????"):
        with suppress(OSError):
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its run is alive
                    _remove(folder)
                finally:
                    os.close(lock)


def _locked(folder: Path) -> int:
    """An open file in the folder, locked for as long as this process lives. It has its name only once it is locked."""
    lock = os.open(folder / "new", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(folder / "new", folder / LOCK)
    return lock


def _remove(folder: Path) -> None:
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(REMOVAL_SECONDS)


def _set(wanted: dict[str, str | None] | dict[str, str]) -> dict[str, str | None]:
    """Set the environment variables (None: unset). Returns what they were."""
    before = {name: os.environ.get(name) for name in wanted}
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before

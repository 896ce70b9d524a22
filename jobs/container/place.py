"""Where this container may write. Services have been seen to run images as a user of their own and to mount /tmp and
/opt/ml read-only, so it is tried out, and everything that a run writes on a host goes to the folder that was found.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from stages.errors import ConfigError

ENOUGH = 1 << 30  # bytes free: sockets, logs and kernels need less; a folder in memory is the last choice
LONGEST = 40  # characters: Ray's sockets lie below, with names of 60, and a socket's path has 107 at most
# In the order of preference: the usual ones, SageMaker's volume, the user's own, memory.
PLACES = ("/tmp", "/var/tmp", "/opt/ml/processing", "/opt/ml/output", "/opt/ml/model", "~", "/dev/shm", ".")


def settle(environment: MutableMapping[str, str], places: tuple[str, ...] = PLACES) -> Path:
    """Find a folder to write in, and name it in the environment of this process and its children: as TMPDIR, for Ray's
    sockets and logs, and as the home of a user who has none. Raises ConfigError, with what was tried.
    """
    found, refused = None, {}
    for place in _candidates(environment, places):
        why = _refusal(place)
        if why is not None:
            refused[place] = why
        elif shutil.disk_usage(place).free >= ENOUGH:
            found = place
            break
        else:
            found = found or place
    if found is None:
        tried = "; ".join(f"{place}: {why}" for place, why in refused.items())
        raise ConfigError(f"this container can write nowhere ({tried}); mount a volume and name it in TMPDIR")
    environment["TMPDIR"] = str(found)
    tempfile.tempdir = None  # the answer of an earlier question
    if _refusal(Path(environment.get("RAY_TMPDIR", "/nowhere"))) is not None:
        environment["RAY_TMPDIR"] = str(found)
    if not environment.get("HOME") or _refusal(Path(environment["HOME"])) is not None:
        environment["HOME"] = str(found)
    if not _is_known(os.getuid()):  # getpass and others ask for a name
        environment.setdefault("USER", f"user{os.getuid()}")
        environment.setdefault("LOGNAME", environment["USER"])
    return found


def _candidates(environment: MutableMapping[str, str], places: tuple[str, ...]) -> Iterator[Path]:
    given = environment.get("TMPDIR")
    for place in (*([given] if given else []), *places):
        home = environment.get("HOME", "") if place == "~" else place
        if home:
            yield Path(home).absolute()


def _refusal(folder: Path) -> str | None:
    """Why nothing can be written there; None if it can."""
    if len(str(folder)) > LONGEST:
        return f"a path of more than {LONGEST} characters has no room for sockets below it"
    try:
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            os.write(descriptor, b"x")  # a full disk makes empty files
        finally:
            os.close(descriptor)
            os.unlink(name)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _is_known(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True

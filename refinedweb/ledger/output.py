"""Refuses an OUT that was meant in another way, or where nothing stays, before a folder of that name is made."""

from __future__ import annotations

import os
import re

from stages.errors import ConfigError

_NOT_FOR_FILES = ("/proc", "/sys", "/dev")
_FOR_FILES = ("/dev/shm",)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.I)


def check_output(out: str) -> None:
    """Raises ConfigError for an output that cannot be one."""
    if out.startswith("s3://"):
        return
    if found := _SCHEME.match(out):
        raise ConfigError(f"OUT begins with {found[0]}: a run is written to a local folder or to s3://")
    if out == "-":
        raise ConfigError(
            "OUT is -, but a run is a folder with many files, and cannot go to standard output; name a folder"
        )
    if out == "~" or out.startswith("~/"):
        raise ConfigError(
            f"OUT is {out!r}: the shell did not put your home folder for ~, because it was quoted; write "
            f"{os.path.expanduser(out)}, or ./{out} for a folder of that name"
        )
    full = os.path.realpath(out)
    if any(_below(full, root) for root in _NOT_FOR_FILES) and not any(_below(full, root) for root in _FOR_FILES):
        raise ConfigError(
            f"OUT is {out}, where the system shows itself and no file can be kept; name a folder on a disk"
        )


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")

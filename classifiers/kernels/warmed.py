"""Kernels that an image was built with lie where a run may not write; numba uses no cache that it cannot write to.

So the first process of a machine copies them (20 MB) into a private folder, and all use that. The folder is trusted as
code is: it must be ours, and nobody else may write there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

KERNELS = "REFINEDWEB_KERNELS"  # the folder of the compiled kernels, set by the image
CACHE = "NUMBA_CACHE_DIR"  # set by a user, it is left alone


def use_warmed() -> None:
    """Make numba use a copy of the image's kernels. Without one, or without a place for it, everything stays as it is.

    It must be called before numba is imported, which reads its settings then.
    """
    warmed = os.environ.get(KERNELS)
    if warmed is None or CACHE in os.environ or not Path(warmed).is_dir():
        return
    try:
        os.environ[CACHE] = str(_copy(Path(warmed)))
    except OSError as error:
        print(f"kernels are compiled anew in every process: {error}; set TMPDIR to a writable folder", file=sys.stderr)


def _copy(warmed: Path) -> Path:
    """The private copy. Raises OSError if no folder can be written."""
    if os.access(warmed, os.W_OK):
        return warmed
    state = warmed.stat()
    name = hashlib.sha256(f"{warmed} {state.st_ino} {state.st_mtime_ns}".encode()).hexdigest()[:12]
    copy = Path(tempfile.gettempdir(), f"refinedweb-{os.getuid()}-{name}")
    if not copy.exists():
        made = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))  # of mode 0700
        try:
            shutil.copytree(warmed, made, dirs_exist_ok=True, copy_function=shutil.copyfile)
            made.chmod(stat.S_IRWXU)  # copytree gives it the mode of the original
            with suppress(OSError):  # another process was faster
                made.rename(copy)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    found = copy.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{copy} is not a folder that only this user can write to")
    return copy

"""The decorator of every kernel: compiled at its first call, without the GIL, and kept on disk for the next process.

Numba's disk cache watches a kernel's own file only. After a change of a function that the kernel calls it would go
on using the old machine code, and after the move of a class that a signature names it could not even read its index.
So the content of this whole package, and of the one the kernel stands in, is part of the names of the cache's files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba
from numba.core.caching import IndexDataCacheFile

Int: TypeAlias = Any  # an integer: Python's where the source is read, int32, int64 or uint64 where it is compiled

F = TypeVar("F", bound=Callable[..., Any])


@lru_cache(maxsize=16)
def _digest(folder: Path) -> str:
    """Of the modules of a kernel's package and of this one: what its callees may stand in."""
    content = hashlib.sha256()
    for file in sorted({*folder.glob("*.py"), *Path(__file__).parent.glob("*.py")}):
        content.update(file.name.encode() + b"\0" + file.read_bytes())
    return content.hexdigest()[:12]


def kernel(function: F) -> F:
    """Compile lazily, release the GIL, cache on disk (in memory only where no folder can be written)."""
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place for its cache
        return cast(F, numba.njit(nogil=True)(function))
    if numba.config.DISABLE_JIT:
        return function
    cache = compiled._cache
    cache._cache_file = IndexDataCacheFile(
        cache_path=cache.cache_path,
        filename_base=f"{cache._impl.filename_base}.{_digest(Path(function.__code__.co_filename).parent)}",
        source_stamp=cache._impl.locator.get_source_stamp(),
    )
    return cast(F, compiled)

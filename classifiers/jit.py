"""The decorator of kernels: compiled at the first call, without the GIL, kept on disk for the next process.

Numba's disk cache watches a kernel's own file only. After a change of a function that the kernel calls it would go
on using the old machine code, and after the move of a class that a signature names it could not even read its index.
So the content of whole packages is part of the names of the cache's files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import IndexDataCacheFile

F = TypeVar("F", bound=Callable[..., Any])


@lru_cache(maxsize=16)
def _digest(folders: frozenset[Path]) -> str:
    """Of the modules of these packages: what the callees of a kernel may stand in."""
    content = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.glob("*.py")):
        content.update(file.name.encode() + b"\0" + file.read_bytes())
    return content.hexdigest()[:12]


def compiled(function: F, *shared: Path) -> F:
    """Compile lazily, release the GIL, cache on disk (in memory only where no folder can be written).

    The cache is of the present content of the kernel's own package and of those in the folders `shared`.
    """
    try:
        dispatcher = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place for its cache
        return cast(F, numba.njit(nogil=True)(function))
    if numba.config.DISABLE_JIT:
        return function
    cache = dispatcher._cache
    digest = _digest(frozenset({Path(function.__code__.co_filename).parent, *shared}))
    cache._cache_file = IndexDataCacheFile(
        cache_path=cache.cache_path,
        filename_base=f"{cache._impl.filename_base}.{digest}",
        source_stamp=cache._impl.locator.get_source_stamp(),
    )
    return cast(F, dispatcher)


def kernel(function: F) -> F:
    """The decorator of this package's kernels; see `compiled`."""
    return compiled(function, Path(__file__).parent)


def inlined(function: F) -> F:
    """Part of the kernels that call it: for what is called per character, where passing arrays costs most."""
    return cast(F, numba.njit(nogil=True, inline="always")(function))

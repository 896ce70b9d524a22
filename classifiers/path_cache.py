"""Caches of what is opened by path. They use the absolute path: a relative one names another file after `os.chdir`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache, update_wrapper
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

A = TypeVar("A")  # the path: a str, a Path, or None for what ships with the package
P = ParamSpec("P")
R = TypeVar("R")


class PathCache(Generic[A, P, R]):
    """A function with `lru_cache` whose first argument, always given by position, is a path."""

    __wrapped__: Callable[Concatenate[A, P], R]

    def __init__(self, function: Callable[Concatenate[A, P], R], maxsize: int) -> None:
        self._cached = lru_cache(maxsize)(cast(Callable[..., R], function))
        update_wrapper(self, function)

    def __call__(self, path: A, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._cached(absolute(path), *args, **cast(dict[str, Any], kwargs))

    def cache_clear(self) -> None:
        """Forget everything that was opened."""
        self._cached.cache_clear()


def cached_by_path(maxsize: int) -> Callable[[Callable[Concatenate[A, P], R]], PathCache[A, P, R]]:
    """Decorate a function of a path (its first argument) with a cache of `maxsize` answers."""
    return lambda function: PathCache(function, maxsize)


def absolute(path: A) -> A:
    """The absolute form of a path, in the type it came in; a URI and None are returned as they are."""
    if path is None or (isinstance(path, str) and "://" in path):
        return path
    full = os.path.abspath(cast("str | Path", path))
    return cast(A, Path(full) if isinstance(path, Path) else full)

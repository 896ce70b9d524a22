"""The decorator of kernels: compiled at the first call, without the GIL, kept on disk for the next process.

A kernel's machine code holds that of the functions it calls and the constants it names, which numba's own cache does
not watch. So the sources of all modules that the kernel's module imports, directly or not, are part of the names of
its cache files (`classifiers.patches`).
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from classifiers.patches import compile_once, name_cache, without_literals

F = TypeVar("F", bound=Callable[..., Any])

OURS = ("classifiers", "stages")  # what other packages hold is watched by no digest: they are versioned
_IMPORT = re.compile(r"^(?:from ([\w.]+) import (?:\(([^()]*+)\)|(.*))|import ([\w.]+).*)$", re.M)


def kernel(function: F) -> F:
    """Compile lazily, release the GIL, cache on disk (in memory only where no folder can be written)."""
    try:
        dispatcher = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place for its cache
        return cast(F, numba.njit(nogil=True)(function))
    if not numba.config.DISABLE_JIT:
        file = Path(function.__code__.co_filename)
        name_cache(dispatcher, digest_of(file))
        without_literals(dispatcher)
        compile_once(dispatcher, file)
    return cast(F, dispatcher)


def inlined(function: F) -> F:
    """Part of the kernels that call it: for what is called per character, where passing arrays costs most."""
    return cast(F, numba.njit(nogil=True, inline="always")(function))


def digest_of(file: Path) -> str:
    """Of the sources of a module and of all modules that it imports, directly or not, as far as they are OURS or of
    the same top-level package.
    """
    found: dict[str, bytes] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if str(path) not in found:
            content, imported = _source(path)
            found[str(path)] = content
            waiting += imported
    digest = hashlib.sha256()
    for content in sorted(found.values()):
        digest.update(content)
    return digest.hexdigest()[:12]


@cache
def _source(file: Path) -> tuple[bytes, list[Path]]:
    """The digest of a module's source, and the files of the modules that it imports."""
    content = file.read_bytes()
    return hashlib.sha256(content).digest(), [*_imports(content.decode())]


def _imports(source: str) -> Iterator[Path]:
    """Files of imported modules. They are loaded by now: imports stand above the kernels."""
    for package, several, one, plain in _IMPORT.findall(source):
        names = re.findall(r"(\w+)(?: as \w+)?", several or one)
        for name in (package or plain, *(f"{package}.{name}" for name in names)):
            module = sys.modules.get(name) if name.partition(".")[0] in OURS else None
            if module is not None and module.__file__ is not None:
                yield Path(module.__file__)

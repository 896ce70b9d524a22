"""The decorator of every kernel of the stages; what it does and why is in `classifiers.jit`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from classifiers.jit import __file__ as classifiers_jit
from classifiers.jit import compiled

Int: TypeAlias = Any  # an integer: Python's where the source is read, int32, int64 or uint64 where it is compiled

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compiled as `classifiers.jit.compiled` says; they call those of this package and of `classifiers`."""
    return compiled(function, Path(__file__).parent, Path(classifiers_jit).parent)

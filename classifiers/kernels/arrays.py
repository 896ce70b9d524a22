"""Names of the values that kernels take: each array type once, for all floors."""

from __future__ import annotations

from typing import Any, TypeAlias

Int: TypeAlias = Any  # an integer: Python's where the source is read, int32, int64 or uint64 where it is compiled

"""Names of the values that kernels take, one for each type, for all floors.

A kernel's signature is read by people and by mypy; numba compiles it for the types that it is called with.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Bytes: TypeAlias = npt.NDArray[np.uint8]
UInt16s: TypeAlias = npt.NDArray[np.uint16]
Int32s: TypeAlias = npt.NDArray[np.int32]
UInt32s: TypeAlias = npt.NDArray[np.uint32]
Int64s: TypeAlias = npt.NDArray[np.int64]
UInt64s: TypeAlias = npt.NDArray[np.uint64]
Float32s: TypeAlias = npt.NDArray[np.float32]
Float64s: TypeAlias = npt.NDArray[np.float64]

# Where the rows of an Arrow column begin in its bytes, and where the last one ends: n + 1 for n rows.
Offsets: TypeAlias = Int64s

# An integer or a float: Python's where the source is read, one of numpy's where it is compiled. numba gives a scalar
# the type of what it is computed from, so no narrower type would hold.
Int: TypeAlias = Any
Float: TypeAlias = Any

"""Names of the values that kernels take, one for each type, for all floors.

A kernel's signature is for people and for mypy; numba compiles the kernel for the types that it is called with.
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

# Where each row of an Arrow column starts in its bytes, and where the last one ends: n + 1 for n rows.
Offsets: TypeAlias = Int64s

# An integer or a float: one of Python's in the source, one of numpy's in the compiled kernel. numba gives a scalar the
# type of what it is computed from, so a narrower name would be wrong.
Int: TypeAlias = Any
Float: TypeAlias = Any


def read_only(array: npt.ArrayLike) -> Any:
    """A view that has the same type for numba whatever the array's flags, so that a kernel is compiled only once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view

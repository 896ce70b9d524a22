"""The matrices of a fastText model file (fastText's `src/{densematrix,quantmatrix,productquantizer}.cc`), as arrays.

A file may come from anyone. What it says about its sizes is compared with the bytes that it has before an array is
made, and with each other before a kernel reads by them: kernels check no bounds.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from classifiers.kernels.arrays import Bytes, Float32s

MOST_COLUMNS = 1 << 12  # of a matrix: the length of a vector
MOST_BYTES = 2 << 30  # of a matrix once it is no longer quantised
_VALUES = 256  # of a code in a byte


class BinaryReader:
    """Reads little-endian values from the mapped file, from front to back. Raises ValueError if it is cut."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def array(self, dtype: Any, count: int) -> Any:
        size = np.dtype(dtype).itemsize * count
        if not 0 <= size <= len(self.data) - self.at:
            raise ValueError(f"{count} values are said to follow byte {self.at} of {len(self.data)}: it is damaged")
        values = np.frombuffer(self.data, dtype, count, self.at).copy()
        self.at += values.nbytes
        return values

    def value(self, dtype: str) -> Any:
        return self.array(dtype, 1)[0].item()

    def flag(self) -> bool:
        return bool(self.array("u1", 1)[0])

    def text(self) -> bytes:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise ValueError("its dictionary is cut")
        found = self.data[self.at : end]
        self.at = end + 1
        return found


def read_matrix(reader: BinaryReader, rows: int, columns: int) -> Float32s:
    """The matrix that follows, which must have these rows and columns. Raises ValueError if it has not."""
    quantised = reader.flag()
    with_norms = reader.flag() if quantised else False
    found = tuple(reader.array("<i8", 2).tolist())
    if found != (rows, columns):
        raise ValueError(f"a matrix of {found[0]} × {found[1]} where {rows} × {columns} belong")
    if not quantised:
        dense: Float32s = reader.array("<f4", rows * columns).reshape(rows, columns)
        return dense
    return _dequantised(reader, rows, columns, with_norms)


def _dequantised(reader: BinaryReader, rows: int, columns: int, with_norms: bool) -> Float32s:
    if rows * columns * 4 > MOST_BYTES:
        raise ValueError(f"a quantised matrix of {rows} × {columns}; at most {MOST_BYTES >> 30} GiB are taken")
    codes = reader.array("u1", reader.value("<i4"))
    centroids = _centroids(reader, columns)
    if len(codes) != rows * len(centroids):
        raise ValueError(f"{len(codes)} codes for {rows} vectors of {len(centroids)} parts")
    matrix = _decoded(codes.reshape(rows, -1), centroids)
    if with_norms:
        norm_codes = reader.array("u1", rows)
        matrix *= _centroids(reader, 1)[0][norm_codes]
    return matrix


def _centroids(reader: BinaryReader, columns: int) -> list[Float32s]:
    """For each part of a vector, the 256 values that it can have (fastText's ProductQuantizer)."""
    dim, parts, width, last = reader.array("<i4", 4).tolist()
    if dim != columns or not 1 <= parts <= columns or min(width, last) < 1 or width * (parts - 1) + last != columns:
        raise ValueError(f"a quantiser of {dim} columns in {parts} parts of {width} (the last {last}), not {columns}")
    values = reader.array("<f4", dim * _VALUES)
    widths = [*[width] * (parts - 1), last]
    edges = np.cumsum([0, *widths]) * _VALUES
    return [values[edges[i] : edges[i + 1]].reshape(_VALUES, w) for i, w in enumerate(widths)]


def _decoded(codes: Bytes, centroids: list[Float32s]) -> Float32s:
    return np.ascontiguousarray(np.hstack([part[codes[:, i]] for i, part in enumerate(centroids)]))

"""Code points to and from UTF-8, for kernels of any package."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.kernels.arrays import Bytes
from classifiers.kernels.jit import kernel


@kernel
def point_at(text: Bytes, at: Any) -> tuple[Any, Any]:
    """Code point and size; of bytes that are no UTF-8, something harmless."""
    byte = np.int64(text[at])
    left = len(text) - at
    if byte < 0x80 or left < 2:
        return byte & 127, 1
    if byte < 0xE0:
        return (byte & 31) << 6 | (np.int64(text[at + 1]) & 63), 2
    if left < 3:
        return np.int64(0), 1
    if byte < 0xF0:
        return (byte & 15) << 12 | (np.int64(text[at + 1]) & 63) << 6 | (np.int64(text[at + 2]) & 63), 3
    if left < 4:
        return np.int64(0), 1
    upper = (byte & 7) << 18 | (np.int64(text[at + 1]) & 63) << 12
    return upper | (np.int64(text[at + 2]) & 63) << 6 | (np.int64(text[at + 3]) & 63), 4


@kernel
def put(text: Any, at: Any, point: Any) -> Any:
    """Writes a code point as UTF-8; the place behind it."""
    if point < 0x80:
        text[at] = point
        return at + 1
    if point < 0x800:
        text[at], text[at + 1] = 0xC0 | point >> 6, 0x80 | point & 63
        return at + 2
    if point < 0x10000:
        text[at], text[at + 1], text[at + 2] = 0xE0 | point >> 12, 0x80 | point >> 6 & 63, 0x80 | point & 63
        return at + 3
    text[at], text[at + 1] = 0xF0 | point >> 18, 0x80 | point >> 12 & 63
    text[at + 2], text[at + 3] = 0x80 | point >> 6 & 63, 0x80 | point & 63
    return at + 4

"""Arithmetic of features, and a hash table, for the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.kernels.jit import kernel


@kernel
def log(value: Any) -> Any:
    return np.float32(np.log1p(np.float32(max(value, np.float32(0)))))


@kernel
def share(part: Any, whole: Any) -> Any:
    return np.float32(part) / np.float32(max(whole, 1))


@kernel
def table(count: Any) -> Any:
    """Keys and counts of an empty open hash table with room for `count` keys. After the keys stands the odd factor of
    the table's hash, drawn here: pages are made by strangers, who must not know where their elements lie.
    """
    slots = 4
    while slots < 2 * count:
        slots *= 2
    keys = np.zeros(slots + 1, np.uint64)
    keys[slots] = (np.uint64(np.random.randint(1 << 32)) << np.uint64(32)) | np.uint64(np.random.randint(1 << 32) | 1)
    return keys, np.zeros(slots, np.int32)


@kernel
def slot(keys: Any, counts: Any, key: Any) -> Any:
    """The slot of the key in an open hash table, or the free slot where it belongs."""
    mask = np.uint64(len(counts) - 1)
    at = np.int64(((key * keys[len(counts)]) >> np.uint64(32)) & mask)
    while counts[at] > 0 and keys[at] != key:
        at = (at + 1) & np.int64(mask)
    return at

"""Runs the kernels over texts that end at a protected page of memory, so that a read past the end raises a signal.

python -m tests.stages.extraction.guarded kernels|control
"""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np
import pyarrow as pa

from stages.kernels.dialects import REPLACED
from stages.kernels.fineweb import measure_fineweb
from stages.kernels.normalise import normalised
from stages.kernels.quality import measure_quality, stop_slots
from stages.kernels.repetition import measure_repetition
from stages.kernels.shingles import text_shingles

INTERESTING = np.frombuffer(b" .\n#-*a\xe2\x80\xa6\xf0\x9f\xe4\xb8\xad\xc3\xcc\x81", np.uint8)
ENDS = np.ones(0x110000, np.bool_)
STOPS, ROWS = np.stack([stop_slots(("a",))]), np.zeros(1, np.int64)


def use(column: pa.Array) -> None:
    """Pass the column through every kernel that takes texts."""
    chunked = pa.chunked_array([column])
    for other in (False, True):
        measure_repetition(chunked, other, other)
        measure_quality(chunked, STOPS, ROWS, other, other)
        measure_fineweb(chunked, ENDS, 30, other)
    for dialect in REPLACED:
        normalised(column, dialect)
        text_shingles(column, 5, dialect)


def main(what: str) -> None:
    memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    page = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    address = page.ctypes.data + mmap.PAGESIZE
    assert libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    if what == "control":
        print(page[mmap.PAGESIZE])
    rng = np.random.default_rng(7)
    for size in [*range(1, 30), mmap.PAGESIZE]:
        here = page[mmap.PAGESIZE - size : mmap.PAGESIZE]
        for choices in (INTERESTING, np.arange(256, dtype=np.uint8)):
            here[:] = rng.choice(choices, size)
            buffers = [None, pa.py_buffer(np.array([0, size], np.int32)), pa.py_buffer(here)]
            use(pa.Array.from_buffers(pa.string(), 1, buffers))
    print("inside")


if __name__ == "__main__":
    main(sys.argv[1])

# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["numpy>=2", "pydivsufsort==0.0.20"]
# ///
"""A suffix array's side, in its own environment: `uv run --script benchmarks/peers/suffix_array_side.py`.

It makes pydivsufsort's suffix array and longest common prefixes (Kasai), and then finds in one pass the positions where
a prefix is long enough, as Lee et al. 2022 (arXiv 2107.06499) do. As there, everything is in memory, and positions have
32 bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from protocol import Answer, serve
from pydivsufsort import divsufsort, kasai
from resident import peak_megabytes, reset_peak, resident_megabytes


def repeated(text: str, length: int, out: str) -> Answer:
    """Write to `out`, as booleans, where in an array (.npy) `length` items start that also occur elsewhere."""
    items = np.load(text)
    reset_peak()
    before, start, cpu = resident_megabytes(), time.perf_counter(), time.process_time()
    order = divsufsort(items)
    common = kasai(items, order)
    found = np.zeros(len(items), bool)
    found[order[:-1][common[:-1] >= length]] = True
    found[order[1:][common[:-1] >= length]] = True
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    np.save(out, found)
    peak = peak_megabytes()
    return {"seconds": seconds, "process_seconds": cpu_seconds, "before": before, "peak": peak}


if __name__ == "__main__":
    JOBS: dict[str, Callable[..., Answer]] = {"repeated": repeated}
    serve(JOBS)

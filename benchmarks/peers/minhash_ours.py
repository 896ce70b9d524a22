"""Our side of `benchmarks.minhash`: `python -m benchmarks.peers.minhash_ours`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.peers.protocol import Answer, serve
from stages.kernels.minhash import band_digests
from stages.kernels.normalise import normalised
from stages.kernels.shingles import Shingles, text_shingles
from stages.minhash import MinHashV2


def timed(work: Callable[[], Any], repeats: int) -> Answer:
    """Wall and CPU seconds of one run of `work`, as the mean of `repeats`."""
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds / repeats, "process_seconds": cpu_seconds / repeats}


def digests(texts: str, documents: int, repeats: int, **params: Any) -> Answer:
    """The stage, from a text column to its keys."""
    docs, stage = pq.read_table(texts)[:documents].combine_chunks(), MinHashV2(**params)
    return timed(lambda: stage(docs), repeats)


def parts(texts: str, documents: int, repeats: int, part: str) -> Answer:
    """What comes before signatures, `normalise` or `shingles` (including normalisation), and the texts' bytes."""
    column = pq.read_table(texts)["text"][:documents].combine_chunks()
    work = {"normalise": lambda: normalised(column, "text"), "shingles": lambda: text_shingles(column, 5, "text")}[part]
    return {**timed(work, repeats), "bytes": sum(len(text.encode()) for text in column.to_pylist())}


def write_shingles(texts: str, documents: int, path: str) -> Answer:
    """Write the texts' shingle hashes to a file, for contenders that start from them."""
    column = pq.read_table(texts)["text"][:documents]
    found = text_shingles(column, 5, "text")
    np.savez(path, offsets=found.offsets, hashes=found.hashes)
    return {"shingles": len(found.hashes)}


def signatures(shingles: str, repeats: int, bands: int, rows: int, fast: bool) -> Answer:
    """From shingle hashes to band digests."""
    read = np.load(shingles)
    found = Shingles(read["offsets"], read["hashes"])
    return timed(lambda: band_digests(found, bands, rows, fast), repeats)


if __name__ == "__main__":
    serve({"digests": digests, "parts": parts, "write_shingles": write_shingles, "signatures": signatures})

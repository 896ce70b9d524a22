"""Our side of the substring benchmark: `python -m benchmarks.peers.substring_side`. All phases run in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.protocol import Answer, serve
from benchmarks.peers.resident import peak_megabytes, reset_peak, resident_megabytes
from stages.substring.phases import group, match, sign, spans, windows
from stages.substring.stage import Substring


def duplicate_spans(texts: str, length: int, out: str, partitions: int) -> Answer:
    """Write the spans of a Parquet file's texts to `out`: seconds of each phase, rows of each kind, peak memory.

    Rows are grouped one partition at a time, as in the engine; the text and all rows stay in memory.
    """
    docs, stage = pq.read_table(texts, columns=["text"]), Substring(length=length)
    rows = np.arange(docs.num_rows, dtype=np.uint64)
    pa.default_memory_pool().release_unused()
    reset_peak()
    before, cpu, clock = resident_megabytes(), time.process_time(), [time.perf_counter()]
    signed = sign(stage, docs, rows)
    clock.append(time.perf_counter())
    resolved, checks = map(pa.concat_tables, zip(*(group(stage, p) for p in parts(signed, partitions)), strict=True))
    clock.append(time.perf_counter())
    hashed = windows(stage, docs, rows, checks)
    clock.append(time.perf_counter())
    matched = [match(stage, part) for part in parts(hashed, partitions)]
    clock.append(time.perf_counter())
    found = spans(stage, docs, rows, pa.concat_tables([resolved, *matched]))
    clock.append(time.perf_counter())
    cpu_seconds, peak = time.process_time() - cpu, peak_megabytes()
    pq.write_table(pa.table({"spans": found}), out)
    return {
        "seconds": clock[-1] - clock[0],
        "process_seconds": cpu_seconds,
        "phases": np.diff(clock).tolist(),
        "records": [signed.num_rows, resolved.num_rows, checks.num_rows, hashed.num_rows],
        "bytes": [signed.nbytes, hashed.nbytes],
        "before": before,
        "peak": peak,
    }


def parts(records: pa.Table, partitions: int) -> list[pa.Table]:
    """The partitions of some rows, by the high bits of the first column."""
    shift = np.uint64(64 - partitions.bit_length() + 1)
    of = records.column(0).to_numpy() >> shift if partitions > 1 else np.zeros(records.num_rows, np.uint64)
    return [records.filter(pa.array(of == part)) for part in range(partitions)]


def group_alone(records: int) -> Answer:
    """Phase 2 alone on rows of 38 bytes, half of them in classes of two: seconds, and the peak in addition to them."""
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, records * 3 // 4, records)
    keys = [(kinds.astype(np.uint64) + np.uint64(n)) * np.uint64(0x9E3779B97F4A7C15) for n in (1, 2, 3)]
    address, count = rng.integers(0, 1 << 40, records).astype(np.uint64), np.full(records, 13, np.uint16)
    start = rng.integers(0, 5000, records).astype(np.uint32)
    names = ("fingerprint", "context_high", "context_low", "address", "start", "count")
    table = pa.table(list(map(pa.array, (*keys, address, start, count))), names=names)
    del kinds, keys, address, count, start
    pa.default_memory_pool().release_unused()
    reset_peak()
    before, clock, cpu = resident_megabytes(), time.perf_counter(), time.process_time()
    group(Substring(), table)
    seconds, cpu_seconds = time.perf_counter() - clock, time.process_time() - cpu
    peak = peak_megabytes()
    return {
        "seconds": seconds,
        "process_seconds": cpu_seconds,
        "input": table.nbytes / 1e6,
        "before": before,
        "peak": peak,
    }


if __name__ == "__main__":
    JOBS: dict[str, Callable[..., Answer]] = {"duplicate_spans": duplicate_spans, "group_alone": group_alone}
    serve(JOBS)

"""One large WARC file together with small ones, in one run: who waits for whom, and how much memory the workers need.

    uv run python -m benchmarks.load_large --megabytes 2000 --small 8        (memory: ≤ 1.5 GB per worker)
    uv run python -m benchmarks.load_large --times 50 --small 100            (skew: one shard 50 times the others)
    uv run python -m benchmarks.load_large --times 50 --small 100 --pages 30 --drivers 2 --inline

With `--megabytes` the large file is the repeated crawl and the small ones are its first file. With `--times` the large
file repeats a small one; `--pages` makes the small ones shorter. Stages: URL filter, language gate, resiliparse.
`--drivers` with `--workers` each share the work; `--inline` starts drivers of one process each, without Ray. The large
shard should end at most 1.2 times its own time after the last of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from benchmarks.crawl import ROOT, packed_pages, parts, repeated
from benchmarks.filter_pass import RESILIPARSE
from benchmarks.leak import role_of

MB = 1_000_000  # bytes
BUDGET = 1_500  # MB of a worker
INTERVAL = 0.25  # seconds between two samples of memory
STAGES = "url_v1,language_gate_v1,extract_v1"
INLINE = f"import sys, refinedweb as rw; rw.run({STAGES!r}, [sys.argv[1]], sys.argv[2], [{RESILIPARSE!r}])"


def build(folder: Path, given: argparse.Namespace) -> Path:
    """Make the inputs. The large file is in the middle of the small ones, because nothing may depend on its place."""
    folder.mkdir()
    small = parts()[0]
    if given.pages is not None:
        small = folder.with_name("small.warc.gz")
        small.write_bytes(b"".join(islice(packed_pages(parts()[0]), given.pages)))
    for number in range(given.small):
        (folder / f"part-{number:05d}.warc.gz").symlink_to(small)
    large = folder / f"part-{given.small // 2:05d}-large.warc.gz"
    if given.times is None:
        repeated(large, given.megabytes * MB)
    else:
        large.write_bytes(small.read_bytes() * given.times)
    return folder


@contextmanager
def drivers(inputs: Path, out: Path, given: argparse.Namespace) -> Iterator[list[psutil.Popen]]:
    """Drivers that share one run, ended at the end of the block."""
    call = [sys.executable, "-m", "refinedweb", "run", STAGES, str(inputs), str(out), "--set", RESILIPARSE]
    call += ["--workers", str(given.workers)]
    if given.inline:
        call = [sys.executable, "-c", INLINE, str(inputs), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("REFINEDWEB_ADDRESS", None)
    running = [psutil.Popen(call, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) for _ in range(given.drivers)]
    try:
        yield running
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
            process.wait()


def watch(running: list[psutil.Popen]) -> dict[str, float]:
    """The largest resident size of a process of each role, in MB, sampled until all drivers have ended."""
    peaks: dict[str, float] = {}
    while any(process.poll() is None for process in running):
        for driver in running:
            with suppress(psutil.NoSuchProcess):
                for process in [driver, *driver.children(recursive=True)]:
                    see(process, "driver" if process.pid == driver.pid else None, peaks)
        time.sleep(INTERVAL)
    codes = [process.returncode for process in running]
    if any(codes):
        raise SystemExit(f"drivers ended with {codes}")
    return peaks


def see(process: psutil.Process, role: str | None, peaks: dict[str, float]) -> None:
    """Take a sample of one process."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        role = role or role_of(process)
        if role is not None:
            peaks[role] = max(peaks.get(role, 0.0), process.memory_info().rss / MB)


def records(out: Path) -> Iterator[tuple[float, dict[str, Any]]]:
    """Each record with its commit time, from the file's time stamp: the record's own time has no fractions."""
    for path in sorted(out.glob("*/manifest/*.json")):
        yield path.stat().st_mtime, json.loads(path.read_bytes())


def report(out: Path, peaks: dict[str, float]) -> None:
    """Print sizes, times and peaks."""
    found = sorted(records(out), key=lambda pair: -pair[1]["input_size"])
    (end, large), rest = found[0], found[1:]
    others = max(end for end, _ in rest)
    usual = sum(record["seconds"] for _, record in rest) / len(rest)
    size, least = large["input_size"] / MB, rest[0][1]["input_size"] / MB
    print(f"large: {size:.0f} MB, {large['rows_in']:,} documents, {large['seconds']:.0f} s")
    print(f"others: {len(rest)} of {least:.1f} MB, {usual:.1f} s each")
    late = end - others
    print(f"it ended {late:+.1f} s after the others: {late / large['seconds']:+.2f} of its own time (≤ 1.2)")
    print(f"a record says at most {max(r['peak_memory'] for _, r in found) / MB:.0f} MB (worker alone)")
    for role, peak in sorted(peaks.items()):
        print(f"| {role} | {peak:.0f} MB |" + (f" ≤ {BUDGET:,} MB |" if role == "worker" else ""))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    size = options.add_mutually_exclusive_group(required=True)
    size.add_argument("--megabytes", type=int, help="size of the large file")
    size.add_argument("--times", type=int, help="size of the large file, as a multiple of a small one")
    options.add_argument("--small", type=int, default=8)
    options.add_argument("--pages", type=int, help="pages of a small file [default: a whole file of the crawl]")
    options.add_argument("--drivers", type=int, default=1)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--inline", action="store_true")
    given = options.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        with drivers(build(folder / "in", given), folder / "out", given) as running:
            peaks = watch(running)
        report(folder / "out", peaks)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

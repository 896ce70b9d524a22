"""Resident memory over time of driver, workers and extraction children, in one run over the repeated crawl.

    uv run python -m benchmarks.leak [--minutes 30] [--workers 2]
    uv run python -m benchmarks.leak --recycling [--shards 64] [--runs 3]

It watches one `refinedweb run` of the filter pass (language gate, trafilatura) over enough links to the crawl's files
to outlast the time, and then interrupts it. Sizes are sampled every five seconds. A least-squares line through the
samples after the first third gives the MB per hour of every process that lived that long. Workers are recycled by bytes
of input (`RECYCLE_BYTES`), so rarely that it does not happen here. What recycling costs is the difference between a run
that replaces a worker every four shards, which is as often as it may be, and one that never does (`--recycling`): the
same small shards, in turn.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.crawl import ROOT, parts
from benchmarks.filter_pass import GATED, RESILIPARSE
from refinedweb.engine.policy import RECYCLE_BYTES

MB = 1e6  # bytes
INTERVAL = 5.0  # seconds between two samples
REPORT_SECONDS = 60.0  # between two lines of progress
NEVER, OFTEN = 1 << 60, 1  # bytes of input after which a worker is replaced; never after fewer than four shards
RECYCLED_LIMIT = 20  # documents of each shard with `--recycling`: small shards, so that new workers dominate
ROLES = {"worker": "ray::_in_worker", "extraction child": "stages.extraction.child", "raylet": "/raylet/raylet"}
# The command line as a user has it, except for the bytes of input after which a worker is replaced.
DRIVER = "from refinedweb.engine import policy; policy.RECYCLE_BYTES = {}; from refinedweb.cli import main; main()"


@dataclass
class Life:
    """Samples of one process: seconds since the start and resident MB."""

    role: str
    times: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)

    def slope(self, since: float) -> float | None:
        """MB per hour from `since` on; None if the process lived through less than half of that time."""
        times, sizes = np.array(self.times), np.array(self.sizes)
        late = times >= since
        if late.sum() < 10 or times[-1] - times[late][0] < (times[-1] - since) / 2:
            return None
        return float(np.polyfit(times[late], sizes[late], 1)[0] * 3600)


class Watch:
    """The resident sizes of a driver and its descendants over time."""

    def __init__(self, driver: psutil.Process) -> None:
        self._driver = driver
        self._start = time.monotonic()
        self.lives: dict[tuple[int, float], Life] = {}

    def look(self) -> None:
        """Take one sample of every process."""
        now = time.monotonic() - self._start
        for process in [self._driver, *self._driver.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                role = "driver" if process == self._driver else role_of(process)
                if role is not None:
                    life = self.lives.setdefault((process.pid, process.create_time()), Life(role))
                    life.times.append(now)
                    life.sizes.append(process.memory_info().rss / MB)

    def line(self) -> str:
        """The present sizes of the processes that are alive."""
        now = max(life.times[-1] for life in self.lives.values())
        alive = [f"{life.role} {life.sizes[-1]:.0f}" for life in self.lives.values() if life.times[-1] == now]
        return f"{now / 60:.1f} min: " + ", ".join(sorted(alive))


def role_of(process: psutil.Process) -> str | None:
    """The role of a process, or None. Idle workers count as workers once they have run a task."""
    words = " ".join(process.cmdline())
    return next((role for role, part in ROLES.items() if part in words), None)


@contextmanager
def driver(inputs: Path, out: Path, recycle: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is interrupted at the end of the block unless it has ended by then."""
    call = [sys.executable, "-c", DRIVER.format(recycle), "run", GATED, str(inputs), str(out), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("REFINEDWEB_ADDRESS", None)
    with subprocess.Popen(call, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(timeout=120)


def link(folder: Path, shards: int) -> Path:
    """A folder of `shards` links to the crawl's files."""
    folder.mkdir()
    found = parts()
    for number in range(shards):
        (folder / f"{number:06d}.warc.gz").symlink_to(found[number % len(found)])
    return folder


def watched(folder: Path, minutes: float, workers: int) -> Watch:
    """The samples of a run that is watched for some minutes."""
    with driver(link(folder / "many", 20_000), folder / "out", NEVER, "--workers", str(workers)) as process:
        watch = Watch(psutil.Process(process.pid))
        end, reported = time.monotonic() + minutes * 60, time.monotonic()
        while time.monotonic() < end:
            if process.poll() is not None:
                raise SystemExit(f"the run ended by itself with {process.returncode}")
            watch.look()
            if time.monotonic() - reported >= REPORT_SECONDS:
                reported = time.monotonic()
                print(watch.line(), file=sys.stderr, flush=True)
            time.sleep(INTERVAL)
    return watch


def report(watch: Watch, minutes: float, shards: int) -> None:
    """Print a row for every process that lived through more than half of the time that counts."""
    size = sum(part.stat().st_size for part in parts()) / len(parts())
    print(f"{minutes:.0f} minutes, {shards:,} shards of {size / MB:.1f} MB")
    print("| process | lived | MB at a third of the time | at the end | most | MB per hour since |")
    print("|---|---|---|---|---|---|")
    since = minutes * 60 / 3
    for role in ("driver", *ROLES):
        lives = [life for life in watch.lives.values() if life.role == role]
        for life in lives:
            slope = life.slope(since)
            if slope is not None:
                at = next(size for moment, size in zip(life.times, life.sizes, strict=True) if moment >= since)
                lived = (life.times[-1] - life.times[0]) / 60
                sizes = f"{at:.0f} | {life.sizes[-1]:.0f} | {max(life.sizes):.0f}"
                print(f"| {role} | {lived:.0f} min | {sizes} | {slope:+.1f} |")
        print(f"{role}: {len(lives)} processes in all", file=sys.stderr)


def recycling(folder: Path, shards: int, workers: int, runs: int) -> None:
    """Print the wall time that a new worker costs, including its start, its imports and its extraction child."""
    inputs = link(folder / "many", shards)
    found: dict[int, list[tuple[float, int]]] = {NEVER: [], OFTEN: []}
    for number in range(runs):
        for recycle, seen in found.items():
            seen.append(run_whole(inputs, folder / f"out-{number}-{recycle}", recycle, workers))
            print(f"{'never' if recycle == NEVER else 'often'}: {seen[-1][0]:.1f} s", file=sys.stderr, flush=True)
    never, often = (statistics.median(seconds for seconds, _ in seen) for seen in found.values())
    fewer, more = (statistics.median(workers for _, workers in seen) for seen in found.values())
    each = (often - never) * workers / (more - fewer)
    print(
        f"{shards} shards, {workers} workers: {never:.1f} s with {fewer:.0f} processes, {often:.1f} s with {more:.0f}"
    )
    print(f"a new worker costs {each:.1f} s of its core, every {RECYCLE_BYTES / 1e9:.0f} GB of input")


def run_whole(inputs: Path, out: Path, recycle: int, workers: int) -> tuple[float, int]:
    """The seconds of a whole run, and how many worker processes committed its shards."""
    start = time.monotonic()
    options = ["--workers", str(workers), "--limit", str(RECYCLED_LIMIT), "--set", RESILIPARSE]
    with driver(inputs, out, recycle, *options) as process:
        watch = Watch(psutil.Process(process.pid))
        while process.poll() is None:
            watch.look()
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"the run ended with {process.returncode}")
    return time.monotonic() - start, sum(life.role == "worker" for life in watch.lives.values())


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--recycling", action="store_true", help="measure what a new worker costs instead")
    options.add_argument("--shards", type=int, default=64)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.recycling:
            recycling(folder, given.shards, given.workers, given.runs)
            return
        watch = watched(folder, given.minutes, given.workers)
        report(watch, given.minutes, len(list((folder / "out").glob("*/manifest/*.json"))))


if __name__ == "__main__":
    main()

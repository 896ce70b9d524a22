"""Random SIGKILLs of drivers, of Ray's raylet and workers, and of extraction children, during runs over the crawl.

    python -m benchmarks.soak --kills 100 --limit 100 --store DIR
    python -m benchmarks.soak --kills 100 --limit 100 --store s3                   (starts a server on loopback)
    python -m benchmarks.soak --kills 100 --limit 100 --store s3://bucket/soak     (AWS settings from the environment)

First comes a quiet run, then disturbed ones, each driven to its end by starting the same command again, until `--kills`
processes were killed. After each run `verify` must find nothing, and the corpus must equal the quiet run's to the byte;
otherwise the exit code is 1. Work done twice shows in objects that no record names (of attempts that died after
writing) and in the time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import xxhash

from benchmarks.crawl import ROOT, data
from refinedweb.storage import open_store
from refinedweb.views.verify import verify

# What is killed, its relative frequency, and the words in its command line.
TARGETS = {
    "extraction child": (4, "stages.extraction.child"),
    "worker": (4, "ray::_in_worker"),
    "driver": (1, ""),
    "raylet": (1, "/raylet/raylet"),
}
WORKER = TARGETS["worker"][1]
PATIENCE = 1200.0  # seconds that one driver may take before it counts as hung; on a busy machine Ray's start takes 100


@dataclass
class Report:
    """What has happened so far."""

    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    starts: int = 0
    unrecorded: int = 0
    tasks: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Soak:
    """Disturbed runs below one store."""

    def __init__(self, store: str, limit: int, kills: int, pause: float, seed: int) -> None:
        self._store = store.rstrip("/")
        self._call = [sys.executable, "-m", "refinedweb", "run", "refinedweb", str(data() / "crawl")]
        self._options = ["--limit", str(limit), "--workers", "2", "--json"]
        self._kills = kills
        self._pause = pause
        self._chance = random.Random(seed)
        self.report = Report()

    def quiet(self) -> tuple[dict[str, str], float]:
        """The checksums of an undisturbed run's corpus, and its seconds."""
        out, start = f"{self._store}/quiet", time.monotonic()
        clear(out)
        with self._driver(out) as driver:
            _, errors = driver.communicate()
        if driver.returncode != 0:
            raise SystemExit(f"the quiet run ended with {driver.returncode}: {errors[-2000:]}")
        return corpus(out), time.monotonic() - start

    def disturbed(self, number: int, wanted: dict[str, str]) -> None:
        """Drive one run to its end through all kills, and check it."""
        out, start, report = f"{self._store}/noisy-{number}", time.monotonic(), self.report
        clear(out)
        while self._drive(out):
            pass
        report.runs += 1
        report.seconds += time.monotonic() - start
        verdict = verify(out)
        report.unrecorded += len(verdict.unrecorded)
        report.tasks += sum(verdict.code_versions.values())
        report.problems += verdict.problems + [f"{verdict.pending} tasks pending"] * bool(verdict.pending)
        if corpus(out) != wanted:
            report.problems.append(f"{out}: the corpus differs from the quiet run's")
        clear(out)

    def _drive(self, out: str) -> bool:
        """Start a driver and kill processes until it ends; True if it must be started again."""
        self.report.starts += 1
        with self._driver(out) as driver:
            known, deadline = set[psutil.Process](), time.monotonic() + PATIENCE
            while driver.poll() is None and time.monotonic() < deadline:
                until = time.monotonic() + self._chance.uniform(0, 2 * self._pause)
                while driver.poll() is None and time.monotonic() < until:
                    known |= set(descendants(driver.pid))
                    time.sleep(0.05)
                if driver.poll() is None and sum(self.report.kills.values()) < self._kills:
                    self._strike(driver.pid)
            end = "hung" if driver.poll() is None else f"exit {driver.returncode}"
            driver.kill()
            self._end(known)
            _, errors = driver.communicate()
        self.report.ends[end] += 1
        said = next(iter(errors.strip().splitlines()[-1:]), "") if driver.returncode > 0 else ""
        seen = f"a driver ended ({end}), {sum(self.report.kills.values())} kills so far. {said}"
        print(f"{time.strftime('%H:%M:%S')} {out}: {seen}", file=sys.stderr, flush=True)
        if end == "hung" or "Traceback" in errors:
            self.report.problems.append(f"{out}: a driver {end}: {errors[-1500:]}")
        return driver.returncode != 0

    def _strike(self, pid: int) -> None:
        """Kill a random process of a driver, or the driver, once it has a worker.

        Where Ray takes longer to start than the pause between kills, a run would otherwise never get anywhere.
        """
        if not any(is_a(process, WORKER) for process in descendants(pid)):
            return
        names = list(TARGETS)
        name = self._chance.choices(names, [TARGETS[name][0] for name in names])[0]
        found = (
            [psutil.Process(pid)] if name == "driver" else [p for p in descendants(pid) if is_a(p, TARGETS[name][1])]
        )
        if found:
            with suppress(psutil.NoSuchProcess):
                self._chance.choice(found).kill()
                self.report.kills[name] += 1

    def _end(self, known: set[psutil.Process]) -> None:
        """End what a dead driver left running: Ray's processes notice its death only after a while."""
        for process in known:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _driver(self, out: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("REFINEDWEB_ADDRESS", None)
        return subprocess.Popen(
            [*self._call, out, *self._options], cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_a(process: psutil.Process, words: str) -> bool:
    try:
        return words in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return False


def objects(out: str, prefix: str = "") -> Iterator[str]:
    yield from [info.key for info in open_store(out).list(prefix)]


def corpus(out: str) -> dict[str, str]:
    """The checksum of every corpus file."""
    found = {}
    for key in objects(out, "corpus/"):
        with open_store(out).open(key) as file:
            found[key] = xxhash.xxh3_128_hexdigest(file.read())
    return found


def clear(out: str) -> None:
    """Delete a run."""
    for key in objects(out):
        open_store(out).delete(key)
    open_store(out).tidy()


def plain(report: Report, quiet: float) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "kills": dict(report.kills), "kills_total": sum(report.kills.values()), "runs": report.runs,
        "driver_starts": report.starts, "driver_ends": dict(report.ends), "tasks_committed": report.tasks,
        "objects_of_lost_attempts": report.unrecorded, "quiet_seconds": round(quiet, 1),
        "seconds_per_disturbed_run": round(report.seconds / max(1, report.runs), 1), "problems": report.problems,
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--limit", type=int, default=100, help="documents of each input file")
    options.add_argument("--store", required=True, help="a folder or s3:// prefix for the runs, or just `s3`")
    options.add_argument("--pause", type=float, default=4.0, help="mean seconds between kills")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    with own_server() if given.store == "s3" else nullcontext(given.store) as store:
        report = run(Soak(store, given.limit, given.kills, given.pause, given.seed), given.kills)
    sys.exit(1 if report.problems else 0)


@contextmanager
def own_server() -> Iterator[str]:
    """A prefix on the S3 server that the tests use, which runs as long as the soak."""
    from tests.conftest import a_bucket, moto_server

    with moto_server() as endpoint, a_bucket(endpoint) as bucket:
        yield f"{bucket}/soak"


def run(soak: Soak, kills: int) -> Report:
    """Disturbed runs until `kills` processes were killed, or until a run went wrong."""
    wanted, quiet = soak.quiet()
    if not wanted:
        raise SystemExit("the quiet run kept nothing: raise --limit")
    number = 0
    while sum(soak.report.kills.values()) < kills and not soak.report.problems:
        soak.disturbed(number, wanted)
        number += 1
        print(json.dumps(plain(soak.report, quiet)), flush=True)
    return soak.report


if __name__ == "__main__":
    main()

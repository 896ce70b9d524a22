"""A fleet and its faults in virtual time: `uv run python -m benchmarks.fleet --hosts 100 --shards 90000 --seeds 1000`.

Seed after seed, one fault per run (`--fault all` runs every fault with every seed), each compared with the run of the
same seed without faults. In odd seeds every host runs a driver of its own, in even ones a driver has ten hosts. Prints
a table, one row per fault, and which laws were broken; the exit code is then 1. `--record FILE` keeps what is done, so
that the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.fleet.faults import KINDS
from benchmarks.fleet.laws import Job, Verdict, judged
from benchmarks.fleet.simulation import Fleet


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    done = read(options.record)
    jobs = [job for job in jobs_of(options) if not {(name, job.fleet.seed) for name in job.faults} <= done.keys()]
    start = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(options.processes, maxtasksperchild=20) as pool:
        for number, verdicts in enumerate(pool.imap_unordered(judged, jobs), 1):
            done.update({(each.fault, each.seed): each for each in verdicts})
            write(options.record, verdicts)
            for each in verdicts:
                for problem in each.problems:
                    print(f"seed {each.seed}, {each.drivers} drivers, {each.fault}: {problem}", file=sys.stderr)
            print(f"{number}/{len(jobs)} seeds, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(table(list(done.values()))))
    return int(any(each.problems for each in done.values()))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__.splitlines()[0])
    made.add_argument("--hosts", type=int, default=20)
    made.add_argument("--shards", type=int, default=1500)
    made.add_argument("--seeds", type=int, default=15)
    made.add_argument("--first", type=int, default=0, help="the first seed")
    made.add_argument("--fault", default="turn", help="turn (one per seed), all, or the beginning of a fault's name")
    made.add_argument("--processes", type=int, default=2)
    made.add_argument("--record", type=Path, help="a file of verdicts, one per line, to go on with")
    return made


def jobs_of(options: argparse.Namespace) -> Iterator[Job]:
    """One job per seed."""
    names = [kind.name for kind in KINDS]
    for seed in range(options.first, options.first + options.seeds):
        drivers = options.hosts if seed % 2 else max(1, options.hosts // 10)
        fleet = Fleet(options.hosts, options.shards, seed, drivers)
        if options.fault == "turn":
            yield Job(fleet, (names[seed // 2 % len(names)],))
        else:
            chosen = tuple(name for name in names if options.fault == "all" or name.startswith(options.fault))
            yield Job(fleet, chosen)


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """One row per fault, in Markdown."""
    yield "| fault | runs | shards without record or reason | recorded as lost | drivers ended | time lost, as a multiple of the fault (median, most) | requests of the busiest host | laws broken |"  # noqa: E501
    yield "|---|---|---|---|---|---|---|---|"
    for kind in KINDS:
        some = [each for each in verdicts if each.fault == kind.name]
        if some:
            yield row(kind.name, some)


def row(name: str, some: Sequence[Verdict]) -> str:
    times = [max(0.0, each.lost) / max(1.0, each.size) for each in some]
    cells: list[Any] = [
        name, len(some), sum(each.unaccounted for each in some), sum(each.gone for each in some),
        sum(each.ended for each in some), f"{statistics.median(times):.2f}, {max(times):.2f}",
        max(each.requests for each in some), sum(bool(each.problems) for each in some),
    ]  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def read(path: Path | None) -> dict[tuple[str, int], Verdict]:
    if path is None or not path.exists():
        return {}
    verdicts = [Verdict(**json.loads(line)) for line in path.read_text().splitlines()]
    return {(each.fault, each.seed): each for each in verdicts}


def write(path: Path | None, verdicts: Sequence[Verdict]) -> None:
    if path is not None:
        with path.open("a") as file:
            file.writelines(json.dumps(each.plain()) + "\n" for each in verdicts)


if __name__ == "__main__":
    raise SystemExit(main())

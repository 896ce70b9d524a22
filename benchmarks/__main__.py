"""Ours and all peers on one machine: `uv run python -m benchmarks [--only SUITE …] [--runs 3] [--quick]`.

Writes results.json, the marked part of RESULTS.md, and results.svg, all in benchmarks/. The results of suites that are
not run stay. `--quick` uses small inputs, to see that everything works. `--write` measures nothing and writes
RESULTS.md and results.svg from results.json. uv creates a peer's environment when the peer is first asked (once,
several GB for all); a peer that cannot run is a row that says why.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import chart, duplicates, extraction, filter_pass, measures, minhash, pairs, record, substring
from benchmarks.crawl import ROOT
from benchmarks.suite import Run, Table

HERE = ROOT / "benchmarks"
SUITES: dict[str, Callable[[Run], Table]] = {
    "filter_pass": filter_pass.suite,
    "extraction": extraction.suite,
    "measures": measures.suite,
    "minhash_450x20": partial(minhash.suite, "refinedweb"),
    "minhash_14x8": partial(minhash.suite, "fineweb"),
    "near_duplicates": duplicates.near,
    "exact_duplicates": duplicates.exact,
    "substring": substring.suite,
}
SOFTWARE = ("trafilatura", "resiliparse", "numba", "numpy", "pyarrow", "ray")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 if one of our own contenders did not run."""
    options = parser().parse_args(arguments)
    if options.runs < 1:
        parser().error("--runs must be 1 or more")
    found, failed = read_record(HERE / "results.json"), []
    try:
        write(found, HERE)  # before anything is measured, because a document without its marks would lose it
    except ValueError as error:
        raise SystemExit(str(error)) from None
    for name in [] if options.write else options.only or SUITES:
        table, load = measured(name, options)
        found[name] = record.entry(table, {**here(), "runs": options.runs, "quick": options.quick, "load": load})
        failed += [row.contender for row in table.rows if row.missing and row.package.startswith("refinedweb")]
        write(found, HERE)
    if failed:
        print(f"did not run: {', '.join(failed)}; see the messages of their sides above", file=sys.stderr)
    return bool(failed)


def measured(name: str, options: argparse.Namespace) -> tuple[Table, float]:
    """What a suite finds, and the load of the machine before it started."""
    print(f"suite {name}", file=sys.stderr, flush=True)
    load = pairs.load()
    with tempfile.TemporaryDirectory() as folder, Run(options.runs, options.quick, options.core, Path(folder)) as run:
        return SUITES[name](run), load


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--only", nargs="+", choices=SUITES, metavar="SUITE", help=f"any of {', '.join(SUITES)}")
    made.add_argument("--runs", type=int, default=3, help="runs that count, after one that does not (default: 3)")
    made.add_argument("--quick", action="store_true", help="small inputs: a trial, not a measurement")
    made.add_argument(
        "--core",
        type=int,
        default=max(os.sched_getaffinity(0)),
        help="core of all sides (default: %(default)s)",
    )
    made.add_argument("--write", action="store_true", help="only write RESULTS.md and results.svg from results.json")
    return made


def read_record(path: Path) -> record.Record:
    """What was found so far, in the order of the suites; entries of suites that no longer exist are left out."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: known[name] for name in SUITES if name in known}


def write(found: record.Record, folder: Path) -> None:
    """Write results.json, results.svg and the marked part of RESULTS.md in a folder."""
    ordered = {name: found[name] for name in SUITES if name in found}
    results = folder / "RESULTS.md"
    made = {
        results: record.placed(results.read_text(encoding="utf-8"), record.markdown(ordered)),
        folder / "results.json": json.dumps(ordered, indent=1, ensure_ascii=False) + "\n",
        folder / "results.svg": chart.svg(ordered),
    }
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")


def here() -> dict[str, Any]:
    """The machine, the installed versions, and the date."""
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    software = [f"{name} {importlib.metadata.version(name)}" for name in SOFTWARE]
    return {
        "machine": f"{os.cpu_count()} × {processor()}, {memory:.0f} GiB, {system}",
        "software": f"Python {platform.python_version()}, {', '.join(software)}",
        "date": datetime.date.today().isoformat(),
    }


def processor() -> str:
    """The processor's model name, as Linux reports it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())

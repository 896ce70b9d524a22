"""`plan` against reality: runs with one and two workers, and a deduplication, each forecast from smaller runs.

    uv run python -m benchmarks.forecast [paced deduplication filters] [--copies 4] [--documents 40000] [--runs 3]

Paced: a stage that sleeps for every document, so that other load hardly matters. It shows whether the forecast's
machinery (queue, tail, pauses, warm-up) is right; the time is from the start of the first task to the end of the last.
Filters: the sample is the recipe's filters over the crawl (8 files), and the forecast run is the same over several
copies of it; with two workers and with one, each forecast from a sample with as many workers, and once from the other.
Deduplication: `minhash_v1` over planted corpora (`benchmarks.planted`), from samples of an eighth and a quarter, with
two workers.

Reality is the time of the command. The forecast is that of the run, plus the time that the sample's command spent
outside its run (imports, ending Ray). Figures are medians; if there was other load during the sample but not during the
run, or the reverse, it is part of the error.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks import crawl, pairs, planted
from benchmarks.paced import Paced
from refinedweb.forecast.forecast import ForecastPlan, forecast
from refinedweb.forecast.machines import TYPES, Conditions, machine, quiet
from refinedweb.forecast.measured import measure
from refinedweb.forecast.workload import InputVolume
from refinedweb.ledger.manifest import Ledger
from refinedweb.ledger.run_file import open_run
from refinedweb.storage import open_store

FILTERS = "url_v1,extract_v1,language_v1,repetition_v1,quality_v1,lines_v1"
ALLOWED = 0.15  # relative error of a forecast that counts as good


@dataclass(frozen=True)
class Ran:
    """One command: its seconds, and its output folder."""

    seconds: float
    out: Path


def ran(stages: str, inputs: Path, out: Path, workers: int) -> Ran:
    """Execute one run by itself."""
    shutil.rmtree(out, ignore_errors=True)
    call = [sys.executable, "-m", "refinedweb", "run", stages, str(inputs), str(out), "--json"]
    call += ["--workers", str(workers), "--import", "benchmarks.paced"]
    environment = {**os.environ, "PYTHONPATH": str(crawl.ROOT)}
    environment.pop("REFINEDWEB_ADDRESS", None)
    start = time.monotonic()
    done = subprocess.run(call, env=environment, cwd=crawl.ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr)
    print(f"{out.name}: {seconds:.1f} s with {workers} workers, load {pairs.load():.1f}", file=sys.stderr, flush=True)
    return Ran(seconds, out)


def predicted(samples: list[Ran], files: int, size: float, workers: int) -> float:
    """The forecast seconds of the command over `files` files of `size` bytes."""
    sample = measure([str(one.out) for one in samples])
    largest = samples[-1]
    here = quiet(sample.start)
    itself = InputVolume(len(sample.run.inputs), sample.bytes_in / len(sample.run.inputs))
    box = machine("local", cores=workers)
    outside = largest.seconds - forecast(ForecastPlan(sample, itself, box, here), 1).seconds
    return forecast(ForecastPlan(sample, InputVolume(files, size), box, here), 1).seconds + max(0.0, outside)


def line(name: str, forecasts: list[float], real: list[float]) -> None:
    """Print a row of the table: the medians and the error."""
    forecast_, reality = statistics.median(forecasts), statistics.median(real)
    error = forecast_ / reality - 1
    print(
        f"| {name} | {forecast_:.1f} s | {reality:.1f} s | {error:+.1%} | {'yes' if abs(error) <= ALLOWED else 'no'} |"
    )


def filters(folder: Path, copies: int, runs: int) -> Path:
    """Print forecast and reality of the filter pass, and return a sample for what comes next."""
    small, large = folder / "small", folder / "large"
    for target, times in ((small, 1), (large, copies)):
        target.mkdir()
        for number, part in enumerate(crawl.parts() * times):
            shutil.copy(part, target / f"{number:04d}.warc.gz")
    files = list(large.iterdir())
    size = sum(file.stat().st_size for file in files) / len(files)
    ran(FILTERS, small, folder / "warm-up", 2)
    forecasts: dict[tuple[int, int], list[float]] = {}
    real: dict[int, list[float]] = {1: [], 2: []}
    working: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(runs):
        samples = {workers: ran(FILTERS, small, folder / f"sample-{workers}", workers) for workers in (1, 2)}
        for workers in (1, 2):
            run = ran(FILTERS, large, folder / "run", workers)
            real[workers].append(run.seconds)
            working[workers].append(span(run.out))
        for sampled, sample in samples.items():
            for workers in (1, 2):
                seconds = predicted([sample], len(files), size, workers)
                forecasts.setdefault((sampled, workers), []).append(seconds)
    for (sampled, workers), predictions in forecasts.items():
        line(f"filters, {workers} worker(s), sample with {sampled}", predictions, real[workers])
    whole, tasks = (statistics.median(times[1]) / statistics.median(times[2]) for times in (real, working))
    print(f"\nScaling from 1 to 2 workers: {tasks:.2f} × from the first task's start to the last one's end; ", end="")
    print(f"{whole:.2f} × by whole commands, including the start and end of Ray\n")
    return folder / "sample-2"


def paced(folder: Path, runs: int) -> None:
    """Print forecast and reality of tasks that only sleep."""
    chance, sizes = random.Random(1), {"paced-small": 16, "paced-large": 80}
    for name, files in sizes.items():
        (folder / name).mkdir()
        for number in range(files):
            texts = (json.dumps({"id": f"{number}-{n}", "text": "x"}) for n in range(chance.randint(20, 60)))
            (folder / name / f"{number:04d}.jsonl").write_text("\n".join(texts))
    size = sum(file.stat().st_size for file in (folder / "paced-large").iterdir()) / 80
    for workers in (1, 2):
        forecasts, real = [], []
        for _ in range(runs):
            sample = ran(Paced.name, folder / "paced-small", folder / "paced-sample", workers)
            large = ran(Paced.name, folder / "paced-large", folder / "paced-run", workers)
            measured = measure([str(sample.out)])
            box = machine("local", cores=workers)
            forecasts.append(forecast(ForecastPlan(measured, InputVolume(80, size), box, quiet(0.0)), 1).seconds)
            real.append(span(large.out))
        line(f"paced, {workers} worker(s), sample of a fifth", forecasts, real)


def span(out: Path) -> float:
    """Seconds from the start of the first task to the end of the last."""
    run = open_run(str(out))
    records = list(Ledger(open_store(str(out)), run.steps[0].name).records(range(len(run.inputs))))
    ends = [datetime.fromisoformat(record.committed_at).timestamp() for record in records]
    return max(ends) - min(end - record.seconds for end, record in zip(ends, records, strict=True))


def deduplication(folder: Path, documents: int, runs: int) -> None:
    """Print forecast and reality of `minhash_v1`."""
    corpora = {}
    for count in (documents // 8, documents // 4, documents):
        corpora[count] = folder / f"corpus-{count}"
        planted.write(corpora[count], count, 8, seed=1)
    *sizes, large = corpora
    found = list((corpora[large] / "documents").glob("*.parquet"))
    size = sum(file.stat().st_size for file in found) / len(found)
    forecasts, real = [], []
    for _ in range(runs):
        samples = [ran("minhash_v1", corpora[n] / "documents", folder / f"minhash-{n}", 2) for n in sizes]
        real.append(ran("minhash_v1", corpora[large] / "documents", folder / "minhash", 2).seconds)
        forecasts.append(predicted(samples, len(found), size, 2))
    line(f"minhash_v1, {documents:,} documents, samples of an eighth and a quarter", forecasts, real)


def efficiency(sample: Path) -> None:
    """Print what the simulation says about many machines."""
    measured = measure([str(sample)])
    print("\n| machines | one cluster: hours, efficiency | each its own driver: hours, efficiency |\n|---|---|---|")
    for count in (1, 10, 100, 257):
        cells = []
        for alone in (False, True):
            world = Conditions(share_nothing=alone)
            found = forecast(ForecastPlan(measured, InputVolume(90_000, 1.1e9), TYPES["ml.c5.18xlarge"], world), count)
            cells.append(f"{found.hours:.2f} h, {found.efficiency:.0%}")
        print(f"| {count} | {' | '.join(cells)} |")


def main() -> None:
    options = pairs.arguments(__doc__, parts=("paced", "deduplication", "filters"), copies=4, documents=40_000)
    pairs.warn_where_noisy()
    print(f"| run | forecast | reality | error | within {ALLOWED:.0%} |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        if "paced" in options.parts:
            paced(Path(folder), options.runs)
        if "deduplication" in options.parts:
            deduplication(Path(folder), options.documents, options.runs)
        if "filters" in options.parts:
            efficiency(filters(Path(folder), options.copies, options.runs))


if __name__ == "__main__":
    main()

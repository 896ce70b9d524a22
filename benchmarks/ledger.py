"""The ledger at scale: `status`, `verify` and finding the pending shards, over 100,000 committed ones on local disk.

    uv run python -m benchmarks.ledger [--shards 100000] [--runs 5] [--folder DIR]

Budgets at 100,000: status ≤ 5 s, finding the pending shards ≤ 10 s. Both are timed with and without rollups. Commits
are simulated: the records are as large as real ones except that they list no outputs, so `verify` reads only the
ledger. Each row is a separate process: its wall time, CPU seconds and peak memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

from refinedweb.engine.blocks import Blocks
from refinedweb.engine.start import start_or_resume
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.layout import task_name
from refinedweb.ledger.manifest import ROLLUP, Ledger, Record
from refinedweb.ledger.run_file import open_run
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store

REASONS = {
    "source": {"not_html": 900, "bad_status": 40, "empty_payload": 3},
    "url_v1": {"blocked_domain": 500, "adult_url": 80, "curated_source": 9},
    "language_v1": {"other_language": 15_000, "low_language_score": 2_000},
    "repetition_v1": {"duplicate_lines": 800, "top_2gram": 500, "duplicate_5grams": 2_500},
    "quality_v1": {"too_few_words": 3_000, "too_few_stop_words": 700},
    "lines_v1": {"too_many_words_removed": 1_900},
}
PENDING = 1_000  # shards without a record
STEP = "00-filter"


def record(shard: int, fingerprint: str) -> Record:
    """A record with the size of a real WARC's, for a shard without documents."""
    none = {stage: dict.fromkeys(reasons, 0) for stage, reasons in REASONS.items()}
    return Record(
        task=shard, fingerprint=fingerprint, code_version="0.1.0+abcdef0", input_key=uri(shard), input_etag="0" * 32,
        input_size=1_000_000_000, rows_in=0, rows_kept=0, bytes_kept=0, removed=none, outputs=[],
        skipped={"request": 30_000, "metadata": 30_000, "warcinfo": 1}, seconds=900.0,
        stage_seconds=dict.fromkeys(REASONS, 10.0),
    )  # fmt: skip


def uri(shard: int) -> str:
    """A name as long as Common Crawl's."""
    return f"s3://commoncrawl/crawl-data/CC-MAIN-2024-51/segments/1733066035857.0/warc/CC-MAIN-2024{shard:06d}-{shard:05d}.warc.gz"


def prepare(out: Path, shards: int) -> None:
    """Make a run with all but PENDING shards committed. Records are not synced: only reading is timed."""
    inputs = [Input(uri(n), "0" * 32, 1_000_000_000) for n in range(shards + PENDING)]
    from refinedweb.recipe.load import load as load_recipe

    loaded = load_recipe("url_v1")
    start_or_resume(loaded, inputs, str(out))
    folder = out / STEP / "manifest"
    folder.mkdir(parents=True)
    template = record(0, loaded.fingerprint()).to_json()
    for n in range(shards):
        data = template.replace(b'"task":0', b'"task":%d' % n).replace(uri(0).encode(), uri(n).encode())
        (folder / f"{task_name(n)}.json").write_bytes(data)


def committed(out: Path, shards: int) -> None:
    """List all records."""
    assert len(Ledger(open_store(str(out)), STEP).committed()) == shards


def totals(out: Path, shards: int) -> None:
    """Sum all records."""
    ledger = Ledger(open_store(str(out)), STEP)
    assert ledger.totals(ledger.committed()).tasks == shards


def find_pending(out: Path, shards: int) -> None:
    """Do what a resuming driver does before its first task."""
    store = open_store(str(out))
    ledger = Ledger(store, STEP)
    sizes = {n: item.size for n, item in enumerate(open_run(str(out)).inputs)}
    blocks = Blocks(sizes, ledger.committed(), 64, ledger, Claims(store, STEP))
    assert len(blocks.pending) == PENDING
    taken = blocks.take()
    assert taken
    blocks.release()


def roll_up(out: Path, shards: int) -> None:
    """Write all rollups."""
    ledger = Ledger(open_store(str(out)), STEP)
    assert ledger.roll_up(ledger.committed()) == shards // ROLLUP


def status(out: Path, shards: int) -> None:
    """`refinedweb status`."""
    main_of("status", out)


def verify(out: Path, shards: int) -> None:
    """`refinedweb verify`."""
    main_of("verify", out)


def main_of(command: str, out: Path) -> None:
    """Call the command as a user does."""
    from refinedweb.cli import main as refinedweb

    with suppress(SystemExit), redirect_stdout(StringIO()):
        refinedweb([command, str(out)])


JOBS = {job.__name__: job for job in (committed, totals, find_pending, status, roll_up, verify)}
UNROLLED = ("committed", "find_pending", "totals", "status")
ROLLED = ("roll_up", "totals", "status", "verify")
ONCE = ("roll_up",)


def measured(job: str, out: Path, shards: int, runs: int) -> None:
    """Print a row of the table: median seconds and peak memory of processes that do only this job."""
    seconds, cpu, memory = [], [], 0.0
    for _ in range(1 if job in ONCE else runs):
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.ledger", "--job", job, "--folder", str(out), "--shards", str(shards)]
        )
        _, ended, usage = os.wait4(process.pid, 0)
        if ended != 0:
            raise SystemExit(f"{job} ended with {os.waitstatus_to_exitcode(ended)}")
        seconds.append(time.perf_counter() - start)
        cpu.append(usage.ru_utime + usage.ru_stime)
        memory = max(memory, usage.ru_maxrss / 1024)
    print(
        f"| {job} | {statistics.median(seconds):.1f} s | {statistics.median(cpu):.1f} s | {memory:.0f} MB |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job is not None:
        JOBS[given.job](given.folder, given.shards)
        return
    out = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        prepare(out, given.shards)
        size = (out / "run.json").stat().st_size / 1e6
        print(
            f"{given.shards:,} committed shards, {PENDING:,} pending; medians of {given.runs}; run.json {size:.0f} MB"
        )
        print("| | seconds | CPU seconds | peak memory |")
        print("|---|---|---|---|")
        for job in (*UNROLLED, *ROLLED):
            measured(job, out, given.shards, given.runs)
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    main()

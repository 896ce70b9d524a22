"""Very many small shards in one run, through Ray: the run, the same again (all is done), `status` and `verify`.

    uv run python -m benchmarks.load_shards [--shards 100000] [--workers 2] [--drivers 1] [--folder DIR]

Each shard is a JSONL file of three documents, filtered by url_v1, so that the engine's own cost is what is measured.
`--folder` on tmpfs takes the disk's syncs (six per shard) out of it. Memory is the peak of the command's own process.
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
from collections.abc import Sequence
from pathlib import Path

from benchmarks.crawl import ROOT

DOCUMENTS = 3


def build(folder: Path, shards: int) -> None:
    """The inputs: of every three documents the URL filter removes one."""
    folder.mkdir()
    for shard in range(shards):
        rows = [
            {"url": f"https://site{shard}.org/{'porn' if n == 0 else 'page'}/{n}", "text": f"page {n} of {shard}"}
            for n in range(DOCUMENTS)
        ]
        (folder / f"{shard:06d}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def timed(name: str, arguments: Sequence[str], copies: int = 1) -> None:
    """A row of the table: seconds, CPU seconds and peak memory of a command, run so many times side by side."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("REFINEDWEB_ADDRESS", None)
    start = time.monotonic()
    running = [
        subprocess.Popen([sys.executable, "-m", "refinedweb", *arguments], env=environment, stdout=subprocess.DEVNULL)
        for _ in range(copies)
    ]
    ended = [os.wait4(process.pid, 0) for process in running]
    seconds = time.monotonic() - start
    codes = {os.waitstatus_to_exitcode(status) for _, status, _ in ended}
    cpu = max(usage.ru_utime + usage.ru_stime for _, _, usage in ended)
    memory = max(usage.ru_maxrss for _, _, usage in ended) / 1024
    print(f"| {name} | {seconds:.1f} s | {cpu:.1f} s | {memory:.0f} MB | {sorted(codes)} |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--shards", type=int, default=100_000)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--drivers", type=int, default=1)
    options.add_argument("--folder", type=Path, help="where inputs and outputs lie for as long as this runs")
    given = options.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        build(folder / "in", given.shards)
        out = str(folder / "out")
        print(f"{given.shards:,} shards of {DOCUMENTS} documents, {given.drivers} drivers of {given.workers} workers")
        print("| command | seconds | CPU seconds | peak memory | exit code |")
        print("|---|---|---|---|---|")
        run = ["run", "url_v1", str(folder / "in"), out, "--workers", str(given.workers)]
        timed("run", run, given.drivers)
        timed("run again", run)
        timed("status", ["status", out])
        timed("verify --quick", ["verify", out, "--quick"])
        timed("verify", ["verify", out])
        print(f"run.json: {(folder / 'out' / 'run.json').stat().st_size / 1e6:.1f} MB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""Very many small shards in one run, through Ray: the run, the same again (all done), `status` and `verify`.

    uv run python -m benchmarks.load_shards [--shards 100000] [--workers 2] [--drivers 1] [--folder DIR]

Each shard is a JSONL file of three documents, filtered by url_v1, so what is measured is the cost of the engine itself.
With `--folder` on tmpfs the disk's syncs (six per shard) do not count. Memory is the peak of the command's process.
With `--simulated` everything is real (listing, run.json, claims, loop, ledger, rollups) except the shards' work, which
is replaced by committing a record without documents.
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
from typing import Any

from benchmarks.crawl import ROOT
from refinedweb.engine.inline import InlinePool
from refinedweb.engine.run import execute_on
from refinedweb.ledger.claims import LEASE_SECONDS
from refinedweb.ledger.manifest import Ledger, Record
from refinedweb.recipe.load import load as load_recipe
from refinedweb.sources import inputs
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store

DOCUMENTS = 3  # of each shard: as few as possible, one of them removed


def build(folder: Path, shards: int) -> None:
    """Make the inputs. Of every three documents the URL filter removes one."""
    folder.mkdir()
    for shard in range(shards):
        rows = [
            {"url": f"https://site{shard}.org/{'porn' if n == 0 else 'page'}/{n}", "text": f"page {n} of {shard}"}
            for n in range(DOCUMENTS)
        ]
        (folder / f"{shard:06d}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


class Committing(InlinePool):
    """Commits a record for each shard, and does no other work."""

    def use(self, work: Any, beat: Any) -> None:
        ledger = Ledger(open_store(work.out), work.step.name)
        fingerprint = work.recipe.fingerprint()

        def commit(shard: int, item: Input, careful: bool) -> Record:
            return ledger.commit(
                Record(
                    task=shard,
                    fingerprint=fingerprint,
                    code_version="simulated",
                    input_key=item.uri,
                    input_etag=item.etag,
                    input_size=item.size,
                    rows_in=0,
                    rows_kept=0,
                    bytes_kept=0,
                    removed={},
                    outputs=[],
                )
            )

        super().use(commit, beat)


def simulate(source: str, out: str) -> None:
    """Run shards that cost nothing."""
    found = inputs.find([source], out=out)
    execute_on(Committing, load_recipe("url_v1"), found.inputs, out, LEASE_SECONDS, lambda progress: None)


def timed(name: str, arguments: Sequence[str], copies: int = 1, module: str = "refinedweb") -> None:
    """Print a row of the table: seconds, CPU seconds and peak memory of a command, with `copies` of it in parallel."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("REFINEDWEB_ADDRESS", None)
    start = time.monotonic()
    running = [
        subprocess.Popen([sys.executable, "-m", module, *arguments], env=environment, stdout=subprocess.DEVNULL)
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
    options.add_argument("--folder", type=Path, help="folder for the temporary inputs and outputs")
    options.add_argument("--simulated", action="store_true")
    options.add_argument("--simulate", nargs=2, metavar=("IN", "OUT"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.simulate is not None:
        simulate(*given.simulate)
        return
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        build(folder / "in", given.shards)
        out = str(folder / "out")
        print(f"{given.shards:,} shards of {DOCUMENTS} documents, {given.drivers} drivers of {given.workers} workers")
        print("| command | seconds | CPU seconds | peak memory | exit code |")
        print("|---|---|---|---|---|")
        run = ["run", "url_v1", str(folder / "in"), out, "--workers", str(given.workers)]
        if given.simulated:
            timed("run, simulated", ["--simulate", run[2], out], given.drivers, "benchmarks.load_shards")
        else:
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

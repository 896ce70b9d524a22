"""The ledger at scale: `status`, and finding what is pending, over 100,000 committed shards on local disk.

    uv run python -m benchmarks.ledger [--shards 100000]

Budgets: status ≤ 5 s, finding the pending shards ≤ 10 s. Both are timed with and without rollups.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from refinedweb import recipe
from refinedweb.claims import Claims
from refinedweb.engine.blocks import Blocks
from refinedweb.engine.run import start_or_resume
from refinedweb.inputs import Input
from refinedweb.manifest import Ledger, Output, Record, task_name
from refinedweb.storage import open_store

REASONS = {
    "source": {"not_html": 900, "bad_status": 40, "empty_payload": 3},
    "url_v1": {"blocked_domain": 500, "adult_url": 80, "curated_source": 9},
    "language_v1": {"other_language": 15_000, "low_language_score": 2_000},
    "repetition_v1": {"duplicate_lines": 800, "top_2gram": 500, "duplicate_5grams": 2_500},
    "quality_v1": {"too_few_words": 3_000, "too_few_stop_words": 700},
    "lines_v1": {"too_many_words_removed": 1_900},
}
PENDING = 1_000
STEP = "00-filter"


def record(shard: int) -> Record:
    """A record as large as those of real WARCs."""
    removed = sum(n for reasons in REASONS.values() for n in reasons.values())
    outputs = [Output(f"corpus/{task_name(shard)}.parquet", 5_000, 9_000_000, "0" * 32)]
    outputs += [Output(f"{STEP}/removed/{s}/{task_name(shard)}.parquet", 1, 1, "0" * 32) for s in REASONS]
    return Record(
        task=shard, fingerprint="f" * 32, code_version="0.1.0+abcdef0", input_key=uri(shard), input_etag="0" * 32,
        input_size=1_000_000_000, rows_in=5_000 + removed, rows_kept=5_000, bytes_kept=25_000_000, removed=REASONS,
        outputs=outputs, skipped={"request": 30_000, "metadata": 30_000, "warcinfo": 1}, seconds=900.0,
        stage_seconds=dict.fromkeys(REASONS, 10.0),
    )  # fmt: skip


def uri(shard: int) -> str:
    """A name as long as Common Crawl's."""
    return f"s3://commoncrawl/crawl-data/CC-MAIN-2024-51/segments/1733066035857.0/warc/CC-MAIN-2024{shard:06d}-{shard:05d}.warc.gz"


def prepare(out: Path, shards: int) -> None:
    """A run with all but PENDING of its shards committed (records written without syncing: only reading is timed)."""
    inputs = [Input(uri(n), "0" * 32, 1_000_000_000) for n in range(shards + PENDING)]
    start_or_resume(recipe.load("url_v1"), inputs, str(out))
    folder = out / STEP / "manifest"
    folder.mkdir(parents=True)
    for n in range(shards):
        (folder / f"{task_name(n)}.json").write_bytes(record(n).to_json())


def find_pending(out: Path, shards: int) -> None:
    """What a resuming driver does before its first task."""
    store = open_store(str(out))
    ledger = Ledger(store, STEP)
    committed = ledger.committed()
    pending = {n: 1 for n in range(shards + PENDING) if n not in committed}
    blocks = Blocks(pending, 64, ledger, Claims(store, STEP))
    assert len(blocks.pending) == PENDING


def status(out: Path) -> None:
    """The command, as a user waits for it."""
    subprocess.run([sys.executable, "-m", "refinedweb", "status", str(out)], check=True, stdout=subprocess.DEVNULL)


def median(call: Callable[[], None], runs: int = 5) -> float:
    """Median seconds of several runs."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=100_000)
    shards = parser.parse_args().shards
    out = Path(tempfile.mkdtemp())
    try:
        prepare(out, shards)
        ledger = Ledger(open_store(str(out)), STEP)
        print(f"{shards:,} committed shards, {PENDING:,} pending; medians of 5")
        print(f"| find the pending shards | {median(lambda: find_pending(out, shards)):.2f} s |")
        print(f"| status, no rollups | {median(lambda: status(out)):.2f} s |")
        start = time.perf_counter()
        blocks = ledger.roll_up(ledger.committed())
        print(f"| writing {blocks} rollups | {time.perf_counter() - start:.2f} s (once) |")
        print(f"| status, with rollups | {median(lambda: status(out)):.2f} s |")
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    main()

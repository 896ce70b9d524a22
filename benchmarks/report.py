"""The report at scale: for a real run, and for a simulated one of 10⁸ documents. The simulated run has the records of
every task, but only the objects of the shards that the report samples.

    uv run python -m benchmarks.report [--run OUT] [--documents 100000000]

Budgets: a run of 2,475 pages ≤ 10 s, one of 10⁸ documents ≤ 60 s, the report's page ≤ 3 MB. The whole command is timed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.engine.start import start_or_resume
from refinedweb.ledger import layout
from refinedweb.ledger.layout import task_name
from refinedweb.ledger.manifest import Ledger, Output, Record
from refinedweb.ledger.run_file import RunFile
from refinedweb.recipe.load import load as load_recipe
from refinedweb.report.sample import MOST_ROWS, shard_rank
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store
from stages.dedup import DECISION

PER_SHARD = 30_000  # documents of a shard, about as many as in a WARC of Common Crawl
# What the passes remove of each shard.
FIRST = {
    "source": {"not_html": 900},
    "url_v1": {"adult_url": 480, "blocked_domain": 200},
    "extract_v1": {"no_main_text": 1_000},
    "language_v1": {"other_language": 12_000, "low_language_score": 1_500},
    "repetition_v1": {"duplicate_lines": 2_000, "duplicate_5grams": 2_500},
    "quality_v1": {"too_few_words": 2_400},
    "lines_v1": {"too_many_words_removed": 1_020},
}
LAST = {"minhash_v1": {"near_duplicate": 2_000}, "substring_v1": {"mostly_duplicated_text": 500}}
WORDS = "the of and that have with river stone garden window morning letter market bridge winter summer".split()  # noqa: SIM905


def simulate(out: Path, documents: int) -> None:
    """Make a finished run of `documents` documents."""
    shards = documents // PER_SHARD + 1
    inputs = [
        Input(f"s3://commoncrawl/crawl-data/CC-MAIN-2024-51/warc/{n:05d}.warc.gz", "0", 10**9) for n in range(shards)
    ]
    run = start_or_resume(load_recipe("refinedweb"), inputs, str(out))
    store = open_store(str(out))
    for step in run.steps:
        if step.kind == "global":
            _ledger(out, run, f"{step.name}/{layout.DECIDE}", shards, {}, "decisions")
            store.put(layout.done_key(step), json.dumps({layout.DECIDE: shards}).encode())
        else:
            removed = FIRST if step.reads is None else LAST
            _ledger(out, run, step.name, shards, removed, layout.kept_folder(step))
            ledger = Ledger(store, step.name)
            ledger.roll_up(ledger.committed())
    sampled = sorted(range(shards), key=lambda n: shard_rank(run.fingerprint, n))[: MOST_ROWS // PER_SHARD + 1]
    for shard in sampled:
        _objects(out, run, shard)


def _ledger(out: Path, run: RunFile, folder: str, shards: int, removed: dict[str, dict[str, int]], kept: str) -> None:
    rows_in = PER_SHARD if removed is FIRST else PER_SHARD - _rows(FIRST)
    left = rows_in - _rows(removed)
    (out / folder / "manifest").mkdir(parents=True)
    for n in range(shards):
        name = task_name(n)
        outputs = [Output(f"{kept}/{name}.parquet", left, 9_000_000, "0" * 32)]
        outputs += [
            Output(f"{folder}/removed/{stage}/{name}.parquet", sum(r.values()), 1, "0" * 32)
            for stage, r in removed.items()
        ]
        record = Record(
            task=n, fingerprint=run.fingerprint, code_version="0", input_key=run.inputs[n].uri, input_etag="0",
            input_size=10**9, rows_in=rows_in, rows_kept=left, bytes_kept=left * 4_000, removed=removed,
            outputs=outputs, seconds=900.0, stage_seconds=dict.fromkeys(removed, 100.0),
        )  # fmt: skip
        (out / folder / "manifest" / f"{name}.json").write_bytes(record.to_json())


def _rows(removed: dict[str, dict[str, int]]) -> int:
    return sum(n for reasons in removed.values() for n in reasons.values())


def _objects(out: Path, run: RunFile, shard: int) -> None:
    """Write what a report reads of one shard: 20 texts of each reason, as by default, and the whole corpus."""
    for step in run.steps:
        if step.kind == "global":
            _write(out / step.name / "decisions", shard, pa.Table.from_pylist([], DECISION))
            continue
        removed = FIRST if step.reads is None else LAST
        for stage, reasons in removed.items():
            drops = [reason for reason, n in reasons.items() for _ in range(n)]
            whole = [at < 20 for n in reasons.values() for at in range(n)]
            _write(out / step.name / "removed" / stage, shard, _rows_of(shard, drops, whole))
        if step.last:
            left = PER_SHARD - _rows(FIRST) - _rows(LAST)
            _write(out / "corpus", shard, _rows_of(shard, [None] * left, [True] * left).drop_columns(["drop"]))


def _rows_of(shard: int, drops: list[str | None], whole: list[bool]) -> pa.Table:
    chance = random.Random(shard)
    return pa.table(
        {
            "id": [f"{shard}-{n}" for n in range(len(drops))],
            "url": [f"https://www.site{int(chance.paretovariate(0.5)) % 5000}.example/{n}" for n in range(len(drops))],
            "language": ["en"] * len(drops),
            "language_score": pa.array([0.9] * len(drops), pa.float32()),
            "text": [" ".join(chance.choices(WORDS, k=500)) if kept else None for kept in whole],
            "drop": pa.array(drops, pa.string()),
        }
    )


def _write(folder: Path, shard: int, table: pa.Table) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{task_name(shard)}.parquet", compression="zstd", row_group_size=8192)


def timed(out: str, runs: int = 3) -> str:
    """The command's median wall and CPU seconds, and the size of the page."""
    with tempfile.TemporaryDirectory() as folder:
        times, work = [], []
        for _ in range(runs):
            start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            call = [sys.executable, "-m", "refinedweb", "report", out, "-o", f"{folder}/r.html"]
            subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            work.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        size = Path(folder, "r.html").stat().st_size
    return f"{statistics.median(times):.1f} s, {statistics.median(work):.1f} CPU s, {size / 1e6:.2f} MB"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", help="a real run, to be timed as well")
    parser.add_argument("--documents", type=int, default=100_000_000)
    arguments = parser.parse_args()
    if arguments.run:
        print(f"| {arguments.run} | {timed(arguments.run)} |")
    out = Path(tempfile.mkdtemp())
    try:
        simulate(out, arguments.documents)
        print(f"| simulated, {arguments.documents:,} documents | {timed(str(out))} |")
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    main()

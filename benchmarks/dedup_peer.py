"""datatrove's four MinHash steps over a folder of Parquet files (id, text): seconds, removed documents and recall.

    uv run python -m benchmarks.dedup_peer CORPUS [--presets 14x8 450x20] [--answers FOLDER] [--core N]

CORPUS is a folder that `benchmarks.planted` made (then its truth is scored), or any folder of Parquet files. It runs in
one process on one core, in datatrove's own environment, and takes about 10 ms of CPU time per document at 14 × 8.
`--answers` stores each answer as JSON: step_seconds, step_process_seconds, documents, removed (ids), clusters
(id → number).
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from benchmarks import pairs, planted_recall
from benchmarks.peers.protocol import Answer

STEPS = ("signatures", "buckets", "cluster", "filter")


def minhash(corpus: Path, bands: int, rows: int, core: int) -> Answer:
    """datatrove's answer for a folder of Parquet files; see `peers/dedup_side.py`."""
    with pairs.peer("dedup_side.py", core) as side:
        return side.ask("minhash", corpus=str(corpus.resolve()), bands=bands, rows=rows)


def line(bands: int, rows: int, answer: Answer) -> str:
    """CPU seconds (and wall time) of each step, and documents per CPU second over all of them."""
    cpu, clock = answer["step_process_seconds"], answer["step_seconds"]
    steps = " | ".join(f"{cpu[step]:.1f} ({clock[step]:.1f})" for step in STEPS)
    sizes = f"{answer['documents']:,} | {len(answer['removed']):,}"
    rate = answer["documents"] / sum(cpu.values())
    return f"| {bands} × {rows} | {sizes} | {steps} | {rate:,.1f} | {answer['megabytes']:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--presets", nargs="+", default=["14x8"], metavar="BANDSxROWS")
    parser.add_argument("--answers", type=Path, help="folder for the answers")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()
    pairs.warn_where_noisy()
    known = options.corpus / "truth.parquet"
    tables = []
    print("CPU seconds (wall time) of each step; one core")
    print(f"| preset | documents | removed | {' | '.join(STEPS)} | docs per CPU second | peak MB |")
    print("|---" * (5 + len(STEPS)) + "|")
    for preset in options.presets:
        bands, rows = map(int, preset.split("x"))
        answer = minhash(options.corpus / "documents" if known.exists() else options.corpus, bands, rows, options.core)
        print(line(bands, rows, answer), flush=True)
        if options.answers is not None:
            options.answers.mkdir(parents=True, exist_ok=True)
            (options.answers / f"datatrove-{preset}.json").write_text(json.dumps(answer))
        if known.exists():
            tables.append(planted_recall.report({"datatrove": answer["clusters"]}, options.corpus, bands, rows))
    print("", *tables, sep="\n\n")


if __name__ == "__main__":
    main()

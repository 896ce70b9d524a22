"""The whole MinHash step, from documents to a deduplicated corpus: time, growth, memory and recall, ours and datatrove.

    uv run python -m benchmarks.dedup CORPUS [--answers FOLDER]

CORPUS is a folder that `benchmarks.planted` made (eight files). Ours runs as `rw.run("minhash_v1", …)` does, in one
process on one core, for both presets: over one, two, four and eight files (the time per document must stay constant
within 25 %), then recall and precision over all eight. `--answers` is the folder in which `benchmarks.dedup_peer` left
datatrove's answers; they are shown in the same tables.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import pairs, planted_recall
from benchmarks.peers.protocol import Answer, Side

PRESETS = {"450x20": "refinedweb", "14x8": "fineweb"}
SIZES = (1, 2, 4, 8)  # files of the corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--answers", type=Path, help="folder with datatrove's answers")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()
    pairs.warn_where_noisy()
    for layout, preset in PRESETS.items():
        bands, rows = map(int, layout.split("x"))
        print(f"\n## {bands} × {rows}\n")
        print(
            "| files | documents | CPU s | s | CPU ms per document | documents per CPU second | peak MB | shuffled MB |"
        )
        print("|---" * 8 + "|")
        last: Answer = {}
        for size in SIZES:
            last = measured(options.corpus, preset, size, options.core)
            print(growth_line(size, last), flush=True)
        print("\nSeconds of each phase:", ", ".join(f"{name} {s:.1f}" for name, s in last["phases"].items()))
        answers: dict[str, Any] = {"ours": planted_recall.clusters_of(last["kept"])}
        answers |= peer_answer(options.answers, layout)
        print("\n" + planted_recall.report(answers, options.corpus, bands, rows))


def measured(corpus: Path, preset: str, files: int, core: int) -> Answer:
    """Our step over the first `files` files, in a fresh process, so that its peak memory is measured alone."""
    with tempfile.TemporaryDirectory() as folder, pairs.ours(core) as side:
        chosen = sorted((corpus / "documents").glob("*.parquet"))[:files]
        warm_up(side, chosen[0], preset, folder)
        return side.ask("dedup", files=[str(path) for path in chosen], settings=settings(preset), out=f"{folder}/out")


def warm_up(side: Side, path: Path, preset: str, folder: str) -> None:
    """Compile or load every kernel."""
    side.ask("dedup", files=[str(path)], settings=settings(preset), out=f"{folder}/warm", limit=500)
    shutil.rmtree(f"{folder}/warm")


def settings(preset: str) -> list[str]:
    """The overrides of a preset."""
    return [f"minhash_v1.preset={preset}"]


def growth_line(files: int, answer: Answer) -> str:
    """The line of one size of the corpus."""
    documents, cpu = answer["documents"], answer["process_seconds"]
    rate = f"{1000 * cpu / documents:.3f} | {documents / cpu:,.0f}"
    sizes = f"{answer['megabytes']:,.0f} | {answer['shuffled_megabytes']:,.0f}"
    return f"| {files} | {documents:,} | {cpu:.1f} | {answer['seconds']:.1f} | {rate} | {sizes} |"


def peer_answer(folder: Path | None, layout: str) -> Mapping[str, Any]:
    """datatrove's clusters, if they were stored."""
    path = None if folder is None else folder / f"datatrove-{layout}.json"
    return {"datatrove": json.loads(path.read_text())["clusters"]} if path is not None and path.exists() else {}


if __name__ == "__main__":
    main()

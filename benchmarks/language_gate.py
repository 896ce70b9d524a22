"""The language gate: how many of the pages that `language_v1` would drop it drops, what it loses, and what it costs.

    uv run python -m benchmarks.language_gate [--keep en]

The truth is the verdict of `language_v1` on each page after `extract_v1`. The gate's values were chosen on parts 0 to 3
of the crawl and on `labels/langid_dev.parquet`. Parts 4 to 7 decided no value, but were inspected once before the last
change (min_share 0.2 and 4,000 bytes of text: 89.8 % dropped, 3 of 388 lost). Times are CPU seconds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import crawl
from refinedweb.sources import open_reader
from stages.extract import Extract
from stages.extraction.supervisor import supervisor
from stages.extraction.zygote import cpu_seconds
from stages.language import Language
from stages.language_gate import LanguageGate

CHOSEN_ON, REPORTED_ON = "chosen on (parts 0-3)", "reported on (parts 4-7)"
LATER = ("other_language", "low_language_score")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", default="en", help="language codes or groups, separated by commas")
    keep = tuple(parser.parse_args().keep.split(","))
    halves = {CHOSEN_ON: crawl.parts()[:4], REPORTED_ON: crawl.parts()[4:]}
    print(
        "| pages | kept by language | lost | dropped by language | dropped by the gate | of other languages | gated |"
    )
    print("|---|---|---|---|---|---|---|")
    costs = [report(name, pages(parts), keep) for name, parts in halves.items()]
    gate, extraction = (sum(times) for times in zip(*costs, strict=True))
    print(f"\nThe gate costs {gate / extraction:.1%} of the extraction of the same pages.")


def pages(parts: list[Path]) -> pa.Table:
    """The usable pages of some WARC files."""
    tables = []
    for part in parts:
        with part.open("rb") as file:
            tables += open_reader(file, part.name).batches()
    docs = pa.concat_tables(tables)
    return docs.filter(pc.is_null(docs["drop"]))


def report(name: str, docs: pa.Table, keep: tuple[str, ...]) -> tuple[float, float]:
    """Print a line of the table, and return the CPU seconds of the gate and of the extraction."""
    gate = LanguageGate(keep=keep)
    gate(docs.slice(0, 1))
    start = time.process_time()
    gated = pc.is_valid(gate(docs)["drop"])
    gate_seconds = time.process_time() - start
    texts, seconds = extracted(Extract(), docs)
    verdicts = Language(keep=keep)(pa.table({"text": texts}))["drop"]
    found = pc.not_equal(pa.chunked_array([texts]), "")
    kept, other = pc.is_null(verdicts), pc.and_(found, pc.equal(verdicts, LATER[0]).fill_null(False))
    dropped = pc.and_(found, pc.is_valid(verdicts))
    lost, caught, plain = (share(gated, rows) for rows in (kept, dropped, other))
    print(
        f"| {name} | {pc.sum(kept)} | {lost} | {pc.sum(dropped)} | {caught} | {plain} "
        f"| {pc.sum(gated).as_py() / docs.num_rows:.1%} |"
    )
    return gate_seconds, seconds


def extracted(stage: Extract, docs: pa.Table) -> tuple[list[str], float]:
    """The stage's texts, and its CPU seconds including those of its child process."""
    stage(docs.slice(0, 1))
    child = supervisor(stage.settings()).child
    before = time.process_time() + (cpu_seconds(child.process.pid) if child is not None else 0)
    texts = [text or "" for text in stage(docs).column("text").to_pylist()]
    return texts, time.process_time() + (cpu_seconds(child.process.pid) if child is not None else 0) - before


def share(gated: pa.ChunkedArray, rows: pa.ChunkedArray) -> str:
    """How many of some rows the gate dropped, with their share."""
    hits, of = pc.sum(pc.and_(gated, rows)).as_py(), pc.sum(rows).as_py()
    return f"{hits} of {of} ({hits / of:.2%})"


if __name__ == "__main__":
    main()

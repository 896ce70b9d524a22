"""MinHash from text to band digests, by ours, datatrove, rensa and datasketch; one process and one core each.

    uv run python -m benchmarks --only minhash_450x20        # from texts, 450 × 20; minhash_14x8 is the other preset
    uv run python -m benchmarks.minhash           # the parts: up to shingles, and from shingles on

The documents are the English main texts of 4 to 6 kB in the data folder. datatrove and ours go from texts to digests
(datatrove: of buckets, unhashed). rensa and datasketch do not handle text, so they go from texts to signatures with the
least Python that can feed them. Figures are per CPU second of the process, because others may use the machine.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import crawl, pairs
from benchmarks.peers.protocol import Answer
from benchmarks.suite import Answers, Contender, Run, Table, compare

PRESETS = {"refinedweb": (450, 20), "fineweb": (14, 8)}
LIBRARIES = {"rensa": "rensa", "rensa, rho": "rensa", "datasketch": "datasketch"}
PEER = "datatrove"


def suite(preset: str, run: Run) -> Table:
    """Texts to digests with one preset: ours with both hashings, datatrove, rensa and datasketch."""
    bands, rows = PRESETS[preset]
    path = run.folder / "texts.parquet"
    everything = crawl.texts(path, run.size(1000, 20))
    some = min(everything, run.size(40, 4)) if preset == "refinedweb" else everything
    peer = partial(run.contender, units=some, do="digests", texts=str(path), documents=some, bands=bands, rows=rows)
    contenders: dict[str, Contender] = {
        PEER: peer("datatrove", "minhash_datatrove.py"),
        **{name: peer(package, "minhash_libraries.py", library=name) for name, package in LIBRARIES.items()},
    }
    ours: Any = partial(run.contender, "refinedweb", "minhash_ours", everything, "digests", texts=str(path))
    for hashing in ("permutations", "fast"):
        contenders[f"ours, `{hashing}`"] = ours(
            documents=everything, repeats=run.size(10, 2), preset=preset, hashing=hashing
        )
    budget = {"refinedweb": 1_000, "fineweb": 20_000}[preset]
    return Table(
        f"MinHash, {bands} × {rows}: text to digests",
        f"{everything} English main texts of 4 to 6 kB; the peers get the first {some}. Ours and datatrove end at "
        "digests of bands, rensa and datasketch at signatures, fed by the least Python that splits and joins. "
        f"Our budget: {budget:,} docs/s.",
        "docs", "", PEER, compare(run, contenders, PEER, unjudged),
    )  # fmt: skip


def unjudged(answers: Answers) -> dict[str, str]:
    """No quality: this suite measures only speed."""
    return dict.fromkeys(answers, "")


def main() -> None:
    options = pairs.arguments(__doc__, repeats=10)
    pairs.warn_where_noisy()
    with tempfile.TemporaryDirectory() as folder, Run(options.runs, False, options.core, Path(folder)) as run:
        texts = str(Path(folder) / "texts.parquet")
        given = {"texts": texts, "documents": crawl.texts(Path(texts))}
        parts(run, given, options.repeats)
        for preset in PRESETS:
            shingles(run, given, options.repeats, preset, f"{folder}/shingles.npz")


def parts(run: Run, given: dict[str, Any], repeats: int) -> None:
    """Print the speed of what comes before signatures, in MB/s."""
    us = run.side("minhash_ours")
    work = {part: partial(us.ask, "parts", **given, repeats=repeats, part=part) for part in ("normalise", "shingles")}
    print("| ours, before signatures | MB per CPU second |")
    print("|---|---|")
    for part, answers in pairs.in_turn(work, run.runs).items():
        print(f"| {part} | {answers[0]['bytes'] / pairs.median(answers, 'process_seconds') / 1e6:,.0f} |")


def shingles(run: Run, given: dict[str, Any], repeats: int, preset: str, path: str) -> None:
    """Print the speed of the signatures alone, starting from shingle hashes."""
    bands, rows = PRESETS[preset]
    us, libraries = run.side("minhash_ours"), run.side("minhash_libraries.py")
    found = us.ask("write_shingles", **given, path=path)["shingles"]
    contenders: dict[str, pairs.Contender] = {
        name: partial(libraries.ask, "signatures", shingles=path, entries=bands * rows, rho=rho)
        for name, rho in (("rensa", False), ("rensa, rho", True))
    }
    for name, fast in (("ours, permutations", False), ("ours, fast", True)):
        contenders[name] = partial(
            us.ask, "signatures", shingles=path, repeats=repeats, bands=bands, rows=rows, fast=fast
        )
    print(f"\n{preset}, from shingle hashes ({found / given['documents']:,.0f} per document)")
    report(pairs.in_turn(contenders, run.runs), given["documents"])


def report(answers: dict[str, list[Answer]], documents: int) -> None:
    """Print documents per second of CPU and of wall time, and the ratio to the first contender."""
    rates = {name: documents / pairs.median(runs, "process_seconds") for name, runs in answers.items()}
    first = next(iter(rates.values()))
    print("| contender | docs per CPU second | docs/s of wall time | ratio |")
    print("|---|---|---|---|")
    for name, rate in rates.items():
        clock = documents / pairs.median(answers[name])
        print(f"| {name} | {rate:,.0f} | {clock:,.0f} | {rate / first:,.1f} |")


if __name__ == "__main__":
    main()

"""MinHash from text to band digests, ours beside datatrove, rensa and datasketch; one process and one core each.

    uv run python -m benchmarks.minhash [--runs 5] [--repeats 10] [--documents 40] [--core N]

Documents: the English main texts of 4 to 6 kB in the data folder; peers take the first `--documents` of them at 9,000
entries and as many as there are at 112. datatrove and ours go from texts to digests (datatrove: of buckets, unhashed);
rensa and datasketch, which know no text, from texts to signatures with the least Python that feeds them. A second table
starts from shingle hashes. Figures are per CPU second of the process: others may use the machine.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks import crawl, pairs
from benchmarks.crawl import ROOT
from benchmarks.peers.protocol import Answer, Side

PRESETS = {"refinedweb": (450, 20), "fineweb": (14, 8)}
BUDGET = {"refinedweb": 1_000, "fineweb": 20_000}
LIBRARIES = ("rensa", "rensa, rho", "datasketch")
Answers = dict[str, list[Answer]]


def peer(script: str, core: int) -> Side:
    return Side(["uv", "run", "--quiet", "--script", str(ROOT / "benchmarks" / "peers" / script)], core)


def main() -> None:
    options = pairs.arguments(__doc__, repeats=10, documents=40)
    pairs.warn_where_noisy()
    core = options.core
    us = Side([sys.executable, "-m", "benchmarks.peers.minhash_ours"], core, cwd=ROOT)
    datatrove, libraries = peer("minhash_datatrove.py", core), peer("minhash_libraries.py", core)
    with tempfile.TemporaryDirectory() as folder, us, datatrove, libraries:
        path = Path(folder) / "texts.parquet"
        everything = crawl.texts(path)
        bench = Bench(us, datatrove, libraries, str(path), everything, options.repeats, options.runs)
        bench.parts()
        for preset in PRESETS:
            bench.texts(preset, min(options.documents, everything) if preset == "refinedweb" else everything)
        for preset in PRESETS:
            bench.shingles(preset, f"{folder}/shingles.npz")


class Bench:
    """The three tables, over the same documents."""

    def __init__(
        self, us: Side, datatrove: Side, libraries: Side, texts: str, documents: int, repeats: int, runs: int
    ) -> None:
        self.us, self.datatrove, self.libraries = us, datatrove, libraries
        self.all, self.documents, self.runs = {"texts": texts, "documents": documents}, documents, runs
        self.repeats = repeats

    def parts(self) -> None:
        """What comes before signatures, in MB/s."""
        work = {
            part: partial(self.us.ask, "parts", **self.all, repeats=self.repeats, part=part)
            for part in ("normalise", "shingles")
        }
        print("| ours, before signatures | MB per CPU second |")
        print("|---|---|")
        for part, answers in pairs.in_turn(work, self.runs).items():
            print(f"| {part} | {answers[0]['bytes'] / pairs.median(answers, 'process_seconds') / 1e6:,.0f} |")

    def texts(self, preset: str, peers_take: int) -> None:
        """From texts: each contender with the number of documents it takes."""
        bands, rows = PRESETS[preset]
        some = {**self.all, "documents": peers_take, "bands": bands, "rows": rows}
        contenders: dict[str, pairs.Contender] = {
            "datatrove": partial(self.datatrove.ask, "digests", **some),
            **{name: partial(self.libraries.ask, "digests", **some, library=name) for name in LIBRARIES},
        }
        takes = dict.fromkeys(contenders, peers_take)
        for hashing in ("permutations", "fast"):
            name = f"ours, {hashing}"
            ask = partial(self.us.ask, "digests", **self.all, repeats=self.repeats, preset=preset, hashing=hashing)
            contenders[name], takes[name] = ask, self.documents
        print(f"\n{preset}, {bands} x {rows}, from texts; budget {BUDGET[preset]:,} docs/s")
        report(pairs.in_turn(contenders, self.runs), takes)

    def shingles(self, preset: str, path: str) -> None:
        """From shingle hashes: the signatures alone."""
        bands, rows = PRESETS[preset]
        found = self.us.ask("write_shingles", **self.all, path=path)["shingles"]
        contenders: dict[str, pairs.Contender] = {
            name: partial(self.libraries.ask, "signatures", shingles=path, entries=bands * rows, rho=rho)
            for name, rho in (("rensa", False), ("rensa, rho", True))
        }
        for name, fast in (("ours, permutations", False), ("ours, fast", True)):
            contenders[name] = partial(
                self.us.ask, "signatures", shingles=path, repeats=self.repeats, bands=bands, rows=rows, fast=fast
            )
        print(f"\n{preset}, from shingle hashes ({found / self.documents:,.0f} a document)")
        report(pairs.in_turn(contenders, self.runs), dict.fromkeys(contenders, self.documents))


def report(answers: Answers, takes: dict[str, int]) -> None:
    """Documents per CPU second and by the clock, and the ratio to the first contender."""
    rates = {name: takes[name] / pairs.median(runs, "process_seconds") for name, runs in answers.items()}
    first = next(iter(rates.values()))
    print("| contender | docs per CPU second | docs/s by the clock | ratio |")
    print("|---|---|---|---|")
    for name, rate in rates.items():
        clock = takes[name] / pairs.median(answers[name])
        print(f"| {name} | {rate:,.0f} | {clock:,.0f} | {rate / first:,.1f} |")


if __name__ == "__main__":
    main()

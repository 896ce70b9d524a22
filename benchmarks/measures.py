"""Repetition and quality over 5 kB documents, ours beside datatrove's filters.

    uv run python -m benchmarks.measures [--runs 5] [--repeats 50] [--core N]

Documents: the English main texts of 4 to 6 kB in the data folder. datatrove runs as it comes (`datatrove`) and with the
words of a document shared between its two filters (`datatrove, words shared`), which is the peer of the budget.
Ours measures every limit of every document; datatrove stops at the first that fails.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from benchmarks import crawl, pairs
from benchmarks.peers.protocol import Answer

BUDGET = 5_000
PEER = "datatrove, words shared"


def main() -> None:
    options = pairs.arguments(__doc__, repeats=50)
    pairs.warn_where_noisy()
    with tempfile.TemporaryDirectory() as folder, pairs.ours(options.core) as us, pairs.datatrove(options.core) as them:
        path = str(Path(folder) / "texts.parquet")
        count = crawl.texts(Path(path))
        contenders: dict[str, pairs.Contender] = {
            PEER: partial(them.ask, "measures", texts=path, share_words=True),
            "datatrove": partial(them.ask, "measures", texts=path, share_words=False),
            "ours": partial(us.ask, "measures", texts=path, dialect="gopher", repeats=options.repeats),
            "ours, dialect datatrove": partial(
                us.ask, "measures", texts=path, dialect="datatrove", repeats=options.repeats
            ),
        }
        report(pairs.in_turn(contenders, options.runs), count)


def report(answers: dict[str, list[Answer]], documents: int) -> None:
    """The table, and how far the verdicts agree."""
    peer = pairs.median(answers[PEER], "process_seconds")
    kept = set(answers[PEER][0]["kept"])
    print(f"{documents} documents of 4 to 6 kB; medians; budget {BUDGET:,} docs/s")
    print("| contender | docs/s | per CPU second | fastest, slowest run | CPU ratio | kept | verdict as datatrove's |")
    print("|---|---|---|---|---|---|---|")
    for name, runs in answers.items():
        seconds, cpu = pairs.median(runs), pairs.median(runs, "process_seconds")
        passed = runs[0]["kept"]
        same = 1 - len(kept ^ set(passed)) / documents
        speed = f"{documents / seconds:,.0f} | {documents / cpu:,.0f} | {pairs.spread(runs)} | {peer / cpu:,.0f}"
        print(f"| {name} | {speed} | {len(passed)} | {same:.1%} |")


if __name__ == "__main__":
    main()

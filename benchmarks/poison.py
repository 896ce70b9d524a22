"""What 10 % of poison costs: pages per second of a filter pass over the crawl, clean and with poison among the pages.

    python -m benchmarks.poison [--pages 300] [--kinds issue|all] [--times 3]

`issue` has these kinds in equal number: nesting of 100,000, colspan 9007199254740991, a 200 MB text, billion laughs,
endless lines, bytes of no encoding, NULs, a 10 MB data URI, bombs, wrong lengths, and texts as large as a page may be.
`all` has every kind of `tests/faults/poison.py`. It runs in one process on one core, after a warm-up; CPU seconds
include those of the child. Clean and poisoned inputs take turns, and the ratio is the median of `--times`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.crawl import packed_pages, parts
from refinedweb.engine.start import start_or_resume
from refinedweb.recipe.load import load as load_recipe
from refinedweb.shard.local_step import LocalStep
from refinedweb.sources.inputs import find
from stages.extraction.supervisor import close_all
from tests.faults.poison import PAGES, RECORDS, member, record

RECIPE = "extract_v1,language_v1,repetition_v1,quality_v1,lines_v1"
ISSUE = (
    "nesting of 100,000", "colspan 9007199254740991", "200 MB text node", "5 MB in one text node", "billion laughs",
    "entities", "endless URL", "endless address", "5 MB in one line without spaces", "bytes that are no UTF-8",
    "UTF-8 cut at every place", "half surrogates in UTF-16", "NUL bytes", "10 MB data URI", "gzip bomb", "brotli bomb",
    "length too short", "length too long", "length of a petabyte",
)  # fmt: skip
SHARE = 10  # one in this many pages is poison


def write(path: Path, pages: list[bytes], kinds: tuple[str, ...]) -> int:
    """Write a WARC of the pages, with poison instead of every tenth one if there are kinds; how many are poison."""
    names, poison = cycle(kinds), 0
    with path.open("wb") as file:
        for number, page in enumerate(pages):
            if kinds and number % SHARE == SHARE - 1:
                file.writelines(member(record(next(names), number)))
                poison += 1
            else:
                file.write(page)
    return poison


def cpu() -> float:
    """The CPU seconds of this process and of its children, which are ended first."""
    close_all()
    return sum(os.times()[:4])


def measured(path: Path, out: Path) -> dict[str, Any]:
    """The figures of one pass over a file."""
    loaded = load_recipe(RECIPE, ["keep_removed=ids"])
    found = find([str(path)], out=str(out))
    run = start_or_resume(loaded, found.inputs, str(out))
    before, wall = cpu(), os.times().elapsed
    done = LocalStep(str(out), run.steps[0], loaded)(0, found.inputs[0], False)
    seconds, wall = cpu() - before, os.times().elapsed - wall
    reasons = {reason: n for stage in done.removed.values() for reason, n in stage.items() if "extract" in reason}
    return {"rows": done.rows_in, "cpu": seconds, "wall": wall, "rate": done.rows_in / seconds, "reasons": reasons}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--pages", type=int, default=300)
    options.add_argument("--kinds", choices=["issue", "all"], default="issue")
    options.add_argument("--times", type=int, default=3)
    given = options.parse_args()
    kinds = ISSUE if given.kinds == "issue" else (*PAGES, *RECORDS)
    pages = [page for part in parts() for page in packed_pages(part)]
    pages = pages[:: max(1, len(pages) // given.pages)][: given.pages]
    ratios: dict[str, list[float]] = {"cpu": [], "wall": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "warm.warc.gz", pages[:20], ())
        write(folder / "clean.warc.gz", pages, ())
        poison = write(folder / "poison.warc.gz", pages, kinds)
        measured(folder / "warm.warc.gz", folder / "warm")
        for turn in range(given.times):
            clean = measured(folder / "clean.warc.gz", folder / f"clean-{turn}")
            poisoned = measured(folder / "poison.warc.gz", folder / f"poison-{turn}")
            for clock, found in ratios.items():
                found.append(round(poisoned["rows"] / poisoned[clock] / (clean["rows"] / clean[clock]), 3))
            print(json.dumps({"clean": clean, "poisoned": poisoned}), flush=True)
    medians = {clock: statistics.median(found) for clock, found in ratios.items()}
    print(json.dumps({"poison": poison, "kinds": len(kinds), "ratios": ratios, "median": medians}))


if __name__ == "__main__":
    main()

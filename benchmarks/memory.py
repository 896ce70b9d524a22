"""Peak resident memory of a worker and its extraction child over a 1 GB WARC file, made by repeating the crawl.

    uv run python -m benchmarks.memory [--megabytes 1000] [--limit 4000] [--core N]

There are two passes: a quick recipe (language gate, resiliparse) over the whole file, and the default recipe
(trafilatura) over its first `--limit` documents. Both use the block lists that datatrove ships (4.6 million domains, as
many as in the paper). Resident sizes of worker and children are sampled ten times a second; their sum counts shared
memory twice, so it is an upper bound.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import crawl, pairs
from benchmarks.filter_pass import GATED, PASS, RESILIPARSE
from benchmarks.peers.protocol import Side

MB = 1_000_000  # bytes
BUDGET = 1_500  # MB of a worker and its child together
INTERVAL = 0.1  # seconds between two samples


class Peak:
    """The largest resident sizes in MB: of the worker, of its children together, and of all at one moment."""

    def __init__(self) -> None:
        self.worker = self.children = self.together = 0.0

    def see(self, sizes: list[float]) -> None:
        """Take one sample: the worker's size, then its children's."""
        self.worker = max(self.worker, sizes[0])
        self.children = max(self.children, sum(sizes[1:]))
        self.together = max(self.together, sum(sizes))


@contextmanager
def watched(side: Side) -> Iterator[Peak]:
    """The peak of a side's memory within the block."""
    peak, done = Peak(), threading.Event()

    def watch() -> None:
        while not done.wait(INTERVAL):
            peak.see(side.resident_megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def measure(name: str, warc: Path, stages: str, overrides: list[str], core: int) -> None:
    """Run one pass in a fresh worker, and print its line of the table."""
    with pairs.ours(core) as us:
        with watched(us) as peak:
            answer = us.ask("filter_pass", warc=str(warc), stages=stages, overrides=overrides, with_ids=False)
        print(
            f"| {name} | {answer['rows_in']:,} | {answer['seconds']:.0f} s "
            f"| {peak.worker:,.0f} MB | {peak.children:,.0f} MB | {peak.together:,.0f} MB | ≤ {BUDGET:,} MB |",
            flush=True,
        )


def main() -> None:
    options = pairs.arguments(__doc__, megabytes=1000, limit=4000)
    with tempfile.TemporaryDirectory() as folder:
        with pairs.datatrove(options.core) as them:
            categories = ",".join(them.ask("lists", out=f"{folder}/lists")["categories"])
        listed = [f"url_v1.blocklist={folder}/lists", f"url_v1.categories={categories}"]
        warc = Path(folder) / "repeated.warc.gz"
        crawl.repeated(warc, options.megabytes * MB)
        print(f"{warc.stat().st_size / MB:,.0f} MB compressed")
        print("| pass | documents | time | worker | extraction child | together | budget |")
        print("|---|---|---|---|---|---|---|")
        measure("gate, resiliparse, whole file", warc, GATED, [*listed, RESILIPARSE], options.core)
        measure("default, first documents", warc, PASS, [*listed, f"limit={options.limit}"], options.core)


if __name__ == "__main__":
    main()

"""Prints the tables of `classifiers/models/CARD.md`: how good the profanity model is, and what it does to pages.

    uv run python -m benchmarks.profanity sources      leave one source out; also a word list and a plain linear model
    uv run python -m benchmarks.profanity thresholds   precision and recall of a line's threshold, by language
    uv run python -m benchmarks.profanity disguises    how much undoing disguises gains
    uv run python -m benchmarks.profanity pages        aggregates and thresholds on web pages, real and mixed
    uv run python -m benchmarks.profanity probes       false alarms on innocent passages and identity terms
    uv run python -m benchmarks.profanity languages    false alarms on sentences of other languages
    uv run python -m benchmarks.profanity speed        pages (5 kB) per second and core

The data folder must hold `labels/`, `crawl/` and `extraction-train/` (see `benchmarks.crawl`). The probes are in
`classifiers/probes`; nothing was chosen by them.
"""

from __future__ import annotations

import argparse

from benchmarks import profanity_pages, profanity_texts

TABLES = {
    "sources": profanity_texts.sources,
    "thresholds": profanity_texts.thresholds,
    "disguises": profanity_texts.disguises,
    "pages": profanity_pages.pages,
    "probes": profanity_texts.probes,
    "languages": profanity_texts.languages,
    "speed": profanity_pages.speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("table", choices=TABLES, nargs="+")
    for name in parser.parse_args().table:
        TABLES[name]()


if __name__ == "__main__":
    main()

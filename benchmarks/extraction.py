"""Quality and speed of the extraction stage on scrapinghub's article-extraction-benchmark.

    uv run python -m benchmarks.extraction [--setting NAME ...]

Definition (that benchmark's `evaluate.py`): words are runs of `\\w`; a text is its multiset of 4-grams of words; each
page's true positives, false positives and false negatives give its precision and recall, which are averaged over the
pages; F1 is the harmonic mean of the averages. The stage removes URLs, the ground truth holds them: `F1` is against the
truth as it is, `F1, truth formatted` against the truth in the form of the corpus. Pages per CPU second are those of the
stage with its child process, and those of the engine's own function on the same pages in the same run.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from benchmarks import crawl
from stages.extract import Extract
from stages.extraction.formatting import formatted
from stages.extraction.supervisor import supervisor
from stages.extraction.zygote import cpu_seconds
from stages.schema import documents

_WORD = re.compile(r"\w+")
N = 4

SETTINGS: dict[str, Extract] = {
    "trafilatura precision": Extract(),
    "trafilatura precision, fast": Extract(fast=True),
    "trafilatura balanced": Extract(favor="balanced"),
    "trafilatura balanced, fast": Extract(favor="balanced", fast=True),
    "trafilatura recall": Extract(favor="recall"),
    "resiliparse": Extract(engine="resiliparse"),
    "resiliparse, no images": Extract(engine="resiliparse", image_urls=False),
}


class Quality(NamedTuple):
    precision: float
    recall: float
    f1: float


def pages(data: Path) -> tuple[pa.Table, list[str]]:
    """The benchmark's pages as documents, and their true texts."""
    folder = data / "article-extraction"
    truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    html = [gzip.decompress((folder / "html" / f"{key}.html.gz").read_bytes()) for key in truth]
    docs = documents(
        id=list(truth),
        url=[page["url"] for page in truth.values()],
        html=[page.decode(errors="replace").encode() for page in html],
    )
    return docs, [page["articleBody"] for page in truth.values()]


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """The multiset of a text's 4-grams of words (a shorter text is one gram)."""
    words = _WORD.findall(text)
    return Counter(tuple(words[at : at + N]) for at in range(max(1, len(words) - N + 1)))


def of_page(truth: str, found: str) -> tuple[float, float]:
    """Precision and recall of one page; 1 where nothing was to be found and nothing was."""
    wanted, got = shingles(truth), shingles(found)
    common, missing, wrong = (wanted & got).total(), (wanted - got).total(), (got - wanted).total()
    return _share(common, wrong, missing), _share(common, missing, wrong)


def _share(right: int, wrong: int, other: int) -> float:
    if wrong == other == 0:
        return 1.0
    return right / (right + wrong) if right > 0 else 0.0


def quality(truths: list[str], found: list[str]) -> Quality:
    """Macro averages over the pages, and their harmonic mean."""
    scores = [of_page(*pair) for pair in zip(truths, found, strict=True)]
    precision, recall = (sum(values) / len(scores) for values in zip(*scores, strict=True))
    return Quality(precision, recall, 2 * precision * recall / (precision + recall))


def ours(stage: Extract, docs: pa.Table) -> tuple[list[str], float]:
    """Texts of the stage, and its CPU seconds, those of its child process with them."""
    stage(docs.slice(0, 1))
    child = supervisor(stage.settings()).child
    before = time.process_time() + (cpu_seconds(child.process.pid) if child is not None else 0)
    texts = [text or "" for text in stage(docs).column("text").to_pylist()]
    return texts, time.process_time() + (cpu_seconds(child.process.pid) if child is not None else 0) - before


def peer(stage: Extract, docs: pa.Table) -> float:
    """CPU seconds of the engine's own function, called as its documentation has it."""
    html = [page.decode() for page in docs.column("html").to_pylist()]
    if stage.engine == "resiliparse":
        function: Callable[[str], Any] = partial(extract_plain_text, main_content=True, alt_texts=False, comments=False)
    else:
        favor = {"favor_precision": stage.favor == "precision", "favor_recall": stage.favor == "recall"}
        function = partial(trafilatura.extract, fast=stage.fast, include_comments=False, **favor)
    function(html[0])
    start = time.process_time()
    for page in html:
        function(page)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--setting", action="append", choices=list(SETTINGS))
    docs, truths = pages(crawl.data())
    in_form = [formatted(truth) for truth in truths]
    logging.disable(logging.CRITICAL)
    print(f"{docs.num_rows} pages, {docs.column('html').nbytes / docs.num_rows / 1e3:.0f} kB each")
    print("| setting | precision | recall | F1 | F1, truth formatted | pages/s | the engine alone |")
    print("|---|---|---|---|---|---|---|")
    for name in parser.parse_args().setting or SETTINGS:
        found, seconds = ours(SETTINGS[name], docs)
        alone = peer(SETTINGS[name], docs)
        as_is, formed = quality(truths, found), quality(in_form, found)
        print(
            f"| {name} | {as_is.precision:.4f} | {as_is.recall:.4f} | {as_is.f1:.4f} | {formed.f1:.4f} "
            f"| {docs.num_rows / seconds:.0f} | {docs.num_rows / alone:.0f} |"
        )


if __name__ == "__main__":
    main()

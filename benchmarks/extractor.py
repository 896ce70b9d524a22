"""Quality and speed of the engine `blocks` compared with other extractors, by language and kind of page.

    uv run python -m benchmarks.extractor quality --folds FOLDER   # each page with a model that has not seen it
    uv run python -m benchmarks.extractor articles                 # the article benchmark, with the shipped model
    uv run python -m benchmarks.extractor structure                # code, tables, formulas, lists: scores by renderer
    uv run python -m benchmarks.extractor speed                    # pages per CPU second, html bytes in, text out
    uv run python -m benchmarks.extractor linear                   # time per byte by size, and on hostile pages
    NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=CACHE uv run python -m benchmarks.extractor fuzz --pages 1000000

The fuzzing needs a separate cache, because numba would otherwise load kernels that were compiled without checks. It
uses all cores and resumes an earlier call with the same `--state`.

`uv sync --group peers` adds readability-lxml to the extractors. FOLDER is what `python -m classifiers.blocks
pages.parquet model.npz --folds FOLDER` wrote. Quality is the mean over pages of the F1 of 4-grams of words (of
characters in scripts without spaces), compared with the unchanged true text.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import crawl, extractor_fuzz, extractor_structure
from benchmarks.extraction import pages as article_pages
from benchmarks.extraction import quality as article_quality
from benchmarks.extractors import PEERS
from classifiers.blocks import model
from classifiers.blocks.__main__ import pages
from classifiers.blocks.training import annotated, data, labels
from classifiers.blocks.training.train import BoostingOptions, texts, trimmed
from stages.extraction import blocks
from stages.extraction.writing.writer import FORMATS

LEAST_PAGES = 30  # of a group; the mean of fewer is marked as resting on few pages
RUNS = 3  # of each extractor when its speed is measured
PROSE = b"<p>The river rose again in the night, and nobody was surprised by it.</p>" * 5
# Scripts by their first and last code point; the first that matches counts.
_SCRIPTS = (
    ("CJK", 0x3040, 0x9FFF), ("CJK", 0xAC00, 0xD7A3), ("Cyrillic", 0x0400, 0x052F), ("Greek", 0x0370, 0x03FF),
    ("Arabic/Hebrew", 0x0590, 0x06FF), ("Indic", 0x0900, 0x0DFF), ("Latin", 0x41, 0x24F),
)  # fmt: skip


def group(text: str) -> str:
    """The script group to which most of a text's letters belong."""
    found = Counter(
        next((name for name, first, last in _SCRIPTS if first <= ord(c) <= last), "other")
        for c in text[:4000]
        if c.isalpha()
    )
    return found.most_common(1)[0][0] if found else "other"


def by_model(chosen: model.BlockModel, html: bytes) -> str:
    """The text that the engine extracts with another model than the shipped one."""
    found, scores = chosen.scored(html)
    kept, confidence = model.chosen(found, scores)
    return blocks.ScoredPage(found, scores, kept, confidence).text(html)


@dataclass(frozen=True)
class Judged:
    """A page whose main text is known, from its data set or because it was `annotated`."""

    row: data.TrainingPage
    fold: int
    truth: str
    annotated: bool

    def names(self) -> list[str]:
        """The lines of the table in which it counts."""
        script = group(self.truth)
        if self.annotated:
            return ["annotated", f"annotated: {self.row.kind}", f"annotated, {script}"]
        return ["true text", f"true text: {self.row.kind}", f"true text: {self.row.kind}, {script}", self.row.source]


def judged() -> list[Judged]:
    """All pages of the training data whose main text is known, with their folds."""
    folder = crawl.data()
    rows = pages(
        folder / "extraction-train" / "pages.parquet", folder / "crawl", folder / "article-extraction/ground-truth.json"
    )
    found = zip(rows, data.folds(data.groups(rows), BoostingOptions().folds), strict=True)
    return [
        Judged(row, fold, row.truth if row.kept is None else _kept_text(row.html, row.kept), row.kept is not None)
        for row, fold in found
        if row.truth or row.kept is not None
    ]


def _kept_text(html: bytes, kept: annotated.Ranges) -> str:
    page = trimmed(np.frombuffer(html, np.uint8))
    return "\n".join(text for text, main in zip(texts(page), annotated.labels(page, kept), strict=True) if main)


def scores(folder: Path, peers: list[str], each: Judged) -> dict[str, float]:
    """The F1 of each extractor on one page."""
    html = each.row.html
    outputs = {"blocks": by_model(model.load(folder / f"fold-{each.fold}.npz"), html)}
    outputs |= {name: PEERS[name](html) for name in peers}
    return {name: labels.score(each.truth, text)[2] for name, text in outputs.items()}


def quality(folder: Path, every: int, peers: list[str], processes: int) -> None:
    """Print the mean F1 of each extractor by group of pages."""
    found = judged()[::every]
    totals: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with ProcessPoolExecutor(processes, initializer=quiet) as pool:
        for each, reached in zip(found, pool.map(partial(scores, folder, peers), found, chunksize=16), strict=True):
            for kind in each.names():
                for name, f1 in reached.items():
                    totals[kind][name].append(f1)
    names = ["blocks", *peers]
    print(f"| pages | n | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for kind, by_name in sorted(totals.items(), key=lambda item: -len(item[1]["blocks"])):
        count = len(by_name["blocks"])
        means = " | ".join(f"{np.mean(by_name[name]):.3f}" for name in names)
        print(f"| {kind}{'' if count >= LEAST_PAGES else ' (few)'} | {count} | {means} |")


def quiet() -> None:
    """Silence the other extractors' log messages about pages."""
    logging.disable(logging.CRITICAL)


def articles() -> None:
    """Print each extractor's precision, recall and F1 on the article benchmark."""
    docs, truths = article_pages(crawl.data())
    html = docs.column("html").to_pylist()
    print("| extractor | precision | recall | F1 |\n|---|---|---|---|")
    for name, extractor in {"blocks": of_blocks, **PEERS}.items():
        found = article_quality(truths, [extractor(page) for page in html])
        print(f"| {name} | {found.precision:.4f} | {found.recall:.4f} | {found.f1:.4f} |")


def of_blocks(html: bytes) -> str:
    """The engine, without images."""
    return blocks.extract(html, None, image_urls=False)[0]


def speed(every: int) -> None:
    """Print pages per CPU second. CPU time is less disturbed by other work than wall time; read the ratios."""
    rows = data.read(crawl.data() / "extraction-train" / "pages.parquet")[0][::every]
    size = sum(len(row.html) for row in rows)
    print(f"{len(rows)} pages, {size / len(rows) / 1e3:.0f} kB each")
    rates_of = f"pages per CPU second, median (least and most of {RUNS} runs)"
    print(f"| extractor | {rates_of} | × trafilatura default |\n|---|---|---|")
    base = 0.0
    for name, extractor in {**PEERS, "blocks": of_blocks}.items():
        for row in rows[:20]:  # compiles or loads what is needed at the first use
            extractor(row.html)
        rates = []
        for _ in range(RUNS):
            start = time.process_time()
            for row in rows:
                extractor(row.html)
            rates.append(len(rows) / (time.process_time() - start))
        rate = float(np.median(rates))
        base = base or rate
        print(f"| {name} | {rate:.0f} ({min(rates):.0f}–{max(rates):.0f}) | {rate / base:.1f} |")


def of_everything(html: bytes) -> None:
    """Run the engine with all its options."""
    for form in FORMATS:
        blocks.extract(
            html, "https://example.org/a/b", include_comments=True, with_title=True, with_links=True, form=form
        )


def hostile(size: int) -> dict[str, bytes]:
    """Pages of about `size` bytes, each built to be slow for some method of reading HTML."""
    return {
        "paragraphs": b"<p>The river rose again in the night, and nobody was surprised. " * (size // 64),
        "one-letter blocks": b"<p>x" * (size // 4),
        "nested": b"<div>" * (size // 10) + b"x" + b"</div>" * (size // 10),
        "end tags of others": b"<ul><li><table><td>" + b"<div>x</ul>" * (size // 11),
        "open links": b"<a href=x>y" * (size // 11),
        "open comments": b"<!-- " * (size // 5),
        "open quotes": b"<p class='x\"" * (size // 12),
        "unclosed titles": b"<title>x<textarea>" * (size // 18),
        "one tag": b"<p " + b"a=b " * (size // 4) + b">x",
        "image of one word": PROSE + b"<img " + b"a" * size + b">" + PROSE,
        "link of one word": PROSE + b"<a href=x " + b"a-" * (size // 2) + b">" + PROSE,
        "classes": b"<p class='" + b"aB-c " * (size // 5) + b"'>x",
        "ampersands": b"<p>" + b"&" * size,
        "references": b"<p>" + b"&CounterClockwiseContourIntegra" * (size // 31),
        "angles": b"<" * size,
        "cells": b"<table>" + b"<tr><td>x" * (size // 9),
        "nested items": b"<ul><li>word here<p>text</p>" * (size // 27),
        "nested quotations": b"<blockquote>words of it " * (size // 24),
        "nested descriptions": b"<dl><dt>term<dd>words" * (size // 21),
        "line breaks": b"<p>" + b"x<br>" * (size // 5),
        "spaces": b"<p>" + b" " * size,
    }


def linear() -> None:
    """Print the time per byte of each kind of page at growing sizes."""
    of_everything(b"<p>warm")
    print("| page | 1 kB | 100 kB | 1 MB | 10 MB | 50 MB |\n|---|---|---|---|---|---|")
    sizes = (1_000, 100_000, 1_000_000, 10_000_000, 50_000_000)
    for name in hostile(100):
        cells = []
        for size in sizes if name == "paragraphs" else sizes[:4]:
            html, runs = hostile(size)[name], max(1, 200_000 // size)
            start = time.process_time()
            for _ in range(runs):
                of_everything(html)
            cells.append(f"{(time.process_time() - start) / runs / len(html) * 1e9:.0f}")
        print(f"| {name}, ns per byte | {' | '.join(cells)} |")
    html = b"<p>x" * 200_000
    start = time.process_time()
    of_everything(html)
    print(f"\n200,000 blocks of one letter: {time.process_time() - start:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["quality", "articles", "structure", "speed", "linear", "fuzz"])
    parser.add_argument("--folds", type=Path, help="the models of the folds")
    parser.add_argument("--every", type=int, default=1, help="take only every n-th page")
    parser.add_argument("--peer", action="append", choices=list(PEERS), help="compare with this peer only; repeatable")
    parser.add_argument("--pages", type=int, default=10_000, help="mutated pages to try")
    parser.add_argument("--state", type=Path, default=Path("fuzz.jsonl"), help="file that lists the finished chunks")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="processes for quality and fuzz")
    options = parser.parse_args()
    quiet()
    if options.what == "quality":
        if options.folds is None:
            raise SystemExit("quality needs --folds, the folder that python -m classifiers.blocks --folds wrote")
        quality(options.folds, options.every, options.peer or list(PEERS), options.processes)
    elif options.what == "articles":
        articles()
    elif options.what == "structure":
        extractor_structure.run()
    elif options.what == "speed":
        speed(options.every)
    elif options.what == "fuzz":
        extractor_fuzz.run(options.pages, options.state, options.processes)
    else:
        linear()


if __name__ == "__main__":
    main()

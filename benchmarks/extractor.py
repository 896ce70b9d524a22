"""Quality and speed of the engine `blocks` beside trafilatura and resiliparse, by language and kind of page.

    uv run python -m benchmarks.extractor quality --folds FOLDER   # each page by a model that has not seen it
    uv run python -m benchmarks.extractor articles                 # the article benchmark, by the shipped model
    uv run python -m benchmarks.extractor speed                    # pages per CPU second, html bytes in, text out
    uv run python -m benchmarks.extractor linear                   # time per byte by size, and on hostile pages
    NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=FOLDER uv run python -m benchmarks.extractor fuzz --pages 1000000

The fuzzing wants a cache of its own (numba would load kernels that were compiled without checks).

FOLDER is what `python -m classifiers.blocks pages.parquet model.npz --folds FOLDER` wrote. Quality is the mean over
pages of F1 of 4-grams of words (of characters where words are not spaced), against the true text as it is.
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from benchmarks import crawl
from benchmarks.extraction import pages as article_pages
from benchmarks.extraction import quality as article_quality
from classifiers.blocks import data, labels, model
from classifiers.blocks.train import Training
from stages.extraction import blocks

Extractor = Callable[[bytes], str]
LEAST_PAGES = 30
MARKUP = (
    b"<", b">", b"&", b"</", b"<!--", b"-->", b"<table>", b"</td>", b"<p", b"<svg>", b"<script>", b"</script>",
    b"<title>", b"&#x", b"&amp", b"='", b'="', b"<template>", b"<li>", b"<br>", b"<pre>", b"\xc3", b"\xf0\x9f", b"\x00",
)  # fmt: skip
_SCRIPTS = (
    ("CJK", 0x3040, 0x9FFF), ("CJK", 0xAC00, 0xD7A3), ("Cyrillic", 0x0400, 0x052F), ("Greek", 0x0370, 0x03FF),
    ("Arabic/Hebrew", 0x0590, 0x06FF), ("Indic", 0x0900, 0x0DFF), ("Latin", 0x41, 0x24F),
)  # fmt: skip


def group(text: str) -> str:
    """The language group of most of a text's letters."""
    found = Counter(
        next((name for name, first, last in _SCRIPTS if first <= ord(c) <= last), "other")
        for c in text[:4000]
        if c.isalpha()
    )
    return found.most_common(1)[0][0] if found else "other"


def of_trafilatura(html: bytes, **options: bool) -> str:
    return trafilatura.extract(html.decode(errors="replace"), include_comments=False, **options) or ""


def of_resiliparse(html: bytes) -> str:
    return str(extract_plain_text(html.decode(errors="replace"), main_content=True, alt_texts=False, comments=False))


PEERS: dict[str, Extractor] = {
    "trafilatura default": of_trafilatura,
    "trafilatura precision": functools.partial(of_trafilatura, favor_precision=True),
    "trafilatura fast": functools.partial(of_trafilatura, fast=True),
    "resiliparse": of_resiliparse,
}


def by_model(chosen: model.Model, html: bytes) -> str:
    """As the engine does it, by another model than the shipped one."""
    found, scores = chosen.scored(html)
    kept, confidence = model.chosen(found, scores)
    return blocks.Scored(found, scores, kept, confidence).text()


def quality(folder: Path, every: int, peers: list[str]) -> None:
    rows = data.read(crawl.data() / "extraction-train" / "pages.parquet")
    folds = data.folds(data.groups(rows), Training().folds)
    models = {fold: model.load(folder / f"fold-{fold}.npz") for fold in set(folds)}
    totals: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    taken = [(row, fold) for row, fold in zip(rows, folds, strict=True) if row.truth][::every]
    for row, fold in taken:
        found = {"blocks": by_model(models[fold], row.html), **{name: PEERS[name](row.html) for name in peers}}
        kinds = ("all", row.kind, f"{row.kind}, {group(row.truth)}", f"source {row.source}")
        for name, text in found.items():
            for kind in kinds:
                totals[kind][name].append(labels.score(row.truth, text)[2])
    names = ["blocks", *peers]
    print(f"| pages | n | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for kind, scores in sorted(totals.items(), key=lambda item: -len(item[1]["blocks"])):
        mark = "" if len(scores["blocks"]) >= LEAST_PAGES else " (few)"
        means = " | ".join(f"{np.mean(scores[name]):.3f}" for name in names)
        print(f"| {kind}{mark} | {len(scores['blocks'])} | {means} |")


def articles() -> None:
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
    """CPU seconds, so that what else runs counts less; the ratio is what to read."""
    rows = data.read(crawl.data() / "extraction-train" / "pages.parquet")[::every]
    size = sum(len(row.html) for row in rows)
    print(f"{len(rows)} pages, {size / len(rows) / 1e3:.0f} kB each")
    print("| extractor | pages/s | × trafilatura default |\n|---|---|---|")
    base = 0.0
    for name, extractor in {**PEERS, "blocks": of_blocks}.items():
        extractor(rows[0].html)
        start = time.process_time()
        for row in rows:
            extractor(row.html)
        rate = len(rows) / (time.process_time() - start)
        base = base or rate
        print(f"| {name} | {rate:.0f} | {rate / base:.1f} |")


def hostile(size: int) -> dict[str, bytes]:
    """Pages of about so many bytes, each made to be slow for some way of reading HTML."""
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
        "classes": b"<p class='" + b"aB-c " * (size // 5) + b"'>x",
        "ampersands": b"<p>" + b"&" * size,
        "references": b"<p>" + b"&CounterClockwiseContourIntegra" * (size // 31),
        "angles": b"<" * size,
        "cells": b"<table>" + b"<tr><td>x" * (size // 9),
        "line breaks": b"<p>" + b"x<br>" * (size // 5),
        "spaces": b"<p>" + b" " * size,
    }


def mutated(html: bytes, rng: random.Random) -> bytes:
    """The page after a few of: a piece cut out, doubled, put elsewhere, bytes changed, markup put in."""
    page = bytearray(html)
    for _ in range(rng.randint(1, 8)):
        size = len(page) + 1
        start, to = rng.randrange(size), rng.randrange(size)
        piece = page[start : start + rng.choice((1, 10, 100, 1000))]
        match rng.randrange(5):
            case 0:
                del page[start : start + len(piece)]
            case 1:
                page[to:to] = piece
            case 2:
                page[to:to] = rng.choice(MARKUP)
            case 3:
                page[to : to + 3] = rng.randbytes(3)
            case _:
                del page[to:]
                page += piece
    return bytes(page)


def fuzz(pages: int) -> None:
    """Mutated crawl pages through the engine. Run it with NUMBA_BOUNDSCHECK=1 to have every index checked."""
    rows = [row.html for row in data.read(crawl.data() / "extraction-train" / "pages.parquet")]
    small = [html for html in rows if len(html) < 60_000]
    rng = random.Random(1)
    for html in small[:50]:  # the kernels are compiled or loaded at their first call
        blocks.extract(html, None)
    took: list[tuple[float, int]] = []
    for number in range(pages):
        html = mutated(small[number % len(small)], rng)
        start = time.process_time()
        blocks.extract(html, "https://example.org/")
        took.append((time.process_time() - start, len(html)))
    rates = np.array([seconds / size for seconds, size in took if size >= 1000])
    print(f"{pages:,} mutated pages, none failed; NUMBA_BOUNDSCHECK={os.environ.get('NUMBA_BOUNDSCHECK', '0')}")
    print(f"slowest of {len(rates):,} of 1 kB or more: {rates.max() / np.median(rates):.1f} × the median time per byte")


def linear() -> None:
    of_blocks(b"<p>warm")
    print("| page | 1 kB | 100 kB | 1 MB | 10 MB | 50 MB |\n|---|---|---|---|---|---|")
    sizes = (1_000, 100_000, 1_000_000, 10_000_000, 50_000_000)
    for name in hostile(100):
        cells = []
        for size in sizes if name == "paragraphs" else sizes[:4]:
            html, runs = hostile(size)[name], max(1, 200_000 // size)
            start = time.process_time()
            for _ in range(runs):
                of_blocks(html)
            cells.append(f"{(time.process_time() - start) / runs / len(html) * 1e9:.0f}")
        print(f"| {name}, ns per byte | {' | '.join(cells)} |")
    html = b"<p>x" * 200_000
    start = time.process_time()
    of_blocks(html)
    print(f"\n200,000 blocks of a letter: {time.process_time() - start:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["quality", "articles", "speed", "linear", "fuzz"])
    parser.add_argument("--folds", type=Path, help="the models of the folds")
    parser.add_argument("--every", type=int, default=1, help="take every n-th page only")
    parser.add_argument("--peer", action="append", choices=list(PEERS), help="beside these only")
    parser.add_argument("--pages", type=int, default=10_000, help="mutated pages to try")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.what == "quality":
        if options.folds is None:
            raise SystemExit("quality needs --folds, the folder that python -m classifiers.blocks --folds wrote")
        quality(options.folds, options.every, options.peer or list(PEERS))
    elif options.what == "articles":
        articles()
    elif options.what == "speed":
        speed(options.every)
    elif options.what == "fuzz":
        fuzz(options.pages)
    else:
        linear()


if __name__ == "__main__":
    main()

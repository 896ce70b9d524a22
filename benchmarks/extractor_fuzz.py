"""Sends mutated pieces of crawled pages through the engine `blocks`: no crash, no index out of bounds, no slow page.

Page n is the same whenever it is made. So the work is divided into chunks that any process may take and that a later
call need not repeat: finished chunks are listed in a file of JSON lines.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks import crawl
from classifiers.blocks.training import data
from stages.extraction import blocks
from stages.extraction.writing.writer import FORMATS

CHUNK = 2_000  # pages
MOST_BYTES = 8_000  # of a piece before its mutation
LEAST_TIMED = 1_000  # bytes; the time of a shorter page is mostly that of the call
SLOW = 20  # times the median time per byte
RETRIES = 5  # of a slow page: other work on the machine is not the page's fault
MARKUP = (
    b"<", b">", b"&", b"</", b"<!--", b"-->", b"<table>", b"</td>", b"<p", b"<svg>", b"<script>", b"</script>",
    b"<title>", b"&#x", b"&amp", b"='", b'="', b"<template>", b"<li>", b"<br>", b"<pre>", b"\xc3", b"\xf0\x9f", b"\x00",
    b'<script>{"articleBody": "', b'"articleBody"', b"\\u", b"\\", b'<meta property="og:type" content=', b"<h1>",
)  # fmt: skip


def mutated(html: bytes, rng: random.Random) -> bytes:
    """The page after a few mutations: a piece removed, doubled or moved, bytes changed, markup inserted."""
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


@lru_cache(maxsize=1)
def _sources() -> list[bytes]:
    return [row.html for row in data.read(crawl.data() / "extraction-train" / "pages.parquet")[0] if row.html]


def page(number: int) -> bytes:
    """The page of this number: a piece of a crawled page, mutated."""
    rng = random.Random(number)
    html = rng.choice(_sources())
    size = rng.randint(100, MOST_BYTES)
    start = rng.choice((0, rng.randrange(len(html))))
    return mutated(html[start : start + size], rng)


def chunk(number: int) -> dict[str, float]:
    """Run a chunk's pages through the engine; their number, their times, and the slowest of them."""
    for first in range(50):  # the kernels are compiled or loaded at their first call
        blocks.extract(page(first), None)
    rates, numbers = [], range(number * CHUNK, (number + 1) * CHUNK)
    started = time.process_time()
    for each in numbers:
        html = page(each)
        try:
            rates.append(_seconds(html) / max(len(html), LEAST_TIMED))
        except Exception as error:
            raise AssertionError(f"page {each}: {error!r}; benchmarks.extractor_fuzz.page({each}) makes it") from error
    median = float(np.median(rates))
    for at in np.flatnonzero(np.array(rates) > SLOW * median).tolist():
        html = page(numbers[at])
        rates[at] = min(_seconds(html) for _ in range(RETRIES)) / max(len(html), LEAST_TIMED)
    worst = int(np.argmax(rates))
    return {
        "chunk": number, "pages": CHUNK, "seconds": time.process_time() - started, "median_ns": median * 1e9,
        "slowest": rates[worst] / median, "slowest_page": numbers[worst],
    }  # fmt: skip


def _seconds(html: bytes) -> float:
    start = time.process_time()
    for form in FORMATS:
        blocks.extract(html, "https://example.org/", with_title=True, with_links=True, form=form)
    return time.process_time() - start


def run(pages: int, state: Path, processes: int, say: Callable[[str], None] = print) -> None:
    """Try at least `pages` pages, including those of earlier calls with this `state`. Raises at the first failure."""
    checked = os.environ.get("NUMBA_BOUNDSCHECK", "0")
    lines = state.read_text(encoding="utf-8").splitlines() if state.exists() else []
    done = [found for found in map(json.loads, lines) if found["boundscheck"] == checked]
    left = sorted(set(range(-(-pages // CHUNK))) - {found["chunk"] for found in done})
    with ProcessPoolExecutor(processes) as pool, state.open("a", encoding="utf-8") as file:
        for future in as_completed([pool.submit(chunk, number) for number in left]):
            done.append({**future.result(), "boundscheck": checked})
            file.write(json.dumps(done[-1]) + "\n")
            file.flush()
    worst = max(done, key=lambda found: found["slowest"])
    total, seconds = sum(found["pages"] for found in done), sum(found["seconds"] for found in done)
    say(
        f"{total:,} mutated pages, none failed; NUMBA_BOUNDSCHECK={checked}; {total / seconds:.0f} pages per CPU second"
    )
    say(f"slowest: page {worst['slowest_page']}, {worst['slowest']:.1f} × its chunk's median time per byte")

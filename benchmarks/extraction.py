"""Extraction on scrapinghub's article-extraction-benchmark, ours and the peers'.

    uv run python -m benchmarks --only extraction

The definition is that of the benchmark's `evaluate.py`: words are runs of `\\w`, and a text is its multiset of 4-grams
of words. Each page's true positives, false positives and false negatives give its precision and recall, which are
averaged over the pages; F1 is the harmonic mean of the averages. Our stage removes URLs, which the ground truth
contains; so a second F1 compares with the truth in the form of our corpus. CPU seconds are those of the stage with its
child process; `alone` is the engine's own function. NeMo Curator determines the language first and drops paragraphs
that contain few stop words.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import crawl
from benchmarks.suite import Answers, Run, Table, compare
from stages.extraction.formatting import formatted
from stages.schema import documents

_WORD = re.compile(r"\w+")
N = 4  # words of a gram, as in the benchmark's definition

SETTINGS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours, `fast`": {"fast": True},
    "ours, resiliparse": {"engine": "resiliparse"},
    "ours, resiliparse, no images": {"engine": "resiliparse", "image_urls": False},
    "ours, blocks": {"engine": "blocks"},
}
PEER = "datatrove"


class Quality(NamedTuple):
    """Macro averages over pages."""

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
    """Precision and recall of one page; 1 if there was nothing to find and nothing was found."""
    wanted, got = shingles(truth), shingles(found)
    common, missing, wrong = (wanted & got).total(), (wanted - got).total(), (got - wanted).total()
    return _share(common, wrong, missing), _share(common, missing, wrong)


def _share(right: int, wrong: int, other: int) -> float:
    if wrong == other == 0:
        return 1.0
    return right / (right + wrong) if right > 0 else 0.0


def quality(truths: list[str], found: list[str]) -> Quality:
    """The macro averages over the pages, and their harmonic mean."""
    scores = [of_page(*pair) for pair in zip(truths, found, strict=True)]
    precision, recall = (sum(values) / len(scores) for values in zip(*scores, strict=True))
    return Quality(precision, recall, 2 * precision * recall / (precision + recall))


def suite(run: Run) -> Table:
    """Ours with each engine, the engines alone, datatrove, NeMo Curator and dolma."""
    docs, truths = pages(crawl.data())
    docs = docs.take(list(range(0, docs.num_rows, run.size(1, 12))))
    truths = truths[:: run.size(1, 12)]
    path = run.folder / "pages.parquet"
    pq.write_table(docs, path)
    one = partial(run.contender, units=docs.num_rows, pages=str(path))
    nemo = partial(one, "nemo-curator", "nemo_side.py", do="extract")
    dolma = partial(one, "dolma", "dolma_side.py", do="extract")
    contenders = {
        PEER: one("datatrove", "datatrove_side.py", do="extract", timeout=30),
        "NeMo Curator, trafilatura": nemo(algorithm="trafilatura", favor_precision=True),
        "NeMo Curator, resiliparse": nemo(algorithm="resiliparse"),
        "NeMo Curator, jusText": nemo(algorithm="justext"),
        "dolma, trafilatura": dolma(linearizer="trafilatura"),
        "dolma, resiliparse": dolma(linearizer="resiliparse"),
        "trafilatura alone": one("trafilatura", "ours", do="engine_alone", engine="trafilatura"),
        "resiliparse alone": one("resiliparse", "ours", do="engine_alone", engine="resiliparse"),
        **{name: one("refinedweb", "ours", do="extract", **params) for name, params in SETTINGS.items()},
    }
    return Table(
        "Extraction",
        f"{docs.num_rows} pages of the article-extraction benchmark, "
        f"{docs['html'].nbytes / docs.num_rows / 1e3:.0f} kB each; macro F1 of 4-grams of words. Our default is "
        "trafilatura with precision. Our budget: F1 ≥ 0.96.",
        "pages", "F1; with URLs removed from the truth", PEER,
        compare(run, contenders, PEER, partial(scores, truths), "cpu_seconds"),
    )  # fmt: skip


def scores(truths: list[str], answers: Answers) -> dict[str, str]:
    """The F1 of each contender against the truth, and against the truth in the form of our corpus."""
    in_form = [formatted(truth) for truth in truths]
    found = {name: runs[0]["texts"] for name, runs in answers.items()}
    return {name: f"{quality(truths, texts).f1:.4f}; {quality(in_form, texts).f1:.4f}" for name, texts in found.items()}

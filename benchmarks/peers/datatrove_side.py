# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = [
#     "datatrove[io,processing]==0.10.1",
#     "lxml_html_clean>=0.4",
#     "spacy==3.8.18",
#     "trafilatura==2.3.1",
# ]
# [tool.uv]
# override-dependencies = ["trafilatura==2.3.1"]
# ///
"""datatrove's side, in its own environment: `uv run --script benchmarks/peers/datatrove_side.py LID_MODEL`.

datatrove runs unchanged, with these exceptions. It pins trafilatura < 1.12, but gets the version that we use, so that
both sides run the same extractor. It would download its language model, but gets the file that we use. It would
download its public suffix list, but gets the snapshot that tldextract carries. English words come from spaCy's blank
model, its default, which needs no download. Its steps run one after the other in this process, as its executors run
them.
"""

from __future__ import annotations

import os
import sys
import tarfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

from datatrove.data import Document
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
    URLFilter,
    c4_filters,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils._import_utils import ASSETS_PATH
from datatrove.utils.logging import logger
from datatrove.utils.stats import Stats
from datatrove.utils.text import split_into_sentences, split_into_words
from protocol import Answer, serve


@lru_cache(maxsize=1)
def filters() -> dict[str, Any]:
    """Every filter of the pass by name, with its lists and models opened."""
    from fasttext.FastText import _FastText
    from tldextract import TLDExtract

    url, language = URLFilter(), LanguageFilter("en")
    url.tldextractor = TLDExtract(suffix_list_urls=(), cache_dir=None)
    url.download_data()
    language.model._model = _FastText(sys.argv[1])
    return {"url": url, "language": language, "repetition": GopherRepetitionFilter(), "quality": GopherQualityFilter()}


def filter_pass(warc: str, out: str, **extraction: Any) -> Answer:
    """WARC → URL → extraction → language → repetition → quality → Parquet: wall seconds of the pass and of its steps,
    and the ids that left each step.
    """
    path, known = Path(warc), filters()
    steps = {
        "source": WarcReader(str(path.parent), glob_pattern=path.name),
        "url": known["url"],
        "extract": Trafilatura(**extraction),
        **{name: known[name] for name in ("language", "repetition", "quality")},
        "writer": ParquetWriter(out, compression="zstd"),
    }
    for step in steps.values():
        step.stats = Stats(repr(step))
    left: dict[str, list[str]] = {name: [] for name in steps}
    start = time.perf_counter()
    docs = None
    for name, step in steps.items():
        docs = noted(step(docs, 0, 1), left[name])
    deque(docs, maxlen=0)
    seconds = time.perf_counter() - start
    stages = {name: step.stats.time_stats.total for name, step in steps.items()}
    return {"seconds": seconds, "stage_seconds": stages, "left": left}


def noted(docs: Iterator[Document], ids: list[str]) -> Iterator[Document]:
    """The documents as they pass by, while their ids are noted."""
    for doc in docs:
        ids.append(doc.id.removeprefix("<urn:uuid:").removesuffix(">"))
        yield doc


def extract(pages: str, **settings: Any) -> Answer:
    """The texts of a Parquet file's pages (id, html), empty if nothing was found."""
    import pyarrow.parquet as pq

    rows = pq.read_table(pages).to_pylist()
    step = Trafilatura(**settings)
    start = time.perf_counter()
    found = {doc.id: doc.text for doc in step(iter(Document(row["html"].decode(), row["id"]) for row in rows), 0, 1)}
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "texts": [found.get(row["id"], "") for row in rows]}


def measures(texts: str, share_words: bool) -> Answer:
    """Repetition and quality filter over every text of a Parquet file: wall and CPU seconds, documents that pass both.

    datatrove splits a document into words in each filter; with `share_words` the second filter gets the first one's.
    """
    import pyarrow.parquet as pq

    split = lru_cache(maxsize=1)(split_into_words) if share_words else split_into_words
    gopher_repetition_filter.split_into_words = gopher_quality_filter.split_into_words = split
    table = pq.read_table(texts)
    docs = [Document(text=row["text"], id=row["id"]) for row in table.to_pylist()]
    repetition, quality = filters()["repetition"], filters()["quality"]
    start, cpu = time.perf_counter(), time.process_time()
    verdicts = [(repetition.filter(doc) is True) & (quality.filter(doc) is True) for doc in docs]
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    kept = [doc.id for doc, passes in zip(docs, verdicts, strict=True) if passes]
    return {"seconds": seconds, "process_seconds": cpu_seconds, "kept": kept}


@cache
def words_once(text: str, language: str) -> list[str]:
    """datatrove's words of a text, kept for the next filter."""
    return split_into_words(text, language)


@cache
def sentences_once(text: str, language: str) -> list[str]:
    """datatrove's sentences of a line, kept for the same filter with other settings."""
    return split_into_sentences(text, language)


def decisions(texts: str, only: str | None = None, **of_c4: Any) -> Answer:
    """For each filter of FineWeb, on its own: which texts of a Parquet file pass it, and what C4's leaves.

    A text is split once, and so is a line: the filters have the same words.
    `only`: the one filter that is asked; `of_c4`: settings of C4's filter.
    """
    import pyarrow.parquet as pq

    found = pq.read_table(texts, columns=["text"]).column("text").to_pylist()
    for module in (gopher_repetition_filter, gopher_quality_filter, fineweb_quality_filter):
        module.split_into_words = words_once
    c4_filters.split_into_sentences = sentences_once
    made = {
        "repetition": GopherRepetitionFilter(),
        "quality": GopherQualityFilter(),
        "c4": C4QualityFilter(**of_c4),
        "fineweb": FineWebQualityFilter(),
    }
    passed: dict[str, list[bool]] = {}
    left: list[str] = []
    for name, step in made.items():
        if only not in (None, name):
            continue
        step.stats = Stats(repr(step))
        docs = [Document(text=text, id=str(number)) for number, text in enumerate(found)]
        passed[name] = [step.filter(doc) is True for doc in docs]
        if name == "c4":
            left = [doc.text for doc in docs]
    return {"passed": passed, "c4_texts": left}


def lists(out: str) -> Answer:
    """Write datatrove's domain and URL lists as one category of a folder in UT1's layout, for the other side."""
    folder = Path(out) / "datatrove"
    with tarfile.open(os.path.join(ASSETS_PATH, "url_filterblacklistsv0_3_0.tar.gz"), "r:gz") as tar:
        tar.extractall(folder, filter="data")
    return {"categories": [folder.name]}


if __name__ == "__main__":
    logger.remove()
    warnings.simplefilter("ignore", DeprecationWarning)
    jobs: tuple[Callable[..., Answer], ...] = (filter_pass, extract, measures, decisions, lists)
    serve({job.__name__: job for job in jobs})

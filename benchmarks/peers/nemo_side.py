# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["lxml_html_clean>=0.4", "nemo-curator[text_cpu]==1.4.0"]
# ///
"""NeMo Curator's text stages that run on a CPU, in their own environment: `uv run --script …/nemo_side.py`.

They run unchanged, one batch after the other in this process, without Ray: its WARC iterator, its HTML extractors
(which also drop paragraphs that contain few stop words), and its heuristic filters with Gopher's limits. It asks pycld2
for the language of the HTML. Exact and fuzzy deduplication need cuDF and therefore a GPU; asked for them, this side
reports the reason that they give.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import pandas as pd
import pyarrow.parquet as pq
from loguru import logger
from nemo_curator.stages.text.download.common_crawl.extract import CommonCrawlHTMLExtractor
from nemo_curator.stages.text.download.common_crawl.warc_iterator import CommonCrawlWarcIterator
from nemo_curator.stages.text.filters import ScoreFilter
from nemo_curator.stages.text.filters.heuristic import repetition, string
from nemo_curator.tasks import DocumentBatch
from protocol import Answer, serve

QUALITY = (
    string.WordCountFilter(min_words=50, max_words=100_000),
    string.MeanWordLengthFilter(min_mean_word_length=3, max_mean_word_length=10),
    string.SymbolsToWordsFilter(max_symbol_to_word_ratio=0.1),
    string.BulletsFilter(max_bullet_lines_ratio=0.9),
    string.EllipsisFilter(max_num_lines_ending_with_ellipsis_ratio=0.3),
    string.WordsWithoutAlphabetsFilter(min_words_with_alphabets=0.8),
    string.CommonEnglishWordsFilter(min_num_common_words=2),
)
REPETITION = (
    repetition.RepeatedLinesFilter(),
    repetition.RepeatedParagraphsFilter(),
    repetition.RepeatedLinesByCharFilter(),
    repetition.RepeatedParagraphsByCharFilter(),
    *(
        repetition.RepeatingTopNGramsFilter(n=n, max_repeating_ngram_ratio=most)
        for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))
    ),
    *(
        repetition.RepeatingDuplicateNGramsFilter(n=n, max_repeating_duplicate_ngram_ratio=most)
        for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
    ),
)


def filtered(docs: pd.DataFrame) -> pd.DataFrame:
    """The documents (id, text) that pass repetition and quality."""
    stage = ScoreFilter(filter_obj=[*REPETITION, *QUALITY], text_field="text")
    return stage.process(DocumentBatch(dataset_name="benchmark", data=docs)).to_pandas()


def measures(texts: str) -> Answer:
    """Repetition and quality over every text of a Parquet file: wall and CPU seconds, and the ids that pass."""
    docs = pq.read_table(texts).to_pandas()
    start, cpu = time.perf_counter(), time.process_time()
    kept = filtered(docs)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "process_seconds": cpu_seconds, "kept": kept["id"].tolist()}


def extract(pages: str, algorithm: str, **settings: Any) -> Answer:
    """The texts of a Parquet file's pages (html), empty if nothing was found."""
    html = pq.read_table(pages)["html"].to_pylist()
    extractor = CommonCrawlHTMLExtractor(algorithm=algorithm, algorithm_kwargs=settings)
    start = time.perf_counter()
    found = [extractor.extract({"content": page, "url": "", "warc_id": "", "source_id": ""}) for page in html]
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "texts": ["" if doc is None else doc["text"] for doc in found]}


def filter_pass(warc: str, out: str, algorithm: str, **settings: Any) -> Answer:
    """WARC → extraction → English → repetition → quality → Parquet: wall seconds, and the ids that are left."""
    extractor = CommonCrawlHTMLExtractor(algorithm=algorithm, algorithm_kwargs=settings)
    os.makedirs(out, exist_ok=True)
    start = time.perf_counter()
    found = [doc for doc in map(extractor.extract, CommonCrawlWarcIterator().iterate(warc)) if doc is not None]
    english = [doc for doc in found if doc["language"] == "ENGLISH"]
    kept = filtered(pd.DataFrame(english).rename(columns={"warc_id": "id"}))
    kept.to_parquet(f"{out}/kept.parquet", compression="zstd")
    seconds = time.perf_counter() - start
    ids = [doc.removeprefix("urn:uuid:") for doc in kept["id"]]
    return {"seconds": seconds, "left": {"extract": [doc["warc_id"] for doc in found], "quality": ids}}


def near_duplicates() -> Answer:
    """Needs a GPU; the import says so."""
    return on_gpu("nemo_curator.stages.deduplication.fuzzy.workflow")


def exact_duplicates(**_: Any) -> Answer:
    """Needs a GPU; the import says so."""
    return on_gpu("nemo_curator.stages.deduplication.exact.workflow")


def on_gpu(module: str) -> Answer:
    """Raises RuntimeError, because this side measures CPUs only."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise RuntimeError(f"needs a GPU ({error})") from error
    raise RuntimeError("needs a GPU; there seems to be one here, but this side measures CPUs only")


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    jobs = (measures, extract, filter_pass, near_duplicates, exact_duplicates)
    serve({job.__name__: job for job in jobs})

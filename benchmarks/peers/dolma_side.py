# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = [
#     "dateparser>=1.2",
#     "dolma[resiliparse,trafilatura]==1.2.1",
#     "lxml_html_clean>=0.4",
#     "pyarrow>=18,<20",
#     "pycld2==0.42",
# ]
# ///
"""dolma's linearizers, taggers and Bloom filter, in their own environment: `uv run --script …/dolma_side.py`.

Its taggers only measure; a mixer configuration decides. Here Gopher's limits are applied to what `gopher_v2` measures:
n-grams of 5 to 10 words, lines, characters, words. Its fastText taggers download their model, so a page is English if
its `cld2_en_doc_v2` gives a score of at least 0.5. Its WARC processor runs in this process, because its pool takes five
seconds to start.
"""

# ruff: noqa: E402 (what dolma reads when it is imported must be prepared before)
from __future__ import annotations

import codecs
import gzip
import json
import os
import tempfile
import time
from functools import cache
from pathlib import Path
from queue import Queue
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "RUST_LOG": "error"}

import nltk
import pyarrow.parquet as pq

nltk.download = lambda *_, **__: False  # dolma fetches a sentence tokenizer when imported; nothing here uses it

from dolma.core.data_types import Document
from dolma.core.registry import TaggerRegistry
from dolma.warc.linearizers import LinearizerRegistry
from dolma.warc.processor import WarcProcessor
from dolma.warc.utils import UrlNormalizer
from fastwarc.warc import ArchiveIterator, WarcRecordType
from protocol import Answer, serve

GOPHER, ENGLISH = "gopher_v2", "cld2_en_doc_v2"
FILTER = 290_000  # documents of its smallest filter, 1 MiB; with fewer it takes thousands of hashes for each
# Gopher's limits by words of an n-gram: shares of characters in the most common one, and in all that are duplicated.
TOP = {2: 0.2, 3: 0.18, 4: 0.16}
DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.1}


def measures(texts: str) -> Answer:
    """The tagger over every text of a Parquet file: wall and CPU seconds, and the ids within Gopher's limits."""
    tagger, docs = TaggerRegistry.get(GOPHER)(), pq.read_table(texts).to_pylist()
    start, cpu = time.perf_counter(), time.process_time()
    found = [tagger.tag(Document(source="", id=doc["id"], text=doc["text"])) for doc in docs]
    kept = [doc["id"] for doc, attributes in zip(docs, found, strict=True) if passes(attributes)]
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "process_seconds": cpu_seconds, "kept": kept}


def passes(attributes: dict[str, list[tuple[int, int, float]]]) -> bool:
    """True if what the tagger measured is within Gopher's limits (Rae et al. 2021, table A1 and section A.1.1)."""
    of = {name: spans[0][2] for name, spans in attributes.items()}
    repeated = {
        **{f"fraction_of_characters_in_most_common_{n}grams": most for n, most in TOP.items()},
        **{f"fraction_of_characters_in_duplicate_{n}grams": most for n, most in DUPLICATE.items()},
        "fraction_of_duplicate_lines": 0.3,
        "fraction_of_characters_in_duplicate_lines": 0.2,
        "symbol_to_word_ratio": 0.1,
        "fraction_of_lines_starting_with_bullet_point": 0.9,
        "fraction_of_lines_ending_with_ellipsis": 0.3,
    }
    return (
        all(of.get(name, 0.0) <= most for name, most in repeated.items())
        and 50 <= of["word_count"] <= 100_000
        and 3 <= of["median_word_length"] <= 10
        and of["fraction_of_words_with_alpha_character"] >= 0.8
        and of["required_word_count"] >= 2
    )


def extract(pages: str, linearizer: str) -> Answer:
    """The texts of a Parquet file's pages (html)."""
    html, chosen = pq.read_table(pages)["html"].to_pylist(), LinearizerRegistry.get(linearizer)()
    start = time.perf_counter()
    texts = [chosen.linearize(page.decode()) for page in html]
    return {"seconds": time.perf_counter() - start, "texts": texts}


def exact_duplicates(corpus: str, documents: int) -> Answer:
    """Its deduper over the *.jsonl.gz of a folder, by whole texts: wall and CPU seconds, and the ids that it marks."""
    from dolma import deduper

    with tempfile.TemporaryDirectory() as folder:
        files = sorted(Path(corpus).glob("*.jsonl.gz"))
        inside = Path(folder, "documents")
        inside.symlink_to(corpus, target_is_directory=True)
        settings = {
            "documents": [str(inside / "*.jsonl.gz")],
            "dedupe": {
                "name": "copies", "documents": {"attribute_name": "copies", "key": "$.text"}, "skip_empty": True,
                "min_length": 0, "min_words": 0, "num_partitions": 1, "partition_index": 0, "file_partition": False,
                "document_dir": "documents",
            },
            "bloom_filter": {
                "file": f"{folder}/bloom.bin", "read_only": False, "size_in_bytes": 0,
                "estimated_doc_count": max(documents, FILTER), "desired_false_positive_rate": 1e-6,
            },
            "is_s3_volume": False,
            "work_dir": {"input": f"{folder}/in", "output": f"{folder}/out"},
            "processes": 1,
            "compression": {"input": None, "output": None},
        }  # fmt: skip
        start, cpu = time.perf_counter(), time.process_time()
        deduper(settings)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
        rows = [row for file in files for row in read_rows(Path(folder, "attributes", "copies", file.name))]
    removed = [row["id"] for row in rows if row["attributes"].get("copies")]
    return {"seconds": seconds, "process_seconds": cpu_seconds, "removed": removed}


def filter_pass(warc: str, linearizer: str) -> Answer:
    """WARC → text → tags → decisions: wall seconds, the ids that are left, and how many pages were left out.

    dolma stops at a page whose declared encoding Python does not know, or whose address it cannot normalise, so it gets
    a file without those.
    """
    pages, names, spared = readable(warc)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        WarcProcessor.process_single(
            pages, f"{folder}/out.jsonl.gz", Queue(), source_name="benchmark",
            linearizer_name=linearizer, post_taggers=[ENGLISH, GOPHER],
        )  # fmt: skip
        rows = read_rows(Path(folder, "out.jsonl.gz"))
        english = [row for row in rows if row["text"] and score(row, ENGLISH, "en") >= 0.5]
        kept = [row for row in english if passes(tags(row, GOPHER))]
        seconds = time.perf_counter() - start
    left = {"source": rows, "language": english, "quality": kept}
    ids = {step: [names[row["metadata"]["warc_url"]] for row in docs] for step, docs in left.items()}
    return {"seconds": seconds, "left": ids, "spared": spared}


def tags(row: dict[str, Any], tagger: str) -> dict[str, Any]:
    """One tagger's attributes of a document, by the tagger's own names."""
    prefix = f"{tagger}__{tagger}__"
    return {name.removeprefix(prefix): spans for name, spans in row["attributes"].items() if name.startswith(prefix)}


def score(row: dict[str, Any], tagger: str, name: str) -> float:
    """A tagger's score of a whole document, 0 if it gave none."""
    return sum(span[2] for span in tags(row, tagger).get(name, []))


@cache
def readable(warc: str) -> tuple[str, dict[str, str], int]:
    """A copy of the file without the pages at which dolma stops, made once: its path, the id of each record by its
    address (dolma names documents by the digest of their payload), and the number of pages left out.
    """
    out, names, spared, normalizer = f"{warc}.readable.warc.gz", {}, 0, UrlNormalizer()
    with open(warc, "rb") as file, gzip.open(out, "wb") as copy:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response):
            try:
                codecs.lookup(record.http_charset or "utf-8")
                normalizer(record.headers["WARC-Target-URI"])
            except (LookupError, ValueError):
                spared += 1
                continue
            names[record.headers["WARC-Target-URI"]] = record.record_id.removeprefix("<urn:uuid:").removesuffix(">")
            record.write(copy)
    return out, names, spared


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a compressed file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    serve({job.__name__: job for job in (measures, extract, exact_duplicates, filter_pass)})

# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["lxml_html_clean>=0.4", "pyarrow>=18", "text-dedup==0.4.0"]
# ///
"""text-dedup's commands in this process, in their own environment: `uv run --script …/text_dedup_side.py`.

They run unchanged (SHA-1, 64-bit), from Parquet files to a folder of what is left, with a new cache for each call so
that `datasets` remembers nothing. Its suffix array is Google's Rust program, which cargo builds from a checkout.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
os.environ["TQDM_DISABLE"] = "1"

import datasets
import pyarrow.parquet as pq
from protocol import Answer, serve
from text_dedup import exact_hash, logger, minhash
from text_dedup.utils import ExactHashArgs, IOArgs, MetaArgs, MinHashArgs


def near_duplicates(corpus: str, bands: int, rows: int) -> Answer:
    """`text_dedup.minhash` over the Parquet files (id, text) of a folder: seconds, and the cluster of each document."""
    answer = timed(minhash, corpus, minhash_args=MinHashArgs(num_perm=bands * rows, b=bands, r=rows))
    clusters = {name: minhash.uf.find(place) for place, name in enumerate(ids(corpus)) if place in minhash.uf.parent}
    return {**answer, "clusters": clusters}


def exact_duplicates(corpus: str, documents: int) -> Answer:
    """`text_dedup.exact_hash` over the same files: seconds, and the ids that it removed."""
    answer = timed(exact_hash, corpus, exact_hash_args=ExactHashArgs())
    kept = set(answer.pop("kept"))
    return {**answer, "removed": [name for name in ids(corpus) if name not in kept]}


def timed(command: Any, corpus: str, **arguments: Any) -> Answer:
    """Wall and CPU seconds of a command, and the ids that it left."""
    with tempfile.TemporaryDirectory() as folder:
        files = IOArgs(
            path="parquet", data_files=f"{corpus}/*.parquet", split="train", output=f"{folder}/out",
            cache_dir=f"{folder}/cache", num_proc=None,
        )  # fmt: skip
        start, cpu = time.perf_counter(), time.process_time()
        command.main.callback(io_args=files, meta_args=MetaArgs(column="text", batch_size=10_000), **arguments)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
        kept = datasets.load_from_disk(f"{folder}/out")["id"]
        return {"seconds": seconds, "process_seconds": cpu_seconds, "kept": list(kept)}


def ids(corpus: str) -> list[str]:
    """The ids of the documents, in the order in which they are read."""
    paths = sorted(Path(corpus).glob("*.parquet"))
    return [name for path in paths for name in pq.read_table(path, columns=["id"])["id"].to_pylist()]


if __name__ == "__main__":
    logger.setLevel("ERROR")
    serve({job.__name__: job for job in (near_duplicates, exact_duplicates)})

# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = [
#     "datatrove[io,processing]==0.10.1",
#     "lxml_html_clean>=0.4",
#     "spacy==3.8.18",
#     "xxhash>=3.4",
# ]
# ///
"""datatrove's unchanged MinHash signatures, in their own environment: 5-grams of spaCy's English words.

It calls `MinhashDedupSignature.get_shingles` and `get_signature` text by text, without its files and their sorting.
"""

from __future__ import annotations

import tempfile
import time
import warnings

from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.utils.hashing import HashConfig
from datatrove.utils.logging import logger
from protocol import Answer, serve


def digests(texts: str, documents: int, bands: int, rows: int) -> Answer:
    """From texts to 64-bit signatures, divided into buckets."""
    import pyarrow.parquet as pq

    values = pq.read_table(texts)["text"][:documents].to_pylist()
    config = MinhashConfig(num_buckets=bands, hashes_per_bucket=rows, hash_config=HashConfig(precision=64))
    with tempfile.TemporaryDirectory() as folder:
        step = MinhashDedupSignature(folder, config)
        step.get_signature(step.get_shingles(values[0]))
        start, cpu = time.perf_counter(), time.process_time()
        for value in values:
            step.get_signature(step.get_shingles(value))
        return {"seconds": time.perf_counter() - start, "process_seconds": time.process_time() - cpu}


if __name__ == "__main__":
    logger.remove()
    warnings.simplefilter("ignore", DeprecationWarning)
    serve({"digests": digests})

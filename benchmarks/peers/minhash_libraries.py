# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["datasketch==2.0.0", "numpy>=2", "pyarrow>=18", "rensa==0.5.0", "xxhash>=3.4"]
# ///
"""rensa and datasketch, in their own environment. They do not handle text, so the least Python that can feeds them.

Normalisation is `lower`, removing ASCII punctuation, and `split`; shingles are words joined by spaces. Accents and
letters of scripts without spaces stay as they are, and bands are not made: both are in their favour.
"""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from protocol import Answer, serve

PUNCTUATION = str.maketrans("", "", string.punctuation)
SEED = 1  # of rensa's permutations


def shingles(text: str) -> list[str]:
    """The 5-word shingles of a text."""
    words = text.lower().translate(PUNCTUATION).split()
    return [" ".join(words[k : k + 5]) for k in range(len(words) - 4)]


def timed(work: Callable[[], Any]) -> Answer:
    """Wall and CPU seconds of some work."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - start, "process_seconds": time.process_time() - cpu}


def digests(texts: str, documents: int, bands: int, rows: int, library: str) -> Answer:
    """From texts to signatures."""
    import pyarrow.parquet as pq

    values = pq.read_table(texts)["text"][:documents].to_pylist()
    return timed(lambda: LIBRARIES[library](values, bands * rows))


def of_datasketch(values: list[str], entries: int) -> None:
    """datasketch unchanged (SHA-1), with its permutations made once."""
    from datasketch import MinHash

    empty = MinHash(num_perm=entries)
    for value in values:
        empty.copy().update_batch([shingle.encode() for shingle in shingles(value)])


def of_rensa(values: list[str], entries: int) -> None:
    """rensa's first sketch."""
    from rensa import RMinHash

    RMinHash.digest_matrix_from_token_sets([shingles(value) for value in values], entries, SEED)


def of_rensa_rho(values: list[str], entries: int) -> None:
    """rensa's other sketch: each shingle goes to one or more entries, and empty entries are filled by densification."""
    from rensa import RMinHash

    RMinHash.digest_matrix_from_token_sets_rho([shingles(value) for value in values], entries, SEED)


def near_duplicates(corpus: str, bands: int, rows: int, library: str) -> Answer:
    """Clusters of the documents (id, text) in a folder's Parquet files, by the library's index of bands."""
    import pyarrow.parquet as pq

    clusters: dict[str, int] = {}

    def work() -> None:
        table = pq.read_table(sorted(Path(corpus).glob("*.parquet")), columns=["id", "text"])
        ids, texts = table["id"].to_pylist(), table["text"].to_pylist()
        parents = list(range(len(ids)))
        for document, others in enumerate(MATCHES[library](texts, bands, rows)):
            for other in others:
                parents[root(parents, other)] = root(parents, document)
        clusters.update({name: root(parents, document) for document, name in enumerate(ids)})

    return {**timed(work), "clusters": clusters}


def root(parents: list[int], document: int) -> int:
    """The root of a document's tree."""
    while parents[document] != document:
        parents[document] = document = parents[parents[document]]
    return document


def matches_of_rensa(texts: list[str], bands: int, rows: int) -> list[list[int]]:
    """For each document, the documents that share a band with it, by rensa."""
    from rensa import RMinHash, RMinHashLSH

    hashes = RMinHash.from_token_sets([shingles(text) for text in texts], bands * rows, SEED)
    index = RMinHashLSH(threshold=0.7, num_perm=bands * rows, num_bands=bands)
    index.insert_many(hashes)
    return index.query_all(hashes)


def matches_of_datasketch(texts: list[str], bands: int, rows: int) -> list[list[int]]:
    """For each document, the earlier documents that share a band with it, by datasketch."""
    from datasketch import MinHash, MinHashLSH

    empty, index = MinHash(num_perm=bands * rows), MinHashLSH(num_perm=bands * rows, params=(bands, rows))
    found = []
    for document, text in enumerate(texts):
        one = empty.copy()
        one.update_batch([shingle.encode() for shingle in shingles(text)])
        found.append(index.query(one))
        index.insert(document, one)
    return found


def signatures(shingles: str, entries: int, rho: bool) -> Answer:
    """rensa from shingle hashes."""
    from rensa import RMinHash

    read = np.load(shingles)
    offsets, hashes = read["offsets"].astype(np.uint64), read["hashes"]
    work = RMinHash.digest_matrix_from_flat_token_hashes_rho if rho else RMinHash.digest_matrix_from_flat_token_hashes
    return timed(lambda: work(hashes, offsets, entries, SEED))


LIBRARIES = {"datasketch": of_datasketch, "rensa": of_rensa, "rensa, rho": of_rensa_rho}
MATCHES = {"datasketch": matches_of_datasketch, "rensa": matches_of_rensa}

if __name__ == "__main__":
    serve({"digests": digests, "signatures": signatures, "near_duplicates": near_duplicates})

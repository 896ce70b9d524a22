# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = [
#     "datatrove[io,processing]==0.10.1",
#     "lxml_html_clean>=0.4",
#     "psutil>=6",
#     "scipy>=1.14",
#     "spacy==3.8.18",
#     "xxhash>=3.4",
# ]
# ///
"""The peers of deduplication, in their own environment: `uv run --script benchmarks/peers/dedup_side.py`.

datatrove's four MinHash steps run unchanged (English, words from spaCy's blank model, xxhash in 64 bits), one task
after the other in this process. Its cluster step alone, and scipy's connected components, run over the graphs of
`graphs.py`.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from pathlib import Path
from typing import Any

import graphs
import numpy as np
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import ParquetReader
from datatrove.utils.hashing import HashConfig
from datatrove.utils.logging import logger
from protocol import Answer, serve


def scipy_components(kind: str, edges: int) -> Answer:
    """Components by scipy, including the time to number the 64-bit addresses, which it needs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    made = [np.concatenate(side) for side in zip(*graphs.chunks(kind, edges), strict=True)]
    clock = graphs.Clock()
    with clock:
        nodes, ends = np.unique(np.concatenate(made), return_inverse=True)
        a, b = ends.astype(np.int32).reshape(2, -1)
        matrix = coo_array((np.ones(len(a), np.bool_), (a, b)), shape=(len(nodes), len(nodes))).tocsr()
        found, labels = connected_components(matrix, directed=False)
        first = np.full(found, np.iinfo(np.int64).max)
        np.minimum.at(first, labels, np.arange(len(nodes)))
        nodes[first[labels]]
    return clock.answer(nodes=len(nodes), components=int(found))


def datatrove_components(kind: str, edges: int) -> Answer:
    """Components by datatrove's cluster step, from its pairs on disk to its lists of removed documents."""
    with tempfile.TemporaryDirectory() as folder:
        config = MinhashConfig()
        write_pairs(folder, config.num_buckets, kind, edges)
        step = MinhashDedupCluster(folder, f"{folder}/out", config)
        clock = graphs.Clock()
        with clock:
            step.run(None, 0, 1)
        removed = sum(file.stat().st_size // 4 for file in Path(f"{folder}/out").glob("*.remove"))
        nodes = int(step.stats["duplicates"].total)
    return clock.answer(nodes=nodes, components=nodes - removed)


def write_pairs(folder: str, files: int, kind: str, edges: int) -> None:
    """Write the graph as datatrove's bucket step would: two (file, document) per edge."""
    with contextlib.ExitStack() as stack:
        out = [stack.enter_context(open(f"{folder}/{file:05d}_00.dups", "wb")) for file in range(files)]
        for number, (a, b) in enumerate(graphs.chunks(kind, edges)):
            pairs = np.stack((a >> 32, a & 0xFFFFFFFF, b >> 32, b & 0xFFFFFFFF), axis=1).astype("<u4")
            out[number % files].write(pairs.tobytes())


def minhash(corpus: str, bands: int, rows: int) -> Answer:
    """datatrove's four steps over the Parquet files (id, text) of a folder, one task per file, in this process.

    The answer has wall and CPU seconds in total and of each step, the ids of removed documents, and the cluster of each
    document that is in one.
    """
    config = MinhashConfig(n_grams=5, num_buckets=bands, hashes_per_bucket=rows, hash_config=HashConfig(precision=64))
    clocks = {name: graphs.Clock() for name in ("signatures", "buckets", "cluster", "filter")}
    tasks = len(list(Path(corpus).glob("*.parquet")))
    with tempfile.TemporaryDirectory() as folder:
        sign = MinhashDedupSignature(f"{folder}/signatures", config)
        with clocks["signatures"]:
            for task in range(tasks):
                sign.run(documents(corpus, task, tasks), task, tasks)
        match = MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/pairs", config=config)
        with clocks["buckets"]:
            for band in range(bands):
                match.run(None, band, bands)
        with clocks["cluster"]:
            MinhashDedupCluster(f"{folder}/pairs", f"{folder}/removed", config, save_cluster_id=True).run(None, 0, 1)
        drop, kept = MinhashDedupFilter(f"{folder}/removed"), set()
        with clocks["filter"]:
            for task in range(tasks):
                kept.update(doc.id for doc in drop.run(documents(corpus, task, tasks), task, tasks))
        names = [[doc.id for doc in documents(corpus, task, tasks)] for task in range(tasks)]
        clusters = clusters_of(Path(folder, "removed"), names)
    ids = [name for listed in names for name in listed]
    return {
        "seconds": sum(clock.seconds for clock in clocks.values()),
        "process_seconds": sum(clock.process_seconds for clock in clocks.values()),
        "step_seconds": {name: clock.seconds for name, clock in clocks.items()},
        "step_process_seconds": {name: clock.process_seconds for name, clock in clocks.items()},
        "megabytes": graphs.peak_megabytes(),
        "documents": len(ids),
        "removed": [name for name in ids if name not in kept],
        "clusters": clusters,
    }


def documents(corpus: str, task: int, tasks: int) -> Any:
    """The documents of one task, which is one file."""
    return ParquetReader(corpus, glob_pattern="*.parquet").run(None, task, tasks)


def clusters_of(folder: Path, names: list[list[str]]) -> dict[str, int]:
    """The cluster of each document id, from the cluster step's files and the ids of each task in order."""
    clusters = {}
    for task, listed in enumerate(names):
        file = folder / f"{task:06d}.clusters"
        if file.exists():
            clusters.update({listed[row]: cluster for row, cluster in np.fromfile(file, "<u4").reshape(-1, 2).tolist()})
    return clusters


if __name__ == "__main__":
    logger.remove()
    warnings.simplefilter("ignore", DeprecationWarning)
    serve({"scipy": scipy_components, "datatrove": datatrove_components, "minhash": minhash})

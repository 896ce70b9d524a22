"""Our side: `python -m benchmarks.peers.ours`. A shard goes through the engine's local step, in this process."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import refinedweb as rw
from benchmarks.peers.protocol import Answer, serve
from refinedweb.recipe import recipe
from refinedweb.recipe.load import load as load_recipe
from refinedweb.recipe.plan import steps_of
from refinedweb.shard.local_step import LocalStep
from refinedweb.sources import inputs
from stages.schema import documents

STEP = "00-filter"


@lru_cache
def loaded(spec: str, overrides: tuple[str, ...]) -> recipe.Recipe:
    """The resolved recipe. Resolving it reads the lists once, to pin them."""
    return load_recipe(spec, overrides)


def filter_pass(warc: str, stages: str, overrides: Sequence[str] = (), with_ids: bool = True) -> Answer:
    """One shard from WARC to Parquet: wall seconds of the pass and of its stages, and the ids that left each stage."""
    plan = loaded(stages, tuple(overrides))
    with tempfile.TemporaryDirectory() as out:
        (item,) = inputs.find([warc], out=out).inputs
        start = time.perf_counter()
        (step,) = steps_of([name for name, _ in plan.stages])
        record = LocalStep(out, step, plan)(0, item, False)
        return {
            "seconds": time.perf_counter() - start,
            "stage_seconds": record.stage_seconds,
            "rows_in": record.rows_in,
            "rows_kept": record.rows_kept,
            "left": ids_left(Path(out), [name for name, _ in plan.stages]) if with_ids else {},
        }


def ids_left(out: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """The ids that left the source and each stage: those in the corpus and those that later stages removed."""
    ids = ids_of(out / "corpus")
    left = {}
    for name in reversed(names):
        left[name] = ids
        ids = ids + ids_of(out / STEP / "removed" / name)
    return {"source": ids, **dict(reversed(left.items()))}


def ids_of(folder: Path) -> list[str]:
    """The ids of all rows below a folder."""
    tables = [pq.read_table(path, columns=["id"]) for path in sorted(folder.rglob("*.parquet"))]
    return pa.concat_tables(tables)["id"].to_pylist() if tables else []


def measures(texts: str, dialect: str, repeats: int) -> Answer:
    """Repetition and quality over every text of a Parquet file: wall and CPU seconds, as the mean of `repeats`."""
    from stages.quality import Quality
    from stages.repetition import Repetition

    stages = [Repetition(dialect=dialect), Quality(dialect=dialect)]
    read = pq.read_table(texts)
    docs = documents(id=read["id"].to_pylist(), text=read["text"].to_pylist(), language=["en"] * read.num_rows)
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        judged = docs
        for stage in stages:
            judged = stage(judged)
    seconds, cpu_seconds = (time.perf_counter() - start) / repeats, (time.process_time() - cpu) / repeats
    kept = judged["id"].filter(judged["drop"].is_null()).to_pylist()
    return {"seconds": seconds, "process_seconds": cpu_seconds, "kept": kept}


def extract(pages: str, **params: Any) -> Answer:
    """The stage's texts of a Parquet file's pages (id, url, html)."""
    from stages.extract import Extract

    docs = pq.read_table(pages)
    start = time.perf_counter()
    texts = [text or "" for text in Extract(**params)(docs)["text"].to_pylist()]
    return {"seconds": time.perf_counter() - start, "texts": texts}


def engine_alone(pages: str, engine: str) -> Answer:
    """The pages' texts by an engine's own function, called as its documentation says."""
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text

    known: dict[str, Callable[[str], str | None]] = {
        "resiliparse": partial(extract_plain_text, main_content=True, alt_texts=False, comments=False),
        "trafilatura": partial(trafilatura.extract, favor_precision=True, include_comments=False),
    }
    html = [page.decode() for page in pq.read_table(pages)["html"].to_pylist()]
    start = time.perf_counter()
    texts = [known[engine](page) or "" for page in html]
    return {"seconds": time.perf_counter() - start, "texts": texts}


def dedup(
    files: Sequence[str],
    stage: str = "minhash_v1",
    settings: Sequence[str] = (),
    out: str | None = None,
    limit: int | None = None,
) -> Answer:
    """Deduplicate Parquet files in this process: seconds in total and of each phase, peak memory, removed id → kept id.

    `out` is a new folder (default: a temporary one).
    """
    settings = [*settings, "keep_removed=ids"] + ([] if limit is None else [f"limit={limit}"])
    with tempfile.TemporaryDirectory() as folder:
        return _dedup(files, stage, settings, out or folder)


def _dedup(files: Sequence[str], stage: str, settings: Sequence[str], out: str) -> Answer:
    start, cpu = time.perf_counter(), time.process_time()
    run = rw.run(stage, files, out, settings)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    records: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(out).rglob("manifest/*.json")):
        records.setdefault(str(path.parent.parent.relative_to(out)), []).append(json.loads(path.read_bytes()))
    everything = [record for phase in records.values() for record in phase]
    outputs = [output for record in everything for output in record["outputs"]]
    removed = run.table(stage)
    return {
        "seconds": seconds,
        "process_seconds": cpu_seconds,
        "phases": {name: sum(record["seconds"] for record in phase) for name, phase in records.items()},
        "documents": run.totals().rows_in,
        "megabytes": max(record["peak_memory"] for record in everything) / 1e6,
        "shuffled_megabytes": sum(o["size"] for o in outputs if o["key"].endswith(".shuffle")) / 1e6,
        "kept": dict(zip(removed["id"].to_pylist(), removed["kept_id"].to_pylist(), strict=True)) if removed else {},
    }


if __name__ == "__main__":
    jobs: tuple[Callable[..., Answer], ...] = (filter_pass, extract, engine_alone, measures, dedup)
    serve({job.__name__: job for job in jobs})

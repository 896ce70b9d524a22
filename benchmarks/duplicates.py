"""Whole deduplications of a planted corpus, ours and the peers': near duplicates by MinHash at 14 × 8, and copies.

    uv run python -m benchmarks --only near_duplicates
    uv run python -m benchmarks --only exact_duplicates

The corpus comes from `planted`, and what is found is compared with its truth. Each contender reads the kind of file
that it understands (Parquet; dolma: compressed JSON lines) and ends with its answer: ours and text-dedup with the
remaining corpus, datatrove after its four steps, and rensa and datasketch, which know neither texts nor files, with
clusters in memory.
"""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import planted, planted_recall
from benchmarks.suite import Answers, Contender, Run, Table, compare

BANDS, ROWS = 14, 8
PRESET = "fineweb"
NEAR = 0.8  # Jaccard similarity from which a pair is a near duplicate


def corpus(run: Run, documents: int) -> Path:
    """A planted corpus of two files."""
    out = run.folder / "planted"
    planted.write(out, documents, files=2, seed=1)
    return out


def packed_lines(out: Path) -> None:
    """Write the same documents as compressed JSON lines, next to the Parquet files."""
    for path in (out / "documents").glob("*.parquet"):
        with gzip.open(path.with_suffix(".jsonl.gz"), "wt", compresslevel=1) as lines:
            lines.writelines(f"{json.dumps(row)}\n" for row in pq.read_table(path).to_pylist())


def near(run: Run) -> Table:
    """Near duplicates."""
    documents = run.size(2_000, 200)
    out = corpus(run, documents)
    one = partial(run.contender, units=documents)
    layout = {"corpus": str(out / "documents"), "bands": BANDS, "rows": ROWS}
    library = partial(one, side="minhash_libraries.py", do="near_duplicates", **layout)
    contenders = {
        "datatrove": one("datatrove", "dedup_side.py", do="minhash", **layout),
        "text-dedup": one("text-dedup", "text_dedup_side.py", do="near_duplicates", **layout),
        "datasketch": library("datasketch", library="datasketch"),
        "rensa": library("rensa", library="rensa"),
        "NeMo Curator": one("nemo-curator", "nemo_side.py", do="near_duplicates"),
        "ours": ours(run, out, documents, "minhash_v1", [f"minhash_v1.preset={PRESET}"]),
    }
    truth = pq.read_table(out / "truth.parquet")
    promised = planted_recall.score(truth, {}, BANDS, ROWS).bins
    close = [one for one in promised if one.jaccard >= NEAR]
    return Table(
        "Near duplicates: documents in, duplicates out",
        f"{documents:,} planted documents of 150 to 900 words, MinHash at {BANDS} × {ROWS}. Of families of two with a "
        f"Jaccard similarity of {NEAR} or more, {sum(one.expected for one in close):.0f} of "
        f"{sum(one.pairs for one in close)} should be found. Right: pairs in one cluster that were planted.",
        "docs", "pairs found; right", "datatrove",
        compare(run, contenders, "datatrove", partial(found, truth)),
    )  # fmt: skip


def exact(run: Run) -> Table:
    """Copies of whole texts."""
    documents = run.size(10_000, 400)
    out = corpus(run, documents)
    packed_lines(out)
    one = partial(run.contender, units=documents, do="exact_duplicates", corpus=str(out / "documents"))
    contenders = {
        "text-dedup, MD5": one("text-dedup", "text_dedup_side.py", documents=documents),
        "dolma, Bloom filter": one("dolma", "dolma_side.py", documents=documents),
        "NeMo Curator": one("nemo-curator", "nemo_side.py"),
        "ours": ours(run, out, documents, "exact_v1", ["exact_v1.normalise=false"]),
        "ours, normalised": ours(run, out, documents, "exact_v1", []),
    }
    truth = pq.read_table(out / "truth.parquet")
    return Table(
        "Copies: documents in, duplicates out",
        f"{documents:,} planted documents of 150 to 900 words, {len(copies(truth))} pairs of which are the same. "
        "dolma ends with marks, text-dedup and ours with the remaining corpus.",
        "docs", "copies found; others removed", "text-dedup, MD5",
        compare(run, contenders, "text-dedup, MD5", partial(removed, truth)),
    )  # fmt: skip


def ours(run: Run, out: Path, documents: int, stage: str, settings: list[str]) -> Contender:
    """Our run, from the files to a deduplicated corpus."""
    files = [str(path) for path in sorted((out / "documents").glob("*.parquet"))]
    return run.contender("refinedweb", "ours", documents, "dedup", files=files, stage=stage, settings=settings)


def found(truth: pa.Table, answers: Answers) -> dict[str, str]:
    """How many of the similar pairs (families of two) were found, and the precision over all pairs."""
    judged = {}
    for name, runs in answers.items():
        clusters = runs[0].get("clusters") or planted_recall.clusters_of(runs[0].get("kept", {}))
        score = planted_recall.score(truth, clusters, BANDS, ROWS)
        close = [one for one in score.bins if one.jaccard >= NEAR]
        hits, pairs = sum(one.found for one in close), sum(one.pairs for one in close)
        judged[name] = f"{hits} of {pairs}; {score.precision:.1%}"
    return judged


def copies(truth: pa.Table) -> set[frozenset[str]]:
    """The planted pairs that are the same."""
    same = zip(truth["id_a"].to_pylist(), truth["id_b"].to_pylist(), truth["jaccard"].to_pylist(), strict=True)
    return {frozenset((a, b)) for a, b, jaccard in same if jaccard == 1}


def removed(truth: pa.Table, answers: Answers) -> dict[str, str]:
    """Of how many planted pairs of copies one was removed, and how many other documents were."""
    known = copies(truth)
    members = set().union(*known)
    judged = {}
    for name, runs in answers.items():
        gone = set(runs[0]["removed"] if "removed" in runs[0] else runs[0]["kept"])
        judged[name] = f"{sum(bool(pair & gone) for pair in known)} of {len(known)}; {len(gone - members)}"
    return judged

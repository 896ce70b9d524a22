"""Repetition and quality of 5 kB documents, by ours and the peers' filters: `python -m benchmarks --only measures`.

The documents are the English main texts of 4 to 6 kB in the data folder. datatrove runs unchanged (`datatrove`) and
with the words of a document shared between its two filters (`datatrove, words shared`), which is the reference. Ours
and dolma's tagger compute every measure of every document; datatrove and NeMo Curator stop at the first limit that
fails.
"""

from __future__ import annotations

from functools import partial

from benchmarks import crawl
from benchmarks.suite import Answers, Run, Table, compare

PEER = "datatrove, words shared"


def suite(run: Run) -> Table:
    """Ours in both dialects, datatrove, NeMo Curator and dolma."""
    path = run.folder / "texts.parquet"
    count = crawl.texts(path, run.size(1000, 40))
    peer = partial(run.contender, units=count, do="measures", texts=str(path))
    ours = partial(peer, "refinedweb", "ours", repeats=run.size(50, 5))
    contenders = {
        PEER: peer("datatrove", "datatrove_side.py", share_words=True),
        "datatrove": peer("datatrove", "datatrove_side.py", share_words=False),
        "NeMo Curator": peer("nemo-curator", "nemo_side.py"),
        "dolma, `gopher_v2`": peer("dolma", "dolma_side.py"),
        "ours": ours(dialect="gopher"),
        "ours, dialect datatrove": ours(dialect="datatrove"),
    }
    return Table(
        "Repetition and quality",
        f"{count} English main texts of 4 to 6 kB, with Gopher's rules as each has them. Our budget: 5,000 docs/s.",
        "docs", "kept; verdict as datatrove's", PEER, compare(run, contenders, PEER, partial(verdicts, count)),
    )  # fmt: skip


def verdicts(documents: int, answers: Answers) -> dict[str, str]:
    """The number of documents kept, and the share of all that are judged as datatrove judges them."""
    if PEER not in answers:
        return {name: f"{len(runs[0]['kept'])}" for name, runs in answers.items()}
    theirs = set(answers[PEER][0]["kept"])
    return {
        name: f"{len(runs[0]['kept'])}; {1 - len(theirs ^ set(runs[0]['kept'])) / documents:.1%}"
        for name, runs in answers.items()
    }

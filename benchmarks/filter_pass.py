"""The whole filter pass over a many-language crawl, ours and the peers': the same WARC, one core each, in turn.

    uv run python -m benchmarks --only filter_pass                                  # speeds and decisions
    uv run python -m benchmarks.filter_pass [--pages 400] [--runs 5] [--core N]     # seconds and decisions by stage

A pass reads one WARC file and writes Parquet: URL filter, extraction, language, repetition, quality. Ours also corrects
lines and stores what it removed. Ours and datatrove use datatrove's block lists, the same version and settings of
trafilatura and the same language model; NeMo Curator and dolma have no URL filter and use pycld2's language.
`same rules` is ours with datatrove's dialects and without what datatrove lacks (curated sources, line corrections), to
compare verdicts. CPU times include every child process.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import crawl, pairs
from benchmarks.peers.protocol import Answer, Side, SideError
from benchmarks.suite import Answers, Contender, Run, Table, compare

PEER = "datatrove"
SAME_RULES = "ours, same rules"
SAME = {"favour_precision": True, "deduplicate": False, "timeout": 30}
PASS = "url_v1,extract_v1,language_v1,repetition_v1,quality_v1,lines_v1"
GATED = PASS.replace("extract_v1", "language_gate_v1,extract_v1")
FAST = "extract_v1.fast=true"
RESILIPARSE = "extract_v1.engine=resiliparse"
BLOCKS = "extract_v1.engine=blocks"
OURS: dict[str, tuple[str, list[str]]] = {
    "ours": (PASS, []),
    "ours, `fast`": (PASS, [FAST]),
    "ours, gate": (GATED, []),
    "ours, gate and `fast`": (GATED, [FAST]),
    "ours, resiliparse": (PASS, [RESILIPARSE]),
    "ours, gate and resiliparse": (GATED, [RESILIPARSE]),
    "ours, blocks": (PASS, [BLOCKS]),
    "ours, gate and blocks": (GATED, [BLOCKS]),
    SAME_RULES: (
        PASS.removesuffix(",lines_v1"),
        ["url_v1.curated=false", "repetition_v1.dialect=datatrove", "quality_v1.dialect=datatrove"],
    ),
}
STEPS = {"url": "url_v1", "extract": "extract_v1", "language": "language_v1", "repetition": "repetition_v1",
         "quality": "quality_v1"}  # fmt: skip


def main() -> None:
    options = pairs.arguments(__doc__, pages=400)
    pairs.warn_where_noisy()
    with tempfile.TemporaryDirectory() as folder, pairs.ours(options.core) as us, pairs.datatrove(options.core) as them:
        warc = Path(folder) / "sample.warc.gz"
        pages = crawl.sample(warc, options.pages)
        answers = pairs.in_turn(contenders(us, them, warc), options.runs)
    print(f"{pages} pages; medians of {options.runs} runs")
    report_share(answers)
    report_verdicts(answers)


def suite(run: Run) -> Table:
    """Every variant of ours, and datatrove, NeMo Curator and dolma, over one WARC file."""
    warc = run.folder / "sample.warc.gz"
    pages = crawl.sample(warc, run.size(250, 24))
    try:
        listed, without = lists(warc, run.side("datatrove_side.py")), ""
    except SideError:  # datatrove's own row says why
        listed, without = [], " Ours runs without block lists, because they are datatrove's."
    found = peers(run, warc, pages)
    found |= {
        name: run.contender("refinedweb", "ours", pages, "filter_pass", **request)
        for name, request in ours(warc, listed).items()
    }
    return Table(
        "The filter pass: WARC in, Parquet out",
        f"{pages} pages, spread over the crawl: URL filter (not in NeMo Curator and dolma), extraction, English, "
        "repetition, quality. Ours also corrects lines and stores what it removed. The extractor is trafilatura unless "
        "another is named. Our budgets: 1.7 × datatrove, `fast` 2.5, gate 5, resiliparse 12." + without,
        "pages", "pages kept; decided as datatrove", PEER,
        compare(run, found, PEER, partial(decisions, pages), "cpu_seconds"),
    )  # fmt: skip


def peers(run: Run, warc: Path, pages: int) -> dict[str, Contender]:
    """The peers' passes."""
    at, out = str(warc), str(warc.parent)
    theirs = partial(run.contender, units=pages, do="filter_pass", warc=at)
    datatrove = partial(theirs, "datatrove", "datatrove_side.py", out=f"{out}/datatrove", **SAME)
    nemo = partial(theirs, "nemo-curator", "nemo_side.py", out=f"{out}/nemo")
    dolma = partial(theirs, "dolma", "dolma_side.py")
    return {
        PEER: datatrove(),
        "datatrove, `fast`": datatrove(fast=True),
        "NeMo Curator": nemo(algorithm="trafilatura", favor_precision=True),
        "NeMo Curator, resiliparse": nemo(algorithm="resiliparse"),
        "NeMo Curator, jusText": nemo(algorithm="justext"),
        "dolma": dolma(linearizer="trafilatura"),
        "dolma, resiliparse": dolma(linearizer="resiliparse"),
    }


def decisions(pages: int, answers: Answers) -> dict[str, str]:
    """The number of pages kept, and the share of all pages that a pass judges as datatrove does."""
    theirs = set(kept(answers[PEER])) if PEER in answers else None
    judged = {}
    for name, runs in answers.items():
        ids = kept(runs)
        same = "" if theirs is None else f"; {1 - len(theirs ^ set(ids)) / pages:.1%}"
        spared = runs[0].get("spared", 0)
        judged[name] = f"{len(ids)}{same}" + (f" ({spared} pages left out, which make it stop)" if spared else "")
    return judged


def contenders(us: Side, them: Side, warc: Path) -> dict[str, pairs.Contender]:
    """datatrove's pass, and ours in every variant."""
    return {
        PEER: partial(them.ask, "filter_pass", warc=str(warc), out=str(warc.parent / "datatrove"), **SAME),
        **{name: partial(us.ask, "filter_pass", **request) for name, request in ours(warc, lists(warc, them)).items()},
    }


def lists(warc: Path, datatrove: Side) -> list[str]:
    """The settings that give our URL filter datatrove's block lists."""
    folder = warc.parent / "lists"
    categories = ",".join(datatrove.ask("lists", out=str(folder))["categories"])
    return [f"url_v1.blocklist={folder}", f"url_v1.categories={categories}"]


def ours(warc: Path, listed: list[str]) -> dict[str, dict[str, Any]]:
    """The request to our side for each variant."""
    return {
        name: {"warc": str(warc), "stages": stages, "overrides": [*listed, *settings]}
        for name, (stages, settings) in OURS.items()
    }


def report_share(answers: dict[str, list[Answer]]) -> None:
    """Print the seconds of each stage, and the share of the total that is not HTML extraction (budget 15 %)."""
    print("\n| pass | seconds by stage (median) | everything but extraction |")
    print("|---|---|---|")
    for name, runs in answers.items():
        stages = {
            stage: pairs.median([run["stage_seconds"] for run in runs], stage) for stage in runs[0]["stage_seconds"]
        }
        total = pairs.median(runs)
        stages["rest"] = total - sum(stages.values())
        extraction = stages.get("extract_v1", stages.get("extract", 0.0))
        listed = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages.items())
        print(f"| {name} | {listed} | {1 - extraction / total:.1%} |")


def report_verdicts(answers: dict[str, list[Answer]]) -> None:
    """Print the pages left after each step on each side and on both, with datatrove's rules on both sides."""
    theirs, us = answers[PEER][0]["left"], answers[SAME_RULES][0]["left"]
    print("\n| left after | datatrove | ours, same rules | both |")
    print("|---|---|---|---|")
    for step, stage in {"source": "source", **STEPS}.items():
        mine, other = set(us[stage]), set(theirs[step])
        print(f"| {step} | {len(other)} | {len(mine)} | {len(mine & other)} |")


def kept(runs: list[Answer]) -> list[Any]:
    """The ids that left the last step."""
    return list(runs[0]["left"].values())[-1]


if __name__ == "__main__":
    main()

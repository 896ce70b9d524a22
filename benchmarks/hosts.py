"""Three hosts on one machine run the full recipe over the crawl as a SageMaker job and lose links, hosts and the head.

    python -m benchmarks.hosts [--limit N] [--files 8] [--step 00-filter] [--scenario quiet lost head]

Needs root (network namespaces). Each scenario starts the container's entry point on every host, from the files that
SageMaker provides, with S3 on a fourth host. It compares the corpus, to the byte, with that of this machine alone:

quiet   nothing happens
lost    once `--step` has its first record, one host's link is cut silently and another host is killed
head    once `--step` has its first record, the head is killed, then the others, as SageMaker ends a failed job; another
        job with the same arguments resumes, and writes no existing record a second time

Prints seconds, deaths and what was done twice. Exit code 1 if a corpus differs or `verify` finds a problem.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.crawl import ROOT, data
from refinedweb.storage import open_store
from refinedweb.views.verify import verify
from tests.jobs.container import cluster
from tests.jobs.container.network import Network, why_not

PATIENCE = 3600.0  # seconds for a job to reach what a scenario waits for


@dataclass(frozen=True)
class Trial:
    """The scenarios, and what they have in common."""

    net: Network
    stack: ExitStack
    folder: Path
    crawl: str
    options: list[str]
    step: str

    def job(self, out: str) -> cluster.Job:
        """Start the job that writes below `out`."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return cluster.Job(self.net, ["refinedweb", self.crawl, out, *self.options], folder, self.stack)

    def quiet(self, out: str) -> str:
        """Nothing happens."""
        job = self.job(out)
        assert job.wait(0, PATIENCE) == 0, job.output()
        return f"the other hosts ended with {job.wait(1, 60)} and {job.wait(2, 60)}"

    def lost(self, out: str) -> str:
        """One host's link is cut and another host is killed."""
        job = self.job(out)
        job.wait_for(lambda: cluster.records(out, self.step) >= 1, PATIENCE)
        since = time.monotonic()
        self.net.cut(1)
        job.hosts[2].kill()
        assert job.wait(0, PATIENCE) == 0, job.output()
        took = time.monotonic() - since
        self.net.mend(1)
        return f"{took:.0f} s after the losses; the host that was cut off ended with {job.wait(1, 120)}"

    def head(self, out: str) -> str:
        """The head is killed, then the others, and another job resumes."""
        job = self.job(out)
        job.wait_for(lambda: cluster.records(out, self.step) >= 1, PATIENCE)
        for host in job.hosts:
            cluster.end(host)
        before = ledger(out)
        again = self.job(out)
        assert again.wait(0, PATIENCE) == 0, again.output()
        after = ledger(out)
        kept = sum(after.get(key) == etag for key, etag in before.items())
        assert kept == len(before), "a record was written a second time"
        return f"{kept} of {len(after)} records existed before"


def ledger(out: str) -> dict[str, str]:
    """The etag of every commit record."""
    return {info.key: info.etag for info in open_store(out).list() if "/manifest/" in info.key}


def alone(crawl: str, out: str, options: list[str]) -> float:
    """Seconds of a run on this machine, with as many workers as the hosts have together."""
    since = time.monotonic()
    command = [sys.executable, "-m", "refinedweb", "run", "refinedweb", crawl, out, *options]
    workers = ["--workers", str(len(cluster.NAMES))]
    subprocess.run([*command, *workers], check=True, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL)
    return time.monotonic() - since


def problems(out: str, wanted: dict[str, bytes]) -> list[str]:
    """Everything that is wrong with a run."""
    verdict = verify(out)
    differs = [] if cluster.corpus(out) == wanted else ["the corpus differs"]
    return [*verdict.problems, *differs, *(["unfinished"] if verdict.pending else [])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, help="documents of each file (default: all)")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--step", default="00-filter", help="strike at its first record; e.g. 02-substring_v1/2-group")
    parser.add_argument("--scenario", nargs="+", choices=["quiet", "lost", "head"], default=["quiet", "lost", "head"])
    given = parser.parse_args()
    options = [] if given.limit is None else ["--limit", str(given.limit)]
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if (reason := why_not(folder)) is not None:
            sys.exit(reason)
        with cluster.hosts(folder) as (net, stack):
            crawl = cluster.upload(data() / "crawl", given.files)
            base = f"s3://{cluster.BUCKET}"
            print(f"alone: {alone(crawl, f'{base}/alone', options):.0f} s", flush=True)
            wanted = cluster.corpus(f"{base}/alone")
            trial = Trial(net, stack, folder, crawl, options, given.step)
            for scenario in given.scenario:
                since, out = time.monotonic(), f"{base}/{scenario}"
                outcome = getattr(trial, scenario)(out)
                found = problems(out, wanted)
                wrong += len(found)
                verdict = "identical" if not found else "; ".join(found)
                print(f"{scenario}: {time.monotonic() - since:.0f} s, {verdict}; {outcome}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

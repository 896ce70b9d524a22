"""Three machines, of which one falls silent and one is lost in mid-run: the corpus is the same, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from refinedweb.views.verify import verify
from tests.jobs.container import cluster
from tests.jobs.container.network import why_not
from tests.refinedweb.engine import inline

pytestmark = pytest.mark.slow
FILES = 6  # of the crawl: two for each host
FIRST = "00-filter"
LIMIT = 25  # documents of each file
SECONDS = 240.0  # until a wait fails: a busy machine is slow


def test_a_silent_host_and_a_lost_one_cost_nothing_but_time(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (reason := why_not(tmp_path)) is not None:
        pytest.skip(reason)
    monkeypatch.delenv("REFINEDWEB_ADDRESS", raising=False)
    with cluster.hosts(tmp_path) as (net, stack):
        crawl = cluster.upload(shared_data / "crawl", FILES)
        alone, out = f"s3://{cluster.BUCKET}/alone", f"s3://{cluster.BUCKET}/out"
        words = ["refinedweb", crawl, out, "--limit", str(LIMIT), "--set", "keep_removed=full"]
        job = cluster.Job(net, words, tmp_path, stack)
        job.wait_for(lambda: cluster.records(out, FIRST) >= 1, SECONDS)
        assert "all 3 hosts are here" in job.output()
        net.cut(1)
        job.hosts[2].kill()
        assert cluster.records(out, FIRST) < FILES, "too late: the pass was over already"
        inline.ok(inline.run("refinedweb", [crawl], alone, f"limit={LIMIT}"))  # type: ignore[list-item]
        assert job.wait(0, SECONDS) == 0, job.output()
        assert cluster.corpus(out) == cluster.corpus(alone)
        assert len(cluster.corpus(out)) == FILES
        verdict = verify(out)
        assert not verdict.problems
        assert not verdict.pending
        net.mend(1)
        assert job.wait(1, 60) == 0, "the host that was cut off learns that the run is over"

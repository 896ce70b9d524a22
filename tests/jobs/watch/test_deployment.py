"""A chain on S3 starts nothing but what the watcher was deployed for; and where a chain is, as text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.launch.spec import request as launch_request
from jobs.watch.chain import ChainJob, load_chain
from jobs.watch.decide import Event
from jobs.watch.deployment import IMAGE, PREFIX, ROLE, Deployment
from jobs.watch.picture import WIDTH, picture
from jobs.watch.watcher import handler
from stages.errors import ConfigError
from tests.jobs.launch.sample_job import JOB

OURS = Deployment(JOB.role, JOB.image.partition(":")[0], "s3://corpus")


def link(**changes: Any) -> ChainJob:
    job = replace(JOB, **changes)
    return ChainJob(job.kind, launch_request(job), job.out)


@pytest.mark.parametrize("change", [{}, {"spot": True}, {"encrypt_traffic": True, "kms_key": "alias/x"}])
def test_what_the_launcher_makes_passes(change: dict[str, Any]) -> None:
    OURS.check([link(**change)], "chain")


OTHERS = [
    ({"role": JOB.role + "-admin"}, "role"),
    ({"image": "999999999999.dkr.ecr.eu-west-1.amazonaws.com/refinedweb:1"}, "image"),
    ({"image": JOB.image.replace("refinedweb:", "refinedweb-evil:")}, "image"),
    ({"out": "s3://other/part", "words": ("refinedweb", "s3://a", "s3://other/part")}, "OUT"),
    ({"out": "s3://corpus-evil/part", "words": ("refinedweb", "s3://a", "s3://corpus-evil/part")}, "OUT"),
    ({"out": "s3://corpus/../x", "words": ("refinedweb", "s3://a", "s3://corpus/../x")}, "OUT"),
]


@pytest.mark.parametrize(("change", "what"), OTHERS)
def test_anything_else_is_refused_by_name(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=rf"has the {what} .*nothing was started"):
        OURS.check([link(), link(**change)], "s3://admin/chain.json")


def test_the_run_writes_where_the_chain_says() -> None:
    with pytest.raises(ConfigError, match="OUT"):
        OURS.check([replace(link(words=("refinedweb", "s3://a", "s3://elsewhere/x")), out="s3://corpus/part")], "chain")


@pytest.mark.parametrize(
    ("member", "value"),
    [("ProcessingInputs", []), ("ExperimentConfig", {}), ("AppSpecification", {"ContainerEntrypoint": ["sh"]})],
)
def test_a_request_has_nothing_that_the_launcher_would_not_ask_for(member: str, value: Any) -> None:
    ours = link()
    merged = {**ours.request.get(member, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(ConfigError, match="has the member"):
        OURS.check([replace(ours, request={**ours.request, member: merged})], "chain")


def test_a_watcher_without_settings_obeys_no_chain_on_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ROLE, IMAGE, PREFIX):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=f"set {ROLE}, {IMAGE}, {PREFIX}"):
        handler({"chain": "s3://x/chain.json"}, None)
    for chain in ("/etc/chain.json", "chain.json", "file:///x", "http://x/chain.json"):
        with pytest.raises(ConfigError, match="names no chain on S3"):
            handler({"chain": chain}, None)
    with pytest.raises(ConfigError, match="must be an s3:// prefix"):
        Deployment.from_environment({ROLE: "r", IMAGE: "i", PREFIX: "s3:///"})


def test_a_chain_beside_its_own_corpus_is_refused(tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "part"):
        path = tmp_path / "part" / "jobs" / "chain.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"links": [{"kind": "processing", "request": link().request, "out": str(out)}]}))
        with pytest.raises(ConfigError, match="the output of its own job"):
            load_chain(str(path))


def test_the_picture_shows_done_present_and_waiting_links() -> None:
    names = ["a", "b", "c"]
    history = [Event("launch"), Event("done"), Event("launch", 1), Event("launch", 1, 2)]
    assert picture(names, history, "3 of 9 tasks").splitlines() == [
        "[#>.] 1 of 3 done", "     1  a: done", "     2  b: runs, attempt 2, 3 of 9 tasks", "     3  c: waits",
    ]  # fmt: skip
    assert picture(names, [*history, Event("give-up", 1, 2)]).splitlines()[0] == "[#x.] 1 of 3 done"
    assert picture(names, []).startswith("[>..] 0 of 3 done")


@given(st.integers(1, 1000), st.data())
def test_the_bar_fits_a_line_and_never_hides_the_present(links: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, links))
    history = [event for n in range(done) for event in (Event("launch", n), Event("done", n))]
    if done < links:
        history.append(Event("launch", done))
    drawn = picture([f"job-{n}" for n in range(links)], history)
    bar = drawn[1 : drawn.index("]")]
    assert len(bar) == min(WIDTH, links)
    assert (">" in bar) == (done < links)
    assert bar == "".join(sorted(bar, key="#>.".index))
    assert f"{done} of {links} done" in drawn
    assert len(drawn.splitlines()) <= 6

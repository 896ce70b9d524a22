"""The watcher: its decisions, a scripted day of failures against SageMaker's own validation, and any interleaving of
watchers that die.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.watch.aws import SageMaker
from jobs.watch.chain import chain_of, load_chain, of_job
from jobs.watch.decide import Event, Policy, Seen, decide
from jobs.watch.watcher import LedgerProgress, Watcher, read_events, record
from refinedweb.storage import open_store
from refinedweb.storage.json_objects import Unreadable
from stages.errors import ConfigError, RetryError
from tests.examples import examples
from tests.jobs.watch.requests import request
from tests.jobs.watch.stubs import StubbedAws
from tests.jobs.watch.world import Died, World, link

HOUR = 3600.0  # seconds


def launched(**changes: Any) -> Event:
    return Event(**{"action": "launch", "at": 0.0, **changes})


def seen(status: str | None, **changes: Any) -> Seen:
    return Seen(**{"now": HOUR, "status": status, **changes})


def action(history: list[Event], now: Seen, links: int = 1, policy: Policy | None = None) -> str | None:
    decided = decide(policy or Policy(), history, links, now)
    return None if decided is None else f"{decided.action} {decided.link}/{decided.attempt}"


def test_what_follows_what() -> None:
    assert action([], seen(None)) == "launch 0/1"
    assert action([launched()], seen(None)) is None, "its launch is carried out, not decided again"
    assert action([launched()], seen("InProgress", since=HOUR - 60)) is None
    assert action([launched()], seen("InProgress", since=10)) == "stop 0/1"
    assert action([launched()], seen("Stopping", since=10)) is None
    assert action([launched(), Event("stop")], seen("InProgress", since=10)) is None
    assert action([launched(tasks=4), Event("stop")], seen("Stopped", tasks=9)) == "launch 0/2"
    assert action([launched()], seen("Failed", tasks=5)) == "launch 0/2"
    assert action([launched()], seen("Completed", tasks=5)) == "launch 0/2", "the ledger says it is not done"
    assert action([launched()], seen("Completed", tasks=5, finished=True)) == "done 0/1"
    assert action([launched()], seen("Failed", tasks=5, finished=True)) == "done 0/1", "quarantined, but complete"
    assert action([launched(), Event("done")], seen("Completed"), links=2) == "launch 1/1"
    assert action([launched(), Event("done")], seen("Completed"), links=1) == "finish 0/1"
    assert action([launched(), Event("give-up")], seen("Failed")) is None


def test_patience_ends_for_one_of_three_reasons() -> None:
    now = {"now": HOUR, "since": HOUR - 20 * 60, "tasks": 5}
    for changes, reason in (
        ({"since": HOUR - 31 * 60}, "no progress for 31 minutes"),
        ({"idle": 15.0}, "processors idle for 15 minutes"),
        ({"failed": 150}, "150 tasks failed since the launch"),
    ):
        decided = decide(Policy(), [launched()], 1, seen("InProgress", **{**now, **changes}))
        assert decided is not None
        assert decided.reason == reason
    assert action([launched(failed=100)], seen("InProgress", **{**now, "failed": 150})) is None
    assert action([launched(at=HOUR - 60)], seen("InProgress", since=0)) is None, "a new job gets its time to start"


def test_attempts_are_bounded() -> None:
    history = [launched(attempt=n, tasks=n) for n in range(1, 9)]
    assert action(history, seen("Failed", tasks=50)) == "give-up 0/8"
    fruitless = [launched(attempt=n, tasks=7) for n in range(1, 4)]
    assert action(fruitless, seen("Failed", tasks=7)) == "give-up 0/3"
    assert action(fruitless, seen("Failed", tasks=8)) == "launch 0/4"


# any interleaving of watchers that die


@given(st.integers(0, 10_000))
@settings(max_examples=examples(40))
def test_watchers_that_die_never_run_two_jobs_and_come_to_an_end(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    world = World(random.Random(seed))
    home = str(tmp_path_factory.mktemp("watch"))
    last = Event("launch")
    for _ in range(1500):
        watcher = Watcher(home, [link("job", "out")], world, Policy(), lambda: world.clock, world.progress)
        try:
            last = watcher.tick()
        except Died:
            continue
        if last.action in ("finish", "give-up"):
            break
        world.pass_time()
    events = read_events(open_store(home))
    assert last.action in ("finish", "give-up"), events
    assert world.most_at_once <= 1
    assert (last.action == "finish") == (world.tasks >= 20)
    launches = [event.attempt for event in events if event.action == "launch"]
    assert launches == list(range(1, len(launches) + 1))
    assert len(launches) <= Policy().attempts
    assert set(world.jobs) == {"job" if n == 1 else f"job-{n}" for n in launches}


def test_events_of_another_version_and_foreign_objects_end_no_watcher(tmp_path: Path) -> None:
    world = World(random.Random(1), mortal=False)
    store = open_store(str(tmp_path))
    newer = {**asdict(Event("launch", at=1.0)), "of_a_newer_version": [1]}
    store.put("events/000000.json", json.dumps(newer).encode())
    store.put("events/000001.json", b'{"action": "done"}')
    for name in ("._000000.json", ".nfs0001", "1.json", "000002.json.tmp"):
        store.put(f"events/{name}", b"")
    store.put("seen.json", b"")
    assert read_events(store) == [Event("launch", at=1.0), Event("done")]
    watcher = Watcher(str(tmp_path), [link("job", "out")], world, clock=lambda: 2.0, progress=world.progress)
    assert watcher.tick().action == "finish"
    assert read_events(store)[2].action == "finish"
    store.put("events/000002.json", b"")
    with pytest.raises(Unreadable, match=r"000002\.json is empty .* delete it"):
        watcher.tick()


def test_of_two_watchers_at_once_one_decides(tmp_path: Path) -> None:
    """The second looks while the first is between deciding and recording."""
    world = World(random.Random(1), mortal=False)
    second = Watcher(str(tmp_path), [link("job", "out")], world, clock=lambda: 1.0, progress=world.progress)

    def while_the_first_looks(out: str) -> LedgerProgress:
        first.progress = world.progress
        second.tick()
        return world.progress(out)

    first = Watcher(str(tmp_path), [link("job", "out")], world, clock=lambda: 0.0, progress=while_the_first_looks)
    first.tick()
    events = read_events(open_store(str(tmp_path)))
    assert [event.action for event in events] == ["launch"]
    assert events[0].at == 1.0, "the first one's event was not recorded"
    assert world.jobs == {"job": "InProgress"}


# a scripted day against the API's own models


@pytest.fixture
def aws() -> Any:
    clients = [
        boto3.client(name, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        for name in ("sagemaker", "cloudwatch", "logs")
    ]
    stubbers = [Stubber(client) for client in clients]
    for stubber in stubbers:
        stubber.activate()
    yield StubbedAws(*stubbers, SageMaker(*clients))
    for stubber in stubbers:
        stubber.assert_no_pending_responses()


def test_a_day_of_failures(aws: StubbedAws, tmp_path: Path) -> None:
    """A job that fails, hangs, idles and completes; then the next of the chain."""
    now, at = [0.0], {"a": LedgerProgress(0, 0, False), "b": LedgerProgress(0, 0, False)}
    links = [link("filter", "a"), link("export", "b")]
    watcher = Watcher(str(tmp_path), links, aws.jobs, Policy(), lambda: now[0], lambda out: at[out])

    def look(hours: float, **progress: LedgerProgress) -> str:
        now[0] = hours * HOUR
        at.update(progress)
        event = watcher.tick()
        return f"{event.action} {event.link}/{event.attempt}"

    # 0:00 the chain begins
    aws.describe("filter", None)
    aws.create("filter")
    assert look(0) == "launch 0/1"
    # 0:10 it works; 0:20 it fails
    aws.describe("filter", "InProgress")
    aws.describe("filter", "InProgress")
    aws.cpu(7000.0, 6900.0, 7100.0)
    assert look(0.17, a=LedgerProgress(10, 0, False)) == "launch 0/1"
    aws.describe("filter", "Failed")
    aws.describe("filter", "Failed", message="algo-3: no space left")
    aws.log("filter", "Error: no space left on device\n")
    aws.describe("filter-2", None)
    aws.create("filter-2", taken=True)  # the answer of an earlier try was lost
    assert look(0.33, a=LedgerProgress(12, 0, False)) == "launch 0/2"
    # 1:00 it hangs
    aws.describe("filter-2", "InProgress")
    aws.describe("filter-2", "InProgress")
    aws.cpu(7000.0, 7000.0, 7000.0)
    aws.log("filter-2")
    aws.describe("filter-2", "InProgress")
    aws.stop("filter-2")
    assert look(1.0) == "stop 0/2"
    # 1:01 it is stopping; 1:02 it has stopped
    aws.describe("filter-2", "Stopping")
    aws.describe("filter-2", "Stopping")
    assert look(1.01) == "stop 0/2"
    aws.describe("filter-2", "Stopped")
    aws.describe("filter-2", "Stopped")
    aws.log("filter-2")
    aws.describe("filter-3", None)
    aws.create("filter-3")
    assert look(1.03, a=LedgerProgress(13, 0, False)) == "launch 0/3"
    # 1:20 its processors idle: 3 % of 72 cores
    aws.describe("filter-3", "InProgress")
    aws.describe("filter-3", "InProgress")
    aws.cpu(216.0, 216.0, 216.0)
    aws.log("filter-3")
    aws.describe("filter-3", "InProgress")
    aws.stop("filter-3")
    assert look(1.33) == "stop 0/3"
    aws.describe("filter-3", "Stopped")
    aws.describe("filter-3", "Stopped")
    aws.log("filter-3")
    aws.describe("filter-4", None)
    aws.create("filter-4")
    assert look(1.4, a=LedgerProgress(90, 0, False)) == "launch 0/4"
    # 2:00 done, and on to the next
    aws.describe("filter-4", "Completed")
    aws.describe("filter-4", "Completed")
    assert look(2.0, a=LedgerProgress(100, 0, True)) == "done 0/4"
    aws.describe("filter-4", "Completed")
    aws.log("filter-4")
    aws.describe("export", None)
    aws.create("export")
    assert look(2.01) == "launch 1/1"
    aws.describe("export", "Completed")
    aws.describe("export", "Completed")
    assert look(2.2, b=LedgerProgress(5, 0, True)) == "done 1/1"
    aws.describe("export", "Completed")
    assert look(2.3) == "finish 1/1"
    assert look_again(watcher) == "finish"
    reasons = [event.reason for event in read_events(open_store(str(tmp_path)))]
    assert reasons[1:5] == [
        "algo-3: no space left", "no progress for 40 minutes", "no progress for 40 minutes",
        "processors idle for 15 minutes",
    ]  # fmt: skip


def look_again(watcher: Watcher) -> str:
    """A finished chain asks AWS about its last job once more, and does nothing."""
    watcher.jobs = World(random.Random(0), mortal=False)
    return watcher.tick().action


def test_a_job_that_runs_already_is_launched_again_as_it_was(aws: StubbedAws, tmp_path: Path) -> None:
    aws.describe("refinedweb-1", "InProgress")
    home, links = of_job(str(tmp_path), "processing", "refinedweb-1", aws.jobs.request_of)
    assert links[0].request == request("refinedweb-1")
    again = links[0].attempt(2).request
    assert again["ProcessingJobName"] == again["Environment"]["REFINEDWEB_JOB"] == "refinedweb-1-2"
    assert home.startswith(str(tmp_path))
    assert list(open_store(str(tmp_path)).list()) == [], "beside the corpus others could read and change the request"


def test_a_file_beside_the_corpus_decides_nothing(aws: StubbedAws, tmp_path: Path) -> None:
    evil = {"links": [{"kind": "processing", "request": request("evil"), "out": str(tmp_path)}]}
    open_store(str(tmp_path)).put("jobs/watch/refinedweb-1/chain.json", json.dumps(evil).encode())
    aws.describe("refinedweb-1", "InProgress")
    assert [link.name for link in of_job(str(tmp_path), "processing", "refinedweb-1", aws.jobs.request_of)[1]] == [
        "refinedweb-1"
    ]


@pytest.mark.parametrize("event", [Event("launch", 3), Event("stop", -1), Event("launch", 0, 0)])
def test_an_event_about_no_job_of_the_chain_starts_nothing(aws: StubbedAws, tmp_path: Path, event: Event) -> None:
    assert record(open_store(str(tmp_path)), 0, event)
    with pytest.raises(ConfigError, match="which this chain does not have"):
        Watcher(str(tmp_path), [link("job")], aws.jobs, clock=lambda: 0.0).tick()


def test_what_was_given_up_goes_on_by_hand_with_all_its_attempts() -> None:
    policy = Policy(attempts=2, again=True)
    history = [launched(), launched(attempt=2, tasks=1), Event("give-up", 0, 2)]
    assert action(history, seen("Failed"), policy=policy) == "launch 0/3"
    history.append(launched(attempt=3, tasks=2))
    assert action(history, seen("Failed", tasks=3), policy=policy) == "launch 0/4"
    history.append(launched(attempt=4, tasks=3))
    assert action(history, seen("Failed", tasks=4), policy=policy) == "give-up 0/4"


@pytest.mark.parametrize("refusal", ["ThrottlingException", "ResourceLimitExceeded"])
def test_what_aws_refuses_is_tried_at_the_next_look(aws: StubbedAws, tmp_path: Path, refusal: str) -> None:
    aws.describe("job", None)
    aws.sagemaker.add_client_error("create_processing_job", refusal, "no")
    watcher = Watcher(str(tmp_path), [link("job")], aws.jobs, clock=lambda: 0.0)
    with pytest.raises(RetryError):
        watcher.tick()
    aws.describe("job", None)
    aws.create("job")
    aws.describe("job", "InProgress")
    aws.cpu()
    assert watcher.tick().action == "launch"
    assert len(read_events(open_store(str(tmp_path)))) == 1


@pytest.mark.parametrize("chain", [{}, {"links": []}, {"links": [{"kind": "x"}]}, [1]])
def test_a_wrong_chain_is_refused(chain: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        chain_of(chain, "chain.json")
    (tmp_path / "chain.json").write_text("{")
    with pytest.raises(ConfigError, match="is not a JSON"):
        load_chain(str(tmp_path / "chain.json"))


def test_a_chain_from_a_file(tmp_path: Path) -> None:
    links = [{"kind": "processing", "request": request(name), "out": name} for name in ("a", "b")]
    (tmp_path / "chain.json").write_text(json.dumps({"links": links}))
    home, loaded = load_chain(str(tmp_path / "chain.json"))
    assert [one.name for one in loaded] == ["a", "b"]
    assert home.endswith("chain.json.watch")


def test_names_stay_within_what_sagemaker_takes() -> None:
    assert len(link("x" * 63).attempt(12).name) == 63

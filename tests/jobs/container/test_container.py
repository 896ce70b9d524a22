"""The entry point on this machine: what it reads, what it leaves, how it stops. Clusters are in test_hosts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.container import entry as container
from jobs.container import hosts
from jobs.container.hosts import Hosts, Unresolved, address_of, leave_message, read_hosts
from jobs.container.node import node_command, ray_environment
from jobs.container.process import Signals, Stopped, run_watched
from jobs.container.rendezvous import Ended, Meeting
from jobs.launch import spec
from refinedweb.ledger.claims import Claims
from refinedweb.storage import Store, open_store
from refinedweb.views.verify import verify
from stages.errors import ConfigError, RefinedWebError
from tests.conftest import ROOT
from tests.refinedweb.cli.command import corpus_bytes
from tests.refinedweb.engine import inline

RECIPE, LIMIT = "url_v1,extract_v1", 10
SECONDS = 200.0  # until a wait fails: a busy machine is slow


def lay_down(root: Path, kind: spec.Kind, current: str, names: list[str]) -> Path:
    path = root / hosts.CONFIG[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"current_host": current, "hosts": names, "network_interface_name": "eth0"}))
    return root


# --- who is in the job ---


@pytest.mark.parametrize("kind", ["processing", "training"])
def test_the_first_host_in_the_order_of_names_is_the_head_whoever_asks(tmp_path: Path, kind: spec.Kind) -> None:
    names = ["algo-2", "algo-10", "algo-1"]
    seen = [read_hosts(lay_down(tmp_path / name, kind, name, names)) for name in names]
    assert {found.head for found in seen} == {"algo-1"}
    assert [found.is_head for found in seen] == [False, False, True]
    assert {found.kind for found in seen} == {kind}


def test_outside_of_sagemaker_there_is_one_host(tmp_path: Path) -> None:
    assert read_hosts(tmp_path).is_head


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"current_host": "algo-3", "hosts": ["algo-1"]}'])
def test_a_broken_configuration_is_told(tmp_path: Path, text: str) -> None:
    lay_down(tmp_path, "processing", "algo-1", ["algo-1"]).joinpath(hosts.CONFIG["processing"]).write_text(text)
    with pytest.raises(ConfigError, match=r"resourceconfig\.json"):
        read_hosts(tmp_path)


def test_names_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = hosts.socket.getaddrinfo, [OSError, OSError]

    def late(*arguments: object) -> object:
        if failures and failures.pop():
            raise hosts.socket.gaierror("not yet")
        return real("localhost", *arguments[1:])  # type: ignore[arg-type]

    monkeypatch.setattr(hosts.socket, "getaddrinfo", late)
    pauses: list[None] = []
    assert address_of("algo-1", 60, lambda: pauses.append(None)) == "127.0.0.1"
    assert len(pauses) == 2


def test_a_name_that_never_resolves_is_told() -> None:
    with pytest.raises(Unresolved, match="has no address after 0 s"):
        address_of("algo-9.invalid", 0, lambda: None)


@pytest.mark.parametrize(("kind", "name"), [("processing", "output/message"), ("training", "output/failure")])
@pytest.mark.parametrize("text", ["short", "é" * 2000, "a" + "€" * 400])
def test_a_message_is_utf8_of_at_most_1024_bytes(tmp_path: Path, kind: spec.Kind, name: str, text: str) -> None:
    leave_message(tmp_path, kind, text)
    data = (tmp_path / name).read_bytes()
    assert len(data) <= 1024
    assert text.startswith(data.decode())
    assert len(data) > 1020 or data.decode() == text


def test_hosts_meet_in_the_store_and_learn_of_the_end(store: Store) -> None:
    here, there = Meeting(store.root, "job-1"), Meeting(store.root, "job-1")
    here.join("algo-1")
    there.join("algo-2")
    there.join("algo-2")
    assert here.joined() == there.joined() == {"algo-1", "algo-2"}
    assert Meeting(store.root, "job-2").joined() == set()
    assert there.ended() is None
    here.end(Ended(1, "why"))
    assert there.ended() == Ended(1, "why")
    here.open()
    assert there.ended() is None, "a job that is restarted has not ended"


def test_all_nodes_of_a_job_have_one_token_and_those_of_another_have_another() -> None:
    token = ray_environment("job-1", "secret")["RAY_AUTH_TOKEN"]
    assert token == ray_environment("job-1", "secret")["RAY_AUTH_TOKEN"]
    others = [ray_environment("job-2", "secret"), ray_environment("job-1", "other")]
    assert token not in [other["RAY_AUTH_TOKEN"] for other in others]


def test_the_head_starts_a_cluster_and_the_others_join_it() -> None:
    assert {"--head", "--port=6379"} <= set(node_command("10.0.0.1", None, None))
    joining = node_command("10.0.0.2", "10.0.0.1", 4)
    assert {"--address=10.0.0.1:6379", "--num-cpus=4"} <= set(joining)
    assert "--head" not in joining


def test_a_cluster_without_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(spec.SECRET, raising=False)
    with pytest.raises(ConfigError, match="REFINEDWEB_JOB_SECRET is not set"):
        container.ContainerSettings.from_environment(Hosts("algo-1", ("algo-1", "algo-2")))


@pytest.mark.parametrize(("missing", "least"), [({"algo-3"}, 2), ({"algo-2", "algo-3"}, 1)])
def test_enough_hosts_go_on_and_too_few_do_not(
    missing: set[str], least: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ("algo-1", "algo-2", "algo-3")
    for least_wanted, goes_on in ((least, True), (least + 1, False)):
        settings = container.ContainerSettings("job", "secret", False, least_wanted, 0, 1)
        words = ["url_v1", "in", str(tmp_path / f"out-{least_wanted}")]
        host = container._Host(Hosts("algo-1", names), settings, words, Signals())
        for name in set(names) - missing - {"algo-1"}:
            host._meeting.join(name)
        if goes_on:
            host._gather()
            assert f"going on with {3 - len(missing)} of 3 hosts; missing: algo-" in capfd.readouterr().err
        else:
            with pytest.raises(RefinedWebError, match=f"--min-hosts is {least_wanted}; missing: algo-"):
                host._gather()


def test_a_stop_gives_the_other_process_time_to_end() -> None:
    signals = Signals()
    code = "import signal, sys, time; signal.signal(15, lambda *a: sys.exit(7)); print('up', file=sys.stderr); "
    pauses = []

    def pause() -> None:
        pauses.append(None)
        signals.stop = len(pauses) > 10
        signals.pause()

    with pytest.raises(Stopped):
        run_watched([sys.executable, "-c", code + "time.sleep(60)"], {}, pause)


def test_the_last_words_of_a_command_are_kept() -> None:
    code = "import sys; print('one\\ntwo', file=sys.stderr); sys.exit(5)"
    assert run_watched([sys.executable, "-c", code], {}, lambda: time.sleep(0.05)) == (5, "one\ntwo")


def test_a_run_with_quarantined_documents_is_complete_and_one_with_failed_shards_is_not(tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text('{"url": "https://a.com/", "text": "one page"}\n')
    out = tmp_path / "out"
    inline.ok(inline.run("url_v1", [tmp_path / "docs.jsonl"], out))
    settings = container.ContainerSettings("job", "", True, 1, 0, 1)
    host = container._Host(Hosts("algo-1", ("algo-1",)), settings, ["url_v1", "in", str(out)], Signals())
    assert host._judged(0, "") == 0
    assert host._judged(3, "") == 0
    [record] = (out / "00-filter" / "manifest").glob("*.json")
    record.unlink()
    with pytest.raises(RefinedWebError, match="exit code 3: two shards failed"):
        host._judged(3, "two shards failed")
    with pytest.raises(RefinedWebError, match="exit code 2: wrong"):
        host._judged(2, "wrong")


# --- containers on this machine ---


def start(root: Path, words: list[str], **environment: str) -> subprocess.Popen[str]:
    settings = {"PYTHONPATH": str(ROOT), container.ML_ROOT: str(root), container.CPUS: "1", **environment}
    command = [sys.executable, "-m", "jobs.container", *words]
    clean = {name: value for name, value in os.environ.items() if name != "REFINEDWEB_ADDRESS"}
    return subprocess.Popen(command, env={**clean, **settings}, stderr=subprocess.PIPE, text=True, cwd=root.parent)


def wait_for(what: Callable[[], object], running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert running.poll() is None, running.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_hosts_that_share_nothing_share_a_run_and_a_stopped_one_gives_its_claims_back(
    shared_data: Path, tmp_path: Path
) -> None:
    crawl, out = shared_data / "crawl", tmp_path / "out"
    alone = {spec.SHARE_NOTHING: "1"}
    words = [RECIPE, str(crawl), str(out), "--limit", str(LIMIT), "--set", "keep_removed=full"]
    names = ["algo-1", "algo-2"]
    one, two = (start(lay_down(tmp_path / name, "training", name, names), words, **alone) for name in names)
    manifest = out / "00-filter" / "manifest"
    wait_for(lambda: len([*manifest.glob("*.json")]) >= 2, one)
    two.send_signal(signal.SIGTERM)
    told = two.communicate(timeout=SECONDS)[1]
    assert two.returncode == container.INTERRUPTED, told
    message = (tmp_path / "algo-2" / "output" / "failure").read_text()
    assert message.startswith("algo-2: stopped on request")
    told = one.communicate(timeout=SECONDS)[1]
    assert one.returncode == 0, told
    assert not (tmp_path / "algo-1" / "output").exists(), "who succeeds leaves no message"
    assert list(Claims(open_store(str(out)), "00-filter").claimed()) == []
    verdict = verify(str(out))
    assert (verdict.problems, verdict.pending) == ([], 0)
    again = tmp_path / "again"
    inline.ok(inline.run(RECIPE, [crawl], again, f"limit={LIMIT}"))
    assert corpus_bytes(out) == corpus_bytes(again)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["url_v1", "no-such-file", "out"], "no input files at no-such-file"),
        (["url_v1", "out"], "give at least one INPUT and then OUT"),
        (["url_v1", "a", "out", "--no-such-option"], "No such option"),
    ],
)
def test_why_it_failed_stands_where_sagemaker_looks(tmp_path: Path, words: list[str], message: str) -> None:
    root = lay_down(tmp_path / "ml", "processing", "algo-1", ["algo-1"])
    running = start(root, words)
    running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    left = (root / "output" / "message").read_text()
    assert message in left
    assert left.startswith("algo-1: ")

"""One worker without Ray: a death costs an attempt, a task can be cancelled, and nothing outlives the driver."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from refinedweb.engine import policy, pools
from refinedweb.engine.child_pool import ChildPool
from refinedweb.engine.inline import InlinePool
from refinedweb.engine.pool import TaskOutcome
from refinedweb.engine.pools import needs_ray, start_pool
from refinedweb.ledger.claims import Claims
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store
from stages.errors import ConfigError, RetryError, ShardError
from tests.conftest import ROOT
from tests.refinedweb.cli.command import corpus_bytes, refinedweb, refinedweb_process

DOCUMENT = '{"id": "a", "text": "A text."}\n'


def work(task: int, payload: Any, careful: bool) -> Any:
    """What the payload says."""
    if payload == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if payload == "crash":
        os.abort()
    if payload == "exit":
        os._exit(7)
    if payload == "shard":
        raise ShardError("broken")
    if payload == "wait":
        time.sleep(600)
    if payload == "print":
        print("noise " * 1000, flush=True)
    return (task, os.getpid(), careful)


def other_work(task: int, payload: Any, careful: bool) -> Any:
    return ("other", os.getpid())


@pytest.fixture
def pool() -> Iterator[ChildPool]:
    found = ChildPool(100)
    found.use(work, lambda: None)
    yield found
    found.close()


def ended(pool: ChildPool) -> tuple[Hashable, TaskOutcome]:
    while not (found := pool.wait(5.0)):
        pass
    [only] = found
    return only


def outcome(pool: ChildPool, payload: Any, careful: bool = False) -> TaskOutcome:
    handle = pool.submit(3, payload, careful)
    got, found = ended(pool)
    assert got == handle
    return found


def test_tasks_run_in_another_process_which_is_kept(pool: ChildPool) -> None:
    first, second = outcome(pool, None), outcome(pool, "print", careful=True)
    assert (first.kind, first.record[0], first.record[2], second.record[2]) == ("done", 3, False, True)
    assert first.record[1] == second.record[1] != os.getpid()
    pool.use(other_work, lambda: None)
    assert outcome(pool, None).record == ("other", first.record[1]), "the next step has the same worker"


@pytest.mark.parametrize(
    ("payload", "how"), [("die", "SIGKILL"), ("crash", "SIGABRT.*Fatal Python"), ("exit", "with 7")]
)
def test_a_death_costs_an_attempt(pool: ChildPool, payload: str, how: str) -> None:
    found = outcome(pool, payload)
    assert found.kind == "died"
    assert re.search(how, found.error), found.error
    assert outcome(pool, None).kind == "done"


def test_a_worker_that_is_killed_while_idle_is_replaced(pool: ChildPool) -> None:
    process = psutil.Process(outcome(pool, None).record[1])
    process.kill()
    process.wait()
    assert outcome(pool, None).kind == "done"


def test_errors_are_named_as_on_ray(pool: ChildPool) -> None:
    assert (outcome(pool, "shard").kind, outcome(pool, "shard").error) == ("failed", "broken")


def test_a_task_can_be_cancelled_and_the_next_runs(pool: ChildPool) -> None:
    hangs, waits = pool.submit(1, "wait", False), pool.submit(2, None, False)
    assert pool.wait(0.0) == []
    pool.cancel(hangs)
    assert ended(pool)[0] == waits


def test_the_worker_is_replaced_after_as_many_tasks_as_agreed() -> None:
    pool = ChildPool(2)
    pool.use(work, lambda: None)
    pids = [outcome(pool, None).record[1] for _ in range(4)]
    pool.close()
    assert pids[0] == pids[1] != pids[2] == pids[3]


DRIVER = """
from refinedweb.engine.child_pool import ChildPool
from tests.refinedweb.engine.test_child_pool import work
pool = ChildPool(9)
pool.use(work, lambda: None)
pool.submit(1, None, False)
while not (ended := pool.wait(1.0)):
    pass
pool.submit(1, "wait", False)
print(ended[0][1].record[1], flush=True)
input()
"""


def test_it_dies_with_a_driver_that_is_killed() -> None:
    call = [sys.executable, "-c", DRIVER]
    with subprocess.Popen(call, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        worker = psutil.Process(int(driver.stdout.readline()))
        driver.kill()
    worker.wait(60)


# Which pool -----------------------------------------------------------------------------------------------------------


def inputs(*sizes: int) -> list[Input]:
    return [Input(f"in-{number}", "e", size) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("workers", "address", "sizes", "needed"),
    [
        (None, None, (5000,), False),
        (None, None, (5000,) * 9, False),
        (None, None, (1 << 40,), False),
        (None, None, (3 << 20,) * 2, True),
        (1, None, (3 << 20,) * 2, False),
        (2, None, (5000,), True),
        (1, "auto", (5000,), True),
        (None, "auto", (5000,), True),
    ],
)
def test_ray_is_started_where_it_is_needed(
    workers: int | None, address: str | None, sizes: tuple[int, ...], needed: bool
) -> None:
    assert needs_ray(workers, address, inputs(*sizes)) is needed


@pytest.mark.parametrize("error", [RetryError("3 tries"), ConfigError("no shared memory")])
def test_where_ray_cannot_start_a_run_says_so_and_a_demo_goes_on(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*settings: Any) -> None:
        raise error

    monkeypatch.setattr(pools, "RayPool", refused)
    said: list[str] = []
    assert isinstance(start_pool(2, None, inputs(1), True, said.append), ChildPool)
    assert said == [f"{error}\nGoing on without Ray, with one worker."]
    for address, go_on in ((None, False), ("auto", True)):
        with pytest.raises(type(error)):
            start_pool(2, address, inputs(1), go_on, said.append)


@pytest.mark.slow
def test_one_worker_writes_what_this_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_text(DOCUMENT.replace('"a"', f'"{number}"'))
    monkeypatch.setenv("RAY_TMPDIR", "/proc/no-ray-can-start-here")
    monkeypatch.delenv("REFINEDWEB_ADDRESS", raising=False)  # of the tests' own cluster
    call = ("run", "pii_v1,exact_v1", *sorted(tmp_path.glob("*.jsonl")))
    refinedweb_process(*call, tmp_path / "small")
    refinedweb(*call, tmp_path / "inline")
    assert corpus_bytes(tmp_path / "small") == corpus_bytes(tmp_path / "inline")
    told = refinedweb_process(*call, tmp_path / "two", "--workers", "2", code=2)
    assert "RAY_TMPDIR" in told.stderr


# Claims while a task runs ---------------------------------------------------------------------------------------------


def test_claims_are_renewed_while_a_task_runs_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "TICK_SECONDS", 0.02)
    store, lease = open_store(str(tmp_path)), 0.5
    ours, theirs = Claims(store, "00-x", lease), Claims(store, "00-x", lease)
    assert ours.take(0)

    def long(task: int, payload: Any, careful: bool) -> bool:
        """Longer than the lease, while another driver would like to have the block."""
        until, taken = time.monotonic() + 6 * lease, False
        while time.monotonic() < until:
            theirs.claimed()
            taken = taken or theirs.take(0)
            time.sleep(0.02)
        return taken

    def run(beat: Callable[[], None]) -> bool:
        pool = InlinePool()
        pool.use(long, beat)
        pool.submit(0, None, False)
        taken: bool = pool.wait(0.0)[0][1].record
        return taken

    assert not run(ours.renew)
    assert run(lambda: None), "without renewals, it would have been taken"

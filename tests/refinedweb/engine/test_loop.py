"""Laws of the driver's loop under any sequence of deaths, doubts and errors: each task ends in one record or failure.

The pool is simulated, because the laws are about every order of events; `test_faults.py` kills real processes.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinedweb.engine import policy
from refinedweb.engine.loop import Loop, LoopProgress
from refinedweb.engine.policy import CAREFUL_DEATHS, MOST_DEATHS, RETRIES
from refinedweb.engine.pool import TaskOutcome
from refinedweb.engine.verdicts import Task
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger
from refinedweb.storage import open_store
from stages.errors import Unfinished
from tests.examples import examples
from tests.refinedweb.ledger.records import record


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "BACKOFF_SECONDS", 0.0)
    monkeypatch.setattr(policy, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(policy, "LOOK_SECONDS", 0.0)


class ScriptedPool:
    """Ends attempts in submission order, as a script says: a list of endings for each task, then success."""

    def __init__(self, ledger: Ledger, script: dict[int, list[str]], slots: int = 3) -> None:
        self._ledger = ledger
        self._script = {task: iter(endings) for task, endings in script.items()}
        self._slots = slots
        self._running: dict[Hashable, tuple[int, bool]] = {}
        self._handles = count()
        self.attempts: list[tuple[int, bool]] = []

    def slots(self) -> int:
        return self._slots

    def nodes(self) -> int:
        return 1

    def avoid(self, nodes: Collection[str]) -> None:
        assert not nodes, "there is only one"

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        assert payload == f"input {task}"
        handle = next(self._handles)
        self._running[handle] = (task, careful)
        self.attempts.append((task, careful))
        assert len(self._running) <= self._slots
        return handle

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        del seconds
        handle, (task, _) = next(iter(self._running.items()))
        del self._running[handle]
        return [(handle, self._end(task))]

    def _end(self, task: int) -> TaskOutcome:
        ending = next(self._script.get(task, iter(())), "done")
        if ending in ("done", "died after commit", "doubt after commit"):
            done = self._ledger.commit(record(task))
            return {"done": TaskOutcome("done", done), "died after commit": TaskOutcome("died", error="killed")}.get(
                ending, TaskOutcome("retry", error="CommitUnknown")
            )
        return TaskOutcome(ending, error=f"task {task}: {ending}")  # type: ignore[arg-type]

    def cancel(self, handle: Hashable) -> None:
        self._running.pop(handle, None)


def tasks(n: int) -> list[Task]:
    return [Task(k, f"input {k}", 100 + k) for k in range(n)]


def run(
    out: Path, n: int, script: dict[int, list[str]], block: int = 1, patience: float | None = None
) -> tuple[LoopProgress, ScriptedPool, Ledger]:
    store = open_store(str(out))
    ledger = Ledger(store, "00-x")
    pool = ScriptedPool(ledger, script)
    progress = Loop(tasks(n), block, ledger, Claims(store, "00-x"), pool, lambda _: None, patience=patience).run()
    return progress, pool, ledger


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(n) for n in count())


ENDINGS = [
    "done", "died", "retry", "failed", "raised", "died after commit", "doubt after commit", "config", "full",
    "out_of_memory", "node_died",
]  # fmt: skip


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.integers(0, 9), st.lists(st.sampled_from(ENDINGS), max_size=9)), st.integers(1, 4))
def test_every_task_ends_in_one_record_or_one_failure(
    folders: Iterator[Path], script: dict[int, list[str]], block: int
) -> None:
    progress, _, ledger = run(next(folders), 10, script, block)
    committed = ledger.committed()
    assert committed | set(progress.failed) == set(range(10))
    assert not committed & set(progress.failed)
    assert ledger.failed() == progress.failed
    assert progress.done == len(committed)
    assert not list(ledger.store.list("00-x/claims/")), "no claim outlives the run"


@pytest.mark.parametrize("given_back", [False, True], ids=["died", "stopped"])
@pytest.mark.parametrize("block", [1, 2, 4])
def test_a_claim_left_by_one_who_went_after_the_last_commit_is_cleared(
    tmp_path: Path, block: int, given_back: bool
) -> None:
    store = open_store(str(tmp_path))
    gone = Claims(store, "00-x")
    assert gone.take(0)
    for task in range(block):
        Ledger(store, "00-x").commit(record(task))
    if given_back:
        gone.release(0, done=False)
    progress, _, _ = run(tmp_path, 4, {}, block)
    assert progress.done == 4
    assert not list(store.list("00-x/claims/"))


def test_a_task_that_dies_is_run_carefully_and_at_last_given_up(tmp_path: Path) -> None:
    progress, pool, _ = run(tmp_path, 2, {0: ["died"] * 99})
    assert [careful for task, careful in pool.attempts if task == 0] == [False] * CAREFUL_DEATHS + [True] * (
        MOST_DEATHS - CAREFUL_DEATHS
    )
    assert progress.failed == {0: "task 0: died"}
    assert progress.deaths == MOST_DEATHS


def test_an_exception_leads_straight_to_careful(tmp_path: Path) -> None:
    _, pool, ledger = run(tmp_path, 1, {0: ["raised"]})
    assert pool.attempts == [(0, False), (0, True)]
    assert ledger.committed() == {0}


def test_passing_faults_are_retried_a_bounded_number_of_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without patience, since the task may be the last one: then it gets all that the driver has."""
    monkeypatch.setattr(policy, "RETRY_SECONDS", 0.0)
    progress, pool, _ = run(tmp_path, 9, {8: ["retry"] * 99}, patience=0.0)
    assert [task for task, _ in pool.attempts].count(8) == RETRIES + 1
    assert progress.failed == {8: "task 8: retry"}


def test_what_every_node_refuses_ends_the_run_and_gives_claims_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "SICK_START_SECONDS", 0.0)
    refused = {n: ["config"] * 99 for n in range(3)}
    with pytest.raises(Unfinished, match=r"task \d: config.*0 of 3 shards are committed.*run the same command again"):
        run(tmp_path, 3, refused)
    store = open_store(str(tmp_path))
    assert all(Claims(store, "00-x").take(block) for block in Claims(store, "00-x").claimed())


def test_nothing_committed_is_run_again(tmp_path: Path) -> None:
    run(tmp_path, 4, {2: ["failed"]})
    progress, pool, ledger = run(tmp_path, 6, {})
    assert sorted(task for task, _ in pool.attempts) == [2, 4, 5]
    assert ledger.committed() == set(range(6))
    assert progress.done == 6


@pytest.mark.parametrize("block", [1, 3])
def test_drivers_side_by_side_do_every_task_once(tmp_path: Path, block: int) -> None:
    store = open_store(str(tmp_path))
    ledger = Ledger(store, "00-x")
    pools = [ScriptedPool(ledger, {}) for _ in range(4)]

    def drive(pool: ScriptedPool) -> None:
        Loop(tasks(40), block, ledger, Claims(store, "00-x"), pool, lambda _: None).run()

    threads = [threading.Thread(target=drive, args=[pool]) for pool in pools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = sorted(task for pool in pools for task, _ in pool.attempts)
    assert done == list(range(40))
    assert ledger.committed() == set(range(40))


def test_idle_slots_run_stragglers_again_and_the_first_record_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "STRAGGLER_SECONDS", 0.0)
    store = open_store(str(tmp_path))
    ledger = Ledger(store, "00-x")

    class OneHangs(ScriptedPool):
        """The first attempt at task 0 never ends."""

        hung: Hashable = None

        def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
            handle = super().submit(task, payload, careful, cores)
            if task == 0 and self.hung is None:
                self.hung = handle
            return handle

        def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
            ending = [handle for handle in self._running if handle != self.hung]
            if not ending:
                return []
            self._running = {ending[0]: self._running.pop(ending[0]), **self._running}
            return super().wait(seconds)

    pool = OneHangs(ledger, {})
    sizes = [Task(0, "input 0", 10_000), *tasks(6)[1:]]
    Loop(sizes, 1, ledger, Claims(store, "00-x"), pool, lambda _: None).run()
    assert [task for task, _ in pool.attempts].count(0) == 2
    assert ledger.committed() == set(range(6))

"""Laws of the driver's tolerance, in virtual time: what fails costs itself; a run ends for what a person mends only."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinedweb.engine import loop, policy
from refinedweb.engine.loop import Loop, LoopProgress
from refinedweb.engine.pool import TaskOutcome, WorkerNode
from refinedweb.engine.rollups import RollUps
from refinedweb.engine.verdicts import Task
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger
from refinedweb.storage import Store, open_store
from refinedweb.storage.patient import PatientStore
from stages.errors import RetryError, Unfinished
from tests.examples import examples
from tests.refinedweb.engine.virtual import STEP, VirtualPool, VirtualTime
from tests.refinedweb.ledger.records import record

TASK_SECONDS = 60.0
Behaviour = Callable[[str, int, float, int], str]
"""The ending of an attempt, given its node, its task, the time at which it ends and its cores."""


class NodesPool(VirtualPool):
    """Nodes with two cores each. A node that fails does so within a second, so it is always the first to be free."""

    def __init__(self, time: VirtualTime, ledger: Ledger, names: Collection[str], behaviour: Behaviour) -> None:
        super().__init__(time, ledger, 2 * len(names))
        self._names = sorted(names)
        self._avoided: set[str] = set()
        self._behaviour = behaviour
        self._on: dict[Hashable, tuple[str, int]] = {}
        self.error = "AccessDenied; check the credentials"
        self.attempts: Counter[str] = Counter()
        self.cores: dict[int, list[int]] = {}

    def nodes(self) -> int:
        return len(self._names)

    def avoid(self, nodes: Collection[str]) -> None:
        assert len(nodes) < len(self._names)
        self._avoided = set(nodes)

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        used = Counter(name for handle, (name, _) in self._on.items() if handle in self._running)
        node = min((name for name in self._names if name not in self._avoided), key=lambda name: used[name])
        ending = self._behaviour(node, task, self._time.now, cores)
        handle = super().submit(task, payload if ending == "done" else 1.0, False, 1)
        self._on[handle] = node, cores
        self.attempts[node] += 1
        self.cores.setdefault(task, []).append(cores)
        return handle

    def _end(self, handle: Hashable, task: int) -> TaskOutcome:
        name, cores = self._on[handle]
        ending = self._behaviour(name, task, self._time.now, cores)
        node = WorkerNode(name, f"host of {name}")
        if ending == "done":
            del self._running[handle]
            self.ends[task] = self._time.now
            return TaskOutcome("done", self._ledger.commit(record(task)), node=node)
        del self._running[handle]
        return TaskOutcome(ending, error=self.error, node=None if "died" in ending else node)  # type: ignore[arg-type]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    monkeypatch.setattr(policy, "ROLL_UP_SECONDS", 1e9)
    monkeypatch.setattr(policy, "TICK_SECONDS", 1.0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # nothing here is about power cuts
    clock = VirtualTime()
    monkeypatch.setattr(loop, "sleep", lambda seconds: clock.sleep(seconds))
    random.seed(5)
    return clock


def driver(time: VirtualTime, store: Store, tasks: int, names: Collection[str], behaviour: Behaviour) -> Driver:
    ledger = Ledger(store, STEP)
    pool = NodesPool(time, ledger, names, behaviour)
    listed = [Task(n, TASK_SECONDS, 1000) for n in range(tasks)]
    return Driver(Loop(listed, 2, ledger, Claims(store, STEP, clock=time.clock), pool, lambda _: None), pool)


class Driver:
    """A loop and its pool."""

    def __init__(self, loop: Loop, pool: NodesPool) -> None:
        self.loop = loop
        self.pool = pool
        self.ended = 0.0

    def run(self, time: VirtualTime) -> LoopProgress:
        time.run([self.loop.run])
        return self.loop.progress


def well(node: str, task: int, now: float, cores: int) -> str:
    return "done"


TEN = [f"node-{n}" for n in range(10)]


@pytest.mark.parametrize("kind", ["config", "full", "raised", "retry"])
def test_a_node_that_fails_alone_is_set_aside_and_costs_little(tmp_path: Path, time: VirtualTime, kind: str) -> None:
    undisturbed = driver(time, open_store(str(tmp_path / "well")), 200, TEN[1:], well)
    undisturbed.run(time)
    usual, time.now = time.now, 0.0
    sick = driver(
        time, open_store(str(tmp_path / "sick")), 200, TEN, lambda node, *_: kind if node == TEN[0] else "done"
    )
    progress = sick.run(time)
    assert (progress.done, progress.failed) == (200, {})
    assert sick.pool.attempts[TEN[0]] <= 4 * policy.FAILURES[kind] + 8, "it draws no more tasks than it takes to see it"
    assert time.now <= usual + 2 * TASK_SECONDS


def test_a_node_comes_back_once_it_is_well(tmp_path: Path, time: VirtualTime) -> None:
    def ill_for_5_minutes(node: str, task: int, now: float, cores: int) -> str:
        return "config" if node == TEN[0] and now < 300 else "done"

    ran = driver(time, open_store(str(tmp_path)), 400, TEN, ill_for_5_minutes)
    assert ran.run(time).failed == {}
    assert ran.pool.attempts[TEN[0]] > 20, "it does its share again"


@pytest.mark.parametrize("names", [TEN[:1], TEN[:3], TEN])
def test_what_all_nodes_refuse_for_a_while_costs_that_while(
    tmp_path: Path, time: VirtualTime, names: list[str]
) -> None:
    ran = driver(
        time, open_store(str(tmp_path)), 100, names,
        lambda node, task, now, cores: "config" if 100 <= now < 500 else "done",
    )  # fmt: skip
    progress = ran.run(time)
    assert (progress.done, progress.failed) == (100, {})
    fair = 100 * TASK_SECONDS / (2 * len(names))
    assert time.now <= fair + 400 + policy.MOST_BACKOFF_SECONDS + 3 * TASK_SECONDS


@pytest.mark.parametrize("names", [TEN[:1], TEN])
def test_a_run_that_no_node_can_do_ends_with_one_truthful_message(
    tmp_path: Path, time: VirtualTime, names: list[str]
) -> None:
    store = open_store(str(tmp_path))
    ran = driver(time, store, 50, names, lambda node, task, now, cores: "config" if now > 100 else "done")
    with pytest.raises(Unfinished) as caught:
        ran.run(time)
    done = len(ran.loop._ledger.committed())
    assert 0 < done < 50
    assert f"{done} of 50 shards are committed" in str(caught.value)
    assert "host of node-" in str(caught.value)
    assert "AccessDenied" in str(caught.value)
    assert "run the same command again" in str(caught.value)
    assert ran.loop._ledger.failed() == {}, "no shard is blamed"
    assert policy.SICK_SECONDS <= time.now <= 2 * policy.SICK_SECONDS
    other = Claims(store, STEP)
    assert all(other.take(block) for block in other.claimed()), "everything was given back"


def test_a_wrong_setting_shows_at_the_start(tmp_path: Path, time: VirtualTime) -> None:
    ran = driver(time, open_store(str(tmp_path)), 50, TEN, lambda *_: "config")
    with pytest.raises(Unfinished, match="0 of 50 shards are committed"):
        ran.run(time)
    assert time.now <= policy.SICK_START_SECONDS + policy.MOST_BACKOFF_SECONDS + 5


@pytest.mark.parametrize("kind", ["config", "full", "retry"])
@pytest.mark.parametrize("names", [TEN[:1], TEN])
def test_a_task_that_well_nodes_refuse_fails_alone(
    tmp_path: Path, time: VirtualTime, names: list[str], kind: str
) -> None:
    ran = driver(time, open_store(str(tmp_path)), 60, names, lambda node, task, *_: kind if task in (3, 40) else "done")
    progress = ran.run(time)
    assert set(progress.failed) == {3, 40}
    assert progress.done == 58
    assert time.now <= 60 * TASK_SECONDS / (2 * len(names)) + policy.RETRY_SECONDS + 5 * TASK_SECONDS


@pytest.mark.parametrize("kind", ["config", "full"])
def test_a_sick_host_that_shares_nothing_harms_no_other(tmp_path: Path, time: VirtualTime, kind: str) -> None:
    store = open_store(str(tmp_path))
    ill = driver(time, store, 60, TEN[:1], lambda *_: kind)
    others = [driver(time, store, 60, [name], well) for name in TEN[1:4]]
    time.run([each.loop.run for each in [ill, *others]])
    assert ill.loop._ledger.committed() == set(range(60))
    assert ill.loop._ledger.failed() == {}
    assert all(each.loop.progress.failed == {} for each in [ill, *others]), "it ends with the others, and well"
    assert time.now <= 60 * TASK_SECONDS / 6 + 6 * TASK_SECONDS


def test_a_full_output_ends_the_run_at_once(tmp_path: Path, time: VirtualTime) -> None:
    store = open_store(str(tmp_path))
    ran = driver(time, store, 50, TEN, lambda node, task, now, cores: "full" if now > 100 else "done")
    ran.pool.error = f"{store.root}/corpus/000001.parquet: the disk is full; make room"
    with pytest.raises(Unfinished, match=r"the disk is full.*of 50 shards are committed"):
        ran.run(time)
    assert time.now <= 120 + policy.FULL_SECONDS + 10


@pytest.mark.parametrize("kind", ["node_died", "out_of_memory"])
def test_preempted_nodes_and_scarce_memory_are_not_held_against_a_task(
    tmp_path: Path, time: VirtualTime, kind: str
) -> None:
    left: Counter[int] = Counter(dict.fromkeys(range(30), 20 if kind == "node_died" else 3))

    def often(node: str, task: int, now: float, cores: int) -> str:
        if kind == "out_of_memory":
            return kind if cores < 4 else "done"
        left[task] -= 1
        return kind if left[task] > 0 else "done"

    ran = driver(time, open_store(str(tmp_path)), 30, TEN, often)
    progress = ran.run(time)
    assert (progress.done, progress.failed) == (30, {})
    if kind == "out_of_memory":
        assert {tuple(each) for each in ran.pool.cores.values()} == {(1, 2, 4)}, "with fewer neighbours each time"


@pytest.mark.parametrize("kind", ["unanswered", "throttled"])
def test_what_the_store_does_is_never_held_against_a_task(tmp_path: Path, time: VirtualTime, kind: str) -> None:
    """Nobody gets through for 25 minutes. Then some nodes do, while others are cut off for ten minutes more."""

    def cut_off(node: str, task: int, now: float, cores: int) -> str:
        return kind if 100 <= now < (2200 if node in TEN[:3] else 1600) else "done"

    ran = driver(time, open_store(str(tmp_path)), 300, TEN, cut_off)
    progress = ran.run(time)
    assert (progress.done, progress.failed) == (300, {})
    assert time.now <= 300 * TASK_SECONDS / (2 * len(TEN)) + 2100 + 4 * TASK_SECONDS


class Throttling:
    """A store that refuses everything under some prefixes for a while."""

    def __init__(self, store: Store, time: VirtualTime, begin: float, end: float) -> None:
        self._store = store
        self._time = time
        self._span = (begin, end)
        self.root, self.parallel = store.root, 1

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in ("uri", "throttled"):
            return method

        def called(key: str = "", *arguments: Any, **named: Any) -> Any:
            if self._span[0] <= self._time.now < self._span[1] and "/claims/" not in key:
                raise RetryError(f"{key}: the store answered SlowDown")
            answer = method(key, *arguments, **named)
            return list(answer) if name == "list" else answer

        return called


@settings(max_examples=examples(5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(begin=st.floats(1, 200), minutes=st.floats(1, 25))
def test_a_store_that_throttles_costs_its_own_time(
    folders: Iterator[Path], time: VirtualTime, begin: float, minutes: float
) -> None:
    time.now = 0.0
    store = Throttling(open_store(str(next(folders))), time, begin, begin + 60 * minutes)
    patient: Any = PatientStore(store, policy.PATIENCE_SECONDS, clock=time.clock, sleep=time.sleep)  # type: ignore[arg-type]
    said: set[str] = set()
    ran = driver(time, patient, 40, TEN[:4], well)
    ran.loop._watch = lambda progress: said.add(progress.trouble)
    progress = ran.run(time)
    assert (progress.done, progress.failed) == (40, {})
    assert time.now <= 40 * TASK_SECONDS / 8 + 60 * minutes + 4 * TASK_SECONDS
    assert any("SlowDown" in trouble for trouble in said)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(n) for n in range(1000))


def test_patience_ends_with_the_words_of_the_store(tmp_path: Path, time: VirtualTime) -> None:
    store = Throttling(open_store(str(tmp_path)), time, 30, 1e9)
    patient: Any = PatientStore(store, policy.PATIENCE_SECONDS, clock=time.clock, sleep=time.sleep)  # type: ignore[arg-type]
    with pytest.raises(Unfinished, match=r"for 90 minutes, at last.*SlowDown.*run the same command again"):
        driver(time, patient, 400, TEN[:1], well).run(time)
    assert time.now <= policy.PATIENCE_SECONDS + 200


def test_a_rollup_that_fails_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "ROLL_UP_SECONDS", 0.0)
    monkeypatch.setattr(policy, "ROLL_UP_SHARE", 0)
    ledger = Ledger(open_store(str(tmp_path)), STEP)
    ledger.commit(record(7))
    calls = iter([RetryError("SlowDown"), OSError("gone"), None])

    def due(committed: set[int]) -> list[int]:
        if (error := next(calls, None)) is not None:
            raise error
        return []

    rollups = RollUps(ledger)
    monkeypatch.setattr(rollups._ledger, "due", due)
    while rollups.tick() != {7}:
        pass
    rollups.close()

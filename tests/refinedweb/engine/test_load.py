"""Laws of large runs: who waits for whom (in virtual time), and how many requests the store gets (counted, untimed)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinedweb.engine import loop, policy
from refinedweb.engine.blocks import Blocks, block_numbers
from refinedweb.engine.policy import FOREIGN_CHECKS, LARGE_TASK, LOOK_SECONDS, TICK_SECONDS
from refinedweb.ledger.claims import MOST_READS, Claims
from refinedweb.ledger.holder import Holder, started_at, this_machine
from refinedweb.ledger.manifest import Ledger
from refinedweb.storage import ObjectInfo, Store, open_store
from refinedweb.storage.local import LocalStore
from tests.examples import examples
from tests.refinedweb.engine.inline import ok, run
from tests.refinedweb.engine.virtual import STEP, VirtualTime, drive
from tests.refinedweb.ledger.records import Clock, record

PAGE = 1000
SLOP = TICK_SECONDS + LOOK_SECONDS


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about power cuts."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(n) for n in count())


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """New for each example: see `begin`."""
    monkeypatch.setattr(policy, "ROLL_UP_SECONDS", 1e9)
    clock = VirtualTime()
    monkeypatch.setattr(loop, "sleep", lambda seconds: clock.sleep(seconds))
    return clock


def begin(time: VirtualTime, seed: int) -> None:
    time.now = 0.0
    random.seed(seed)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shards=st.integers(40, 160), place=st.floats(0, 1), drivers=st.integers(1, 8), workers=st.integers(1, 3),
    block=st.integers(1, 16), seed=st.integers(0, 99), abandoned=st.booleans(),
)  # fmt: skip
def test_one_shard_50_times_the_others_holds_nobody_back(
    time: VirtualTime, folders: Iterator[Path], shards: int, place: float, drivers: int, workers: int, block: int,
    seed: int, abandoned: bool,
) -> None:  # fmt: skip
    """It is begun first, wherever it is, even if a dead driver held it; and nobody waits for it."""
    begin(time, seed)
    lengths = [random.uniform(0.5, 1.5) for _ in range(shards)]
    large = int(place * (shards - 1))
    lengths[large] = 50.0
    store = open_store(str(next(folders)))
    if abandoned:
        sizes = {n: round(each * 1000) for n, each in enumerate(lengths)}
        abandon(store, block_numbers(sizes, block)[large])
    ran = drive(time, store, lengths, block, drivers, workers)
    assert ran.attempts == shards, "nothing is done twice"
    assert ran.begins[large] <= 1.5 * (abandoned and drivers > 1)
    rest = max(end for task, end in ran.ends.items() if task != large)
    assert ran.ends[large] <= rest + 1.2 * 50
    fair = sum(lengths) / (drivers * workers)
    assert max(ran.ends.values()) <= max(50 + 1.5, fair + 1.5 * (block / workers + 1)) + SLOP
    assert ran.end <= max(ran.ends.values()) + 2 * SLOP, "idle drivers notice the end"


def abandon(store: Store, block: int) -> None:
    """A claim of a process that is dead."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    holder = Holder("dead", 0, this_machine(), child.pid, started_at(child.pid) or "")
    child.communicate()
    store.put(f"{STEP}/claims/{block:06d}.json", json.dumps(holder.__dict__).encode())


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.floats(-2, 4).map(lambda power: 2.0**power), min_size=30, max_size=120),
    drivers=st.integers(1, 6), workers=st.integers(1, 3), block=st.integers(1, 8), seed=st.integers(0, 99),
)  # fmt: skip
def test_no_worker_idles_while_a_block_is_free(
    time: VirtualTime, folders: Iterator[Path], lengths: list[float], drivers: int, workers: int, block: int, seed: int
) -> None:
    """Graham's bound for shards of any sizes: an even share, and the time of the last block to be begun."""
    begin(time, seed)
    ran = drive(time, open_store(str(next(folders))), lengths, block, drivers, workers)
    assert ran.attempts == len(lengths)
    assert len(ran.ends) == len(lengths)
    ordinary = min(max(lengths), LARGE_TASK * sum(lengths) / len(lengths))
    last = block * ordinary / workers + max(lengths)
    assert max(ran.ends.values()) <= sum(lengths) / (drivers * workers) + last + SLOP


@given(st.dictionaries(st.integers(0, 300), st.integers(0, 10**12), max_size=80), st.integers(1, 64))
def test_blocks_are_small_and_a_large_task_is_alone(sizes: dict[int, int], block: int) -> None:
    cuts = block_numbers(sizes, block)
    members = Counter(cuts.values())
    assert set(cuts) == set(sizes)
    assert max(members.values(), default=0) <= block
    mean = sum(sizes.values()) / max(1, len(sizes))
    assert all(members[cuts[n]] == 1 for n, size in sizes.items() if mean and size >= LARGE_TASK * mean)
    assert len(members) <= len({n // block for n in sizes}) + len(sizes) / LARGE_TASK


class Counted:
    """A store that counts its requests in S3's units: a listing is one request for every thousand keys."""

    def __init__(self, store: Store, parallel: int) -> None:
        self._store = store
        self.root = store.root
        self.parallel = parallel
        self.asked: Counter[str] = Counter()

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self.asked["list"] += 1
        for n, info in enumerate(self._store.list(prefix), 1):
            self.asked["list"] += n % PAGE == 0
            yield info

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name != "uri":
            self.asked[name] += 1
        return method


def claim_elsewhere(store: Store, block: int, beat: int) -> None:
    holder = Holder("other", beat, "elsewhere", 1, "1")
    store.put(f"{STEP}/claims/{block:06d}.json", json.dumps(holder.__dict__).encode())


@pytest.mark.parametrize("foreign", [5, 40, 200])
@pytest.mark.parametrize("parallel", [1, 16])
@pytest.mark.parametrize("version", ["heartbeats", "no heartbeats"])
def test_a_look_asks_a_bounded_number_of_questions_and_finds_the_dead(
    tmp_path: Path, foreign: int, parallel: int, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All blocks are claimed elsewhere, by live holders except for one: the dead one is found after a lease and a look,
    however many others there are, and whether drivers renew each claim, as they used to, or their heartbeat.
    """
    monkeypatch.setattr("refinedweb.ledger.holder.this_machine", lambda: "")
    store, clock = Counted(open_store(str(tmp_path)), parallel), Clock()
    dead = foreign // 2
    living = [Claims(store._store, STEP, clock=clock) for _ in range(foreign // 5)] if version == "heartbeats" else []
    if living:
        last = Claims(store._store, STEP, clock=clock)
        assert all((last if n == dead else living[n % len(living)]).take(n) for n in range(foreign))
        clock.now += 30
        last.renew()
    else:
        claim_elsewhere(store, dead, 0)
    sizes = dict.fromkeys(range(4 * foreign), 1)
    ours = Blocks(sizes, (), 4, Ledger(store, STEP), Claims(store, STEP, lease=60, clock=clock))
    most = 2 + MOST_READS + FOREIGN_CHECKS * (4 if parallel == 1 else 1) + 2 * FOREIGN_CHECKS
    begin = clock.now
    for beat in range(100):
        for driver in living:
            driver.renew()
        for block in range(foreign):
            if block != dead and not living:
                claim_elsewhere(store, block, beat)
        store.asked.clear()
        taken = ours.take()
        assert store.asked.total() <= most + 5 * (taken is not None)
        if taken is not None:
            break
        assert ours.take() is None
        assert store.asked.total() <= most + 1, "the next look comes after LOOK_SECONDS"
        clock.now += LOOK_SECONDS
    assert taken == [4 * dead + n for n in range(4)]
    assert clock.now - begin <= 60 + LOOK_SECONDS


def test_of_many_that_start_at_once_each_finds_a_block_after_few_refusals(tmp_path: Path) -> None:
    random.seed(5)
    store = Counted(open_store(str(tmp_path)), 16)
    drivers = [Blocks(dict.fromkeys(range(512), 1), (), 1, Ledger(store, STEP), Claims(store, STEP)) for _ in range(64)]
    for driver in drivers:
        driver._looked = 0.0  # all looked before the first claimed anything
    assert all(driver.take() is not None for driver in drivers)
    assert sum(len(driver.claims.mine) for driver in drivers) == 64
    assert store.asked["put_new"] <= 64 * 4


def test_what_others_finished_is_learned_page_by_page(tmp_path: Path) -> None:
    """100,000 records are listed once at the start; after that a driver asks about its own and a few others' blocks."""
    store = Counted(open_store(str(tmp_path)), 16)
    ledger = Ledger(store, STEP)
    for task in (3, 999, 1000, 1002, 5000, 123456, 1000001, 10000014):
        store.put(f"{STEP}/manifest/{task:06d}.json", record(task).to_json())
    assert ledger.recorded([998, 999, 1000, 1001, 1002]) == {3, 999, 1000, 1002}, "all that is on the two pages"
    assert ledger.recorded([123456, 1000001, 10000014, 10000015]) == {123456, 1000001, 10000014}
    assert ledger.recorded([]) == set()
    store.asked.clear()
    ledger.recorded(range(4960, 5024))
    assert store.asked == {"list": 2}


def test_requests_per_shard_do_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run, and a resumed one that finds everything done: four times the shards take at most four times the
    requests and the listed keys.
    """
    few, many = (asked_by_a_run(tmp_path / str(shards), shards, monkeypatch) for shards in (40, 160))
    for what in few:
        assert many[what] <= 4 * few[what], (what, few, many)


def asked_by_a_run(folder: Path, shards: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    source = folder / "in"
    source.mkdir(parents=True)
    for n in range(shards):
        document = {"url": f"https://site{n}.org/page", "text": f"page {n}"}
        (source / f"{n:06d}.jsonl").write_text(json.dumps(document) + "\n")
    asked: Counter[str] = Counter()
    with monkeypatch.context() as patch:
        for name in ("info", "get", "put", "put_new", "put_match", "open", "create", "delete"):
            patch.setattr(LocalStore, name, counting(getattr(LocalStore, name), name, asked))
        patch.setattr(LocalStore, "list", counting_keys(LocalStore.list, asked))
        for _ in range(2):
            result = ok(run("url_v1", [source], folder / "out"))
            assert result.totals.rows_in == shards
    return asked


def counting(method: Any, name: str, asked: Counter[str]) -> Any:
    def counted(*arguments: Any, **named: Any) -> Any:
        asked[name] += 1
        return method(*arguments, **named)

    return counted


def counting_keys(method: Any, asked: Counter[str]) -> Any:
    def counted(*arguments: Any) -> Iterator[ObjectInfo]:
        for info in method(*arguments):
            asked["keys listed"] += 1
            yield info

    return counted

"""64 drivers on one ledger, in 8 processes, some of which die: every task has one record, and the sums are right."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger, Totals
from refinedweb.storage import Store
from tests.conftest import ROOT
from tests.faults.claimants import STEP

PROCESSES, DRIVERS = 8, 8
BLOCK = 4


def size_of(store: Store) -> tuple[int, float]:
    """Tasks, and seconds between looks: moto is one process, which 64 impatient drivers would keep busy for minutes."""
    return (64, 2.0) if store.root.startswith("s3://") else (512, 0.2)


def start(store: Store, tasks: int, seed: int, look: float) -> subprocess.Popen[str]:
    arguments = [store.root, *map(str, (tasks, BLOCK, DRIVERS, seed, look))]
    call = [sys.executable, "-m", "tests.faults.claimants", *arguments]
    return subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_64_claimants_in_8_processes_of_which_two_die(store: Store) -> None:
    tasks, look = size_of(store)
    running = [start(store, tasks, seed if seed <= 2 else 0, look) for seed in range(1, PROCESSES + 1)]
    said = [process.communicate(timeout=200)[1] for process in running]
    codes = [process.returncode for process in running]
    assert set(codes) <= {0, -signal.SIGKILL}, said
    assert codes.count(0) >= PROCESSES - 2
    ledger = Ledger(store, STEP)
    committed = ledger.committed()
    assert committed == set(range(tasks))
    records = list(ledger.records(range(tasks)))
    assert [record.task for record in records] == list(range(tasks))
    assert len({record.token for record in records}) == tasks
    assert len({record.driver for record in records}) > 4, "they shared the work"
    summed = Totals()
    for record in records:
        summed.add(record)
    assert ledger.totals(committed) == summed
    assert summed.rows_in == 3 * sum(range(tasks))


@dataclass
class Clock:
    """The time of one machine: fast or slow, and wrong by any amount."""

    rate: float
    offset: float
    true: Callable[[], float]

    def __call__(self) -> float:
        return self.true() * self.rate + self.offset


@pytest.mark.parametrize(("rate", "offset"), [(1.0, 1e9), (1.0, -1e9), (1.2, 0.0), (0.8, 5e5)])
def test_a_lease_holds_between_machines_whose_clocks_disagree(
    rate: float, offset: float, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder that renews never loses its claim and one that stopped always does, however the clocks are set.

    Only a clock that runs three times as fast as the holder's could rob it, as its heart beats three times a lease.
    """
    now = [1000.0]
    holder = Claims(store, STEP, 60, Clock(1.0, 0.0, lambda: now[0]))
    monkeypatch.setattr("refinedweb.ledger.holder.this_machine", lambda: "")  # the watcher cannot ask the system
    watcher = Claims(store, STEP, 60, Clock(rate, offset, lambda: now[0]))
    assert holder.take(0)
    for _ in range(40):
        now[0] += 5
        holder.renew()
        watcher.claimed()
        assert not watcher.take(0)
    assert holder.mine == {0}
    waited = 0
    while not watcher.take(0):
        now[0] += 5
        waited += 5
        watcher.claimed()
        assert waited < 200, "a dead holder's block is lost"
    assert waited * rate >= 60 - 5 * rate
    now[0] += 60
    holder.renew()
    assert holder.mine == set(), "the old holder learns that it lost"

"""Whoever kills processes from outside does not decide what is in the corpus: only poison is quarantined."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool

import psutil
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.shard import quarantine
from refinedweb.shard.apply import Split
from refinedweb.shard.quarantine import READY_TRIES, TRIES, Careful
from stages.errors import RetryError
from tests.refinedweb.shard.test_apply import TOYS, ids, some

VICTIMS = ("id-3", "id-11")
POISON = (("killer_v1", {"victims": VICTIMS}), ("odd_v1", {}))


class Killed(Careful):
    """In place of a child process: dies of poison, and whenever a killer from outside says so."""

    def __init__(self, kills: Iterator[bool]) -> None:
        super().__init__(POISON, TOYS)
        self._kills = kills
        self._in_a_row = 0

    def _in_child(self, docs: pa.Table) -> Split:
        alone = docs.num_rows == 1
        killed = next(self._kills, False) and not (alone and self._in_a_row >= TRIES - 2)
        self._in_a_row = (self._in_a_row + killed) if alone else self._in_a_row if docs.num_rows == 0 else 0
        if killed or set(VICTIMS) & set(ids(docs)):
            raise BrokenProcessPool("killed")
        return Split(docs, [])


@pytest.fixture(autouse=True)
def _no_waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "really" not in request.node.name:
        monkeypatch.setattr(quarantine, "WAIT_SECONDS", 0.0)


@given(st.lists(st.booleans(), max_size=60))
def test_kills_from_outside_quarantine_nobody(kills: list[bool]) -> None:
    """Unless they hit the same document, alone in a fresh child, each of the times."""
    killed = Killed(iter(kills))
    try:
        kept = [i for split in killed.apply(some(16)) for i in ids(split.kept)]
    except RetryError:
        return  # no child has lived long enough to meet a document
    assert [p.id for p in killed.poison] == list(VICTIMS)
    assert kept == [f"id-{n}" for n in range(16) if f"id-{n}" not in VICTIMS]


def test_children_that_die_before_they_meet_a_document_say_nothing_about_one() -> None:
    class NoMemory(Killed):
        def _in_child(self, docs: pa.Table) -> Split:
            raise BrokenProcessPool("killed")

    careful = NoMemory(iter([]))
    with pytest.raises(RetryError, match=f"{READY_TRIES} processes in a row died before they read a document"):
        careful.apply(some(1))
    assert careful.poison == []


@pytest.mark.parametrize("error", [ImportError("no module"), OSError("no space"), FileNotFoundError("no model")])
def test_what_the_machine_lacks_is_not_held_against_a_document(error: Exception) -> None:
    class Lacking(Killed):
        def _in_child(self, docs: pa.Table) -> Split:
            raise error

    careful = Lacking(iter([]))
    with pytest.raises(type(error)):
        careful.apply(some(4))
    assert careful.poison == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_children_that_are_really_killed_change_nothing(seed: int) -> None:
    """The kernel's way: SIGKILL at any moment."""
    over = threading.Event()

    def kill() -> None:
        chance = random.Random(seed)
        for _ in range(12):
            if over.wait(chance.uniform(0.0, 2.0)):
                return
            for child in psutil.Process().children():
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()

    killer = threading.Thread(target=kill)
    careful = Careful(POISON, TOYS)
    killer.start()
    try:
        since = time.monotonic()
        rounds = 0
        while killer.is_alive() or rounds == 0:
            careful.poison.clear()
            kept = [i for split in careful.apply(some(16)) for i in ids(split.kept)]
            assert [p.id for p in careful.poison] == list(VICTIMS), f"round {rounds}, {time.monotonic() - since:.0f} s"
            assert len(kept) == 8
            rounds += 1
    finally:
        over.set()
        killer.join()
        careful.close()

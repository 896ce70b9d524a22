"""Laws of claims: one holder at a time, a live one is left alone, a dead one is replaced, whatever the clocks say, and
whatever one object of the store is or refuses.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.ledger import claims as claims_module
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.holder import Holder, Sightings, started_at, this_machine
from refinedweb.storage import Store, open_store
from stages.errors import CommitUnknown, ConfigError, Full, RetryError, Unfinished
from tests.examples import examples
from tests.refinedweb.ledger.records import Clock

STEP = "00-x"


@pytest.fixture(autouse=True)
def _far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drivers of a test cannot ask the system whether the others live."""
    monkeypatch.setattr("refinedweb.ledger.holder.this_machine", lambda: "")


def key(block: int) -> str:
    return f"{STEP}/claims/{block:06d}.json"


def heart(claims: Claims) -> str:
    return f"{STEP}/drivers/{claims.owner}.json"


def old_claim(store: Store, block: int, beat: int = 0, **more: object) -> None:
    """A claim as an older version writes it (and a newer one may, with `more`): there is no heartbeat."""
    store.put(key(block), json.dumps({**Holder("other", beat, "elsewhere", 1, "1").__dict__, **more}).encode())


def looks(watcher: Claims, clock: Clock, seconds: float, *holders: Claims) -> None:
    """Time passes, in which the watcher looks every five seconds, and the holders live."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now = min(end, clock.now + 5)
        for holder in holders:
            holder.renew()
        watcher.claimed()


def test_a_block_has_one_holder(store: Store) -> None:
    one, two = Claims(store, STEP), Claims(store, STEP)
    assert one.take(0)
    assert not two.take(0)
    assert two.take(1)
    assert (one.mine, two.mine) == ({0}, {1})
    assert one.claimed() == {0, 1}


def test_a_silent_holder_is_replaced_after_a_whole_lease_of_the_watchers_clock(store: Store) -> None:
    clock = Clock()
    Claims(store, STEP, clock=clock).take(0)
    watcher = Claims(store, STEP, clock=clock)
    watcher.claimed()
    looks(watcher, clock, 59.9)
    assert watcher.silent() == set()
    assert not watcher.take(0)
    looks(watcher, clock, 0.1)
    assert watcher.doubt(0) == 0
    assert watcher.take(0)


def test_a_holder_that_lives_is_left_alone_and_its_claims_are_not_written_again(store: Store) -> None:
    clock = Clock()
    holder, watcher = Claims(store, STEP, clock=clock), Claims(store, STEP, clock=clock)
    assert all(holder.take(block) for block in range(3))
    before = [store.get(key(block)) for block in range(3)]
    looks(watcher, clock, 150, holder)
    assert not any(watcher.take(block) for block in range(3))
    assert watcher.silent() == set()
    assert [watcher.doubt(block) for block in range(3)] == [3, 3, 3]
    assert [store.get(key(block)) for block in range(3)] == before
    assert holder.mine == {0, 1, 2}


@pytest.mark.parametrize("more", [{}, {"a_field_of_a_newer_version": [1]}])
def test_a_claim_without_a_heartbeat_lives_as_long_as_it_changes(store: Store, more: dict[str, Any]) -> None:
    clock = Clock()
    watcher = Claims(store, STEP, clock=clock)
    for beat in range(4):
        old_claim(store, 0, beat, **more)
        looks(watcher, clock, 40)
        assert not watcher.take(0)
    looks(watcher, clock, 25)
    assert watcher.silent() == {0}
    assert watcher.take(0)


def test_what_older_code_reads_in_a_claim_is_all_there(store: Store) -> None:
    Claims(store, STEP).take(0)
    assert set(json.loads(store.get(key(0))[0])) == {"owner", "beat", "machine", "pid", "started", "released"}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"owner": 7}', b"\xff\xfe"])
def test_a_claim_that_cannot_be_read_is_held_and_runs_out(store: Store, data: bytes) -> None:
    clock = Clock()
    store.put(key(0), data)
    watcher = Claims(store, STEP, clock=clock)
    assert watcher.claimed() == {0}
    looks(watcher, clock, 59)
    assert not watcher.take(0)
    looks(watcher, clock, 1)
    assert watcher.take(0)
    assert watcher.mine == {0}


def test_foreign_objects_are_neither_claims_nor_heartbeats(store: Store) -> None:
    for name in (
        "._000000.json",
        ".nfs0000001",
        "Thumbs.db",
        "000001.json.tmp",
        "1.json",
        "0000001.json",
        "٠٠٠٠٠٠.json",
    ):
        store.put(f"{STEP}/claims/{name}", b"")
        store.put(f"{STEP}/drivers/{name}", b"")
    ours = Claims(store, STEP)
    assert ours.claimed() == set()
    assert ours.take(0)
    assert ours.claimed() == {0}


def test_an_old_listing_shows_nothing(store: Store) -> None:
    clock = Clock()
    old_claim(store, 0)
    watcher = Claims(store, STEP, clock=clock)
    watcher.claimed()
    clock.now = 60.0
    assert not watcher.take(0), "one listing proves nothing"
    watcher.claimed()
    assert watcher.silent() == {0}
    clock.now = 90.0
    assert watcher.silent() == set()
    assert not watcher.take(0), "the listing is old: another driver may hold it now"
    watcher.claimed()
    assert watcher.take(0)


def test_what_a_dead_driver_held_is_known_from_its_heartbeat(store: Store) -> None:
    """200 blocks of the living, 20 of a dead driver: no claim of the living has to be read to find the dead one's."""
    clock = Clock()
    living, dead, watcher = (Claims(store, STEP, clock=clock) for _ in range(3))
    assert all(living.take(block) for block in range(40))
    assert all(dead.take(block) for block in range(40, 60))
    looks(watcher, clock, 20, living, dead)
    looks(watcher, clock, 60, living)
    assert watcher.silent() == set(range(40, 60))
    assert {watcher.doubt(block) for block in range(40, 60)} == {0}
    assert 0 not in {watcher.doubt(block) for block in range(40)}
    assert all(watcher.take_over(block) for block in range(40, 60))


def test_a_heartbeat_that_was_deleted_comes_back_before_anyone_notices(store: Store) -> None:
    clock = Clock()
    holder, watcher = Claims(store, STEP, clock=clock), Claims(store, STEP, clock=clock)
    holder.take(0)
    looks(watcher, clock, 100, holder)
    assert not watcher.take(0)
    for _ in range(5):
        store.delete(heart(holder))
        watcher.claimed()
        assert not watcher.take(0)
        looks(watcher, clock, 21, holder)
        assert not watcher.take(0)
        store.get(heart(holder))


def test_a_holder_learns_what_it_lost_and_keeps_the_rest(store: Store) -> None:
    clock = Clock()
    ours = Claims(store, STEP, clock=clock)
    assert all(ours.take(block) for block in range(4))
    old_claim(store, 1)
    store.delete(key(2))
    clock.now = 10
    ours.renew()
    assert ours.mine == {0, 1, 2, 3}, "too early to renew"
    clock.now = 21
    ours.renew()
    assert ours.mine == {0, 3}
    assert ours.take(2)
    clock.now = 42
    ours.renew()
    assert ours.mine == {0, 2, 3}


def test_renewing_costs_one_write_and_two_listings_however_many_blocks_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    ours = Claims(store, STEP, clock=clock)
    assert all(ours.take(block) for block in range(50))
    for turn in range(1, 3):
        asked: Counter[str] = Counter()
        with monkeypatch.context() as patch:
            for name in ("list", "get", "put", "put_new", "put_match", "delete"):
                patch.setattr(store, name, counting(asked, name, getattr(store, name)))
            clock.now += 20
            ours.renew()
        # On disk a listing shows other etags than a write gives: each claim is read once, to know it again.
        reads = {"get": 50} if turn == 1 and store.parallel == 1 else {}
        assert asked == {"put": 1, "list": 2, **reads}
    assert len(ours.mine) == 50


def counting(asked: Counter[str], name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        asked[name] += 1
        return method(*arguments)

    return counted


def test_a_claim_given_back_is_free_at_once(store: Store) -> None:
    one, two = Claims(store, STEP), Claims(store, STEP)
    one.take(0)
    one.take(1)
    one.release(0, done=False)
    one.release(1, done=True)
    assert one.mine == set()
    assert two.claimed() == {0}
    assert two.take(0)


def test_nothing_is_left_of_a_driver_that_leaves_and_of_a_step_that_is_done(store: Store) -> None:
    one, two = Claims(store, STEP), Claims(store, STEP)
    one.take(0)
    two.take(1)
    one.release(0, done=True)
    one.leave()
    assert [info.key for info in store.list(f"{STEP}/drivers/")] == [heart(two)]
    one.clear()
    assert list(store.list(STEP)) == []


def test_a_dead_process_on_this_machine_is_known_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refinedweb.ledger.holder.this_machine", this_machine)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = started_at(child.pid)
    holder = Holder("other", 0, this_machine(), child.pid, started or "")
    store.put(key(0), json.dumps(holder.__dict__).encode())
    watcher = Claims(store, STEP)
    watcher.claimed()
    assert not watcher.take(0)
    assert watcher.doubt(0) == 3
    child.kill()
    child.wait()
    assert watcher.doubt(0) == 0
    assert watcher.take(0)


class Refusing:
    """A store that answers some calls with an error, after it did them if `late`."""

    def __init__(self, store: Store, error: Exception, calls: set[str], *, late: bool = False) -> None:
        self._store, self.error, self.calls, self._late = store, error, calls, late

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def answer(*arguments: Any) -> Any:
            if self._late:
                method(*arguments)
            raise self.error

        return answer if name in self.calls else method


ERRORS = (RetryError("SlowDown"), CommitUnknown("lost"), ConfigError("403"), OSError("stale file handle"))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", ["list", "get", "put", "put_new", "put_match", "delete"])
@pytest.mark.parametrize("late", [False, True])
def test_no_refusal_leaves_the_claims(tmp_path: Any, error: Exception, call: str, late: bool) -> None:
    """Whatever one kind of request gets for an answer: nothing is raised, and what is in doubt is not ours."""
    clock, real = Clock(), open_store(str(tmp_path))
    store = Refusing(real, error, set(), late=late)
    ours = Claims(store, STEP, clock=clock)  # type: ignore[arg-type]
    assert ours.take(0)
    assert ours.take(1)
    old_claim(real, 3)
    assert ours.claimed() == {0, 1, 3}
    store.calls = {call}
    taken = ours.take(2)
    assert taken == (call != "put_new")
    assert not ours.take_over(3)
    clock.now += 30
    ours.renew()
    assert ours.claimed() >= {0, 1, 3}
    assert ours.mine >= {0, 1}
    ours.release(0, done=True)
    ours.release(1, done=False)
    ours.clear()
    ours.leave()
    store.calls = set()
    assert ours.take(2), "a claim of ours that was in doubt is ours after all"


@pytest.mark.parametrize(
    ("error", "patience"),
    [
        (RetryError("SlowDown"), claims_module.PATIENCE_SECONDS),
        (ConfigError("AccessDenied"), claims_module.FORBIDDEN_SECONDS),
    ],
)
def test_a_store_that_refuses_all_is_waited_for_and_then_said(tmp_path: Any, error: Exception, patience: float) -> None:
    clock, real = Clock(), open_store(str(tmp_path))
    assert Claims(real, "before").take(0), "this process has written there"
    store = Refusing(real, error, {"list", "get", "put", "put_new", "put_match"})
    ours = Claims(store, STEP, clock=clock)  # type: ignore[arg-type]
    while clock.now < patience:
        assert not ours.take(0)
        ours.claimed()
        clock.now += 50
    store.calls -= {"put", "list"}
    assert ours.claimed() == set()
    assert not ours.take(0), "only the heart beats"
    store.calls |= {"put", "list"}
    clock.now += 50
    assert not ours.take(0), "one answer, and the patience is new"
    clock.now += patience + 1
    with pytest.raises(Unfinished, match=f"refused all claims for {patience / 60:.0f} minutes, at last with: {error}"):
        ours.take(0)


def test_a_store_that_can_only_be_read_is_not_waited_for_for_ever(tmp_path: Any) -> None:
    clock, real = Clock(), open_store(str(tmp_path))
    assert Claims(real, "before").take(0)
    ours = Claims(Refusing(real, ConfigError("read-only"), {"put", "put_new", "put_match"}), STEP, clock=clock)  # type: ignore[arg-type]

    def ask_for(seconds: float) -> None:
        while clock.now < seconds:
            assert not ours.take(0)
            assert ours.claimed() == set(), "it can be listed"
            clock.now += 20

    ask_for(claims_module.FORBIDDEN_SECONDS)
    with pytest.raises(Unfinished, match="read-only"):
        ask_for(2 * claims_module.FORBIDDEN_SECONDS)


def test_a_store_that_forbids_the_first_write_of_a_process_is_not_waited_for(tmp_path: Any) -> None:
    forbidden = Refusing(open_store(str(tmp_path)), ConfigError("read-only"), {"put", "put_new"})
    with pytest.raises(ConfigError, match="read-only"):
        Claims(forbidden, STEP).take(0)  # type: ignore[arg-type]


def test_a_full_disk_is_said_at_once(tmp_path: Any) -> None:
    ours = Claims(Refusing(open_store(str(tmp_path)), Full("full"), {"put", "put_new"}), STEP)  # type: ignore[arg-type]
    with pytest.raises(Full):
        ours.take(0)


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["a", "b", ""])), min_size=1, max_size=30))
def test_what_is_silent_did_not_change_for_a_lease(history: list[tuple[int, str]]) -> None:
    """An object is silent exactly if all listings of a whole lease showed the same of it."""
    watched, now, shown = Sightings[int](), 0.0, [(0.0, "")]
    for seconds, etag in history:
        now += seconds
        shown.append((now, etag))
        watched.see({7: etag} if etag else {}, now)
        since = next((at for at, was in reversed(shown) if was != etag), None)
        first = next(at for at, was in shown if (since is None or at > since) and was == etag)
        assert watched.etag(7) == (etag or None)
        assert (7 in watched.silent(60)) == (etag != "" and now - first >= 60)
        if any(was for _, was in shown):
            assert watched.is_silent(7, 60) == (now - first >= 60)

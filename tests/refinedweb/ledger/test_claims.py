"""Laws of claims: one holder at a time, a live one is left alone, a dead one is replaced, whatever the clocks say."""

from __future__ import annotations

import json
import subprocess
import sys

from refinedweb.ledger.claims import Claims, Holder, started_at, this_machine
from refinedweb.storage import Store
from tests.refinedweb.ledger.records import Clock


def pretend_other_machine(store: Store, block: int, **changes: object) -> None:
    """Rewrite the claim as if a process on another machine held it."""
    key = f"00-x/claims/{block:06d}.json"
    holder = {**json.loads(store.get(key)[0]), "machine": "elsewhere", **changes}
    store.put(key, json.dumps(holder).encode())


def test_a_block_has_one_holder(store: Store) -> None:
    one, two = Claims(store, "00-x"), Claims(store, "00-x")
    assert one.take(0)
    assert not two.take(0)
    assert two.take(1)
    assert (one.mine, two.mine) == ({0}, {1})
    assert one.claimed() == {0, 1}


def test_a_silent_holder_is_replaced_after_a_whole_lease_of_the_watchers_clock(store: Store) -> None:
    clock = Clock()
    Claims(store, "00-x").take(0)
    pretend_other_machine(store, 0)
    watcher = Claims(store, "00-x", lease=60, clock=clock)
    assert not watcher.take(0)
    clock.now = 59.9
    assert not watcher.take(0)
    clock.now = 60.0
    assert watcher.take(0)


def test_a_renewed_claim_is_left_alone(store: Store) -> None:
    clock = Clock()
    Claims(store, "00-x").take(0)
    pretend_other_machine(store, 0)
    watcher = Claims(store, "00-x", lease=60, clock=clock)
    for beat in range(1, 8):
        assert not watcher.take(0)
        clock.now += 40
        pretend_other_machine(store, 0, beat=beat)


def test_listings_show_who_is_silent_and_an_old_listing_shows_nothing(store: Store) -> None:
    clock = Clock()
    Claims(store, "00-x").take(0)
    pretend_other_machine(store, 0)
    watcher = Claims(store, "00-x", lease=60, clock=clock)
    watcher.claimed()
    clock.now = 60.0
    assert not watcher.take(0), "one listing proves nothing"
    watcher.claimed()
    assert watcher.silent() == {0}
    clock.now = 90.0
    pretend_other_machine(store, 0, beat=1)
    assert not watcher.take(0), "renewed since, and the listing is old"
    watcher.claimed()
    assert watcher.silent() == set()
    clock.now = 150.0
    watcher.claimed()
    assert watcher.take(0)


def test_renewing_keeps_what_is_ours_and_forgets_what_was_taken(store: Store) -> None:
    clock = Clock()
    ours = Claims(store, "00-x", lease=60, clock=clock)
    assert ours.take(0)
    assert ours.take(1)
    pretend_other_machine(store, 1)
    clock.now = 10
    ours.renew()
    assert ours.mine == {0, 1}, "too early to renew"
    before = store.get("00-x/claims/000000.json")
    clock.now = 21
    ours.renew()
    assert ours.mine == {0}
    assert store.get("00-x/claims/000000.json") != before


def test_a_claim_given_back_is_free_at_once(store: Store) -> None:
    one, two = Claims(store, "00-x"), Claims(store, "00-x")
    one.take(0)
    one.take(1)
    one.release(0, done=False)
    one.release(1, done=True)
    assert one.mine == set()
    assert two.claimed() == {0}
    assert two.take(0)


def test_a_dead_process_on_this_machine_is_known_at_once(store: Store) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = started_at(child.pid)
    holder = Holder("other", 0, this_machine(), child.pid, started or "")
    store.put("00-x/claims/000000.json", json.dumps(holder.__dict__).encode())
    watcher = Claims(store, "00-x")
    assert not watcher.take(0)
    child.kill()
    child.wait()
    assert watcher.take(0)

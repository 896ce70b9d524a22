"""Laws of the token bucket, on a simulated clock, and of claims by drivers whose clocks disagree."""

from __future__ import annotations

import random

import pytest

from refinedweb.ledger.claims import Claims
from refinedweb.storage import open_store, s3_pace
from refinedweb.storage.s3_pace import MOST_RATE, Pace, again, pace_of
from stages.errors import ConfigError, RetryError
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_pace, "LEAST_RATE", 0.5)
    monkeypatch.setattr(s3_pace, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(s3_pace, "MOST_WAIT", 20.0)


class Time:
    """A clock that moves only by sleeping."""

    def __init__(self, start: float = 0.0, speed: float = 1.0) -> None:
        self.now = start
        self.speed = speed

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds * self.speed


def _asked(pace: Pace, time: Time, seconds: float, each: float) -> int:
    """How many requests are sent in `seconds`, if each takes `each` seconds and succeeds."""
    end, n = time.now + seconds, 0
    while time.now < end:
        pace.take()
        time.sleep(each)
        pace.went_well()
        n += 1
    return n


def test_nobody_waits_until_the_store_says_slow_down() -> None:
    time = Time()
    assert _asked(Pace(time.clock, time.sleep), time, 10, each=0.01) == pytest.approx(1000, abs=2)


@pytest.mark.usefixtures("patient")
def test_slow_down_halves_what_was_really_asked_and_success_brings_it_back() -> None:
    time = Time()
    pace = Pace(time.clock, time.sleep)
    _asked(pace, time, 5, each=0.01)
    pace.slowed()
    assert pace.rate == pytest.approx(50, rel=0.05), "half of 100 a second, not of what would be allowed"
    assert _asked(pace, time, 0.5, each=0.0) < 50
    _asked(pace, time, 30, each=0.01)
    assert pace.rate == MOST_RATE


@pytest.mark.usefixtures("patient")
def test_a_store_that_allows_a_rate_gets_about_that_rate() -> None:
    """The store says SlowDown above 20 requests a second: most succeed, and most of what it allows is used."""
    time = Time()
    pace = Pace(time.clock, time.sleep)
    tokens, last, good, bad = 1.0, 0.0, 0, 0
    while time.now < 200:
        pace.take()
        tokens, last = min(5.0, tokens + (time.now - last) * 20), time.now
        if tokens >= 1:
            tokens -= 1
            good += 1
            pace.went_well()
        else:
            bad += 1
            pace.slowed()
        time.sleep(0.001)
    assert good > 0.6 * 20 * 200
    assert bad < 0.1 * good


@pytest.mark.usefixtures("patient")
def test_slow_downs_in_a_row_never_stop_it() -> None:
    time = Time()
    pace = Pace(time.clock, time.sleep)
    for _ in range(50):
        pace.take()
        pace.slowed()
    assert pace.rate == 0.5


def test_a_hot_prefix_does_not_slow_the_others(proxy: Proxy, out: str) -> None:
    store = open_store(out)
    proxy.begin(lambda request: faults.SLOW_DOWN if "/hot/" in request.path else None)
    with pytest.raises(RetryError, match="SlowDown"):
        store.put("hot/a", b"x")
    store.put("cold/a", b"x")
    assert pace_of(f"{out}/hot").rate < MOST_RATE / 2
    assert pace_of(f"{out}/cold").rate == MOST_RATE
    assert f"({out}/hot)" in str(store.throttled())
    assert open_store(f"{out}/cold").throttled() is None


def test_how_long_a_store_has_throttled_is_said_until_it_has_stopped() -> None:
    time = Time()
    pace = Pace(time.clock, time.sleep)
    assert pace.throttled() is None
    for _ in range(5):
        pace.slowed()
        time.sleep(50)
    assert pace.throttled() == 250
    time.sleep(20)
    assert pace.throttled() is None, "a minute without a SlowDown"
    pace.slowed()
    assert pace.throttled() == 0, "another storm"


@pytest.mark.usefixtures("patient")
def test_retries_end_wait_ever_longer_and_never_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)

    def fail() -> None:
        raise RetryError("dark")

    for _ in range(20):
        with pytest.raises(RetryError, match="dark"):
            again("s3://b/k", fail)
    each = len(waits) // 20
    assert each == s3_pace.ATTEMPTS - 1
    for attempt in range(each):
        same = waits[attempt::each]
        most = min(20.0, 0.1 * 2**attempt)
        assert all(most / 2 <= wait <= most for wait in same)
        assert len(set(same)) > 10, "jittered"


def test_what_cannot_succeed_is_not_tried_again(proxy: Proxy, out: str) -> None:
    proxy.begin(lambda request: faults.SKEWED)
    with pytest.raises(ConfigError, match="clock"):
        open_store(out).get("k")
    assert len(proxy.log) == 1


@pytest.mark.parametrize("call", ["get", "put", "put_new", "list"])
@pytest.mark.parametrize("denied", [s3_pace.DENIALS, 1000])
def test_access_that_is_denied_to_one_request_is_asked_for_again(
    proxy: Proxy, out: str, call: str, denied: int
) -> None:
    """Not for long: as a rule it takes a person to give access."""
    store = open_store(out)
    store.put("k", b"x")
    proxy.begin(lambda request: faults.DENIED if request.number < denied else None)

    def asked() -> object:
        return list(store.list()) if call == "list" else getattr(store, call)(*_ARGUMENTS[call])

    if denied == s3_pace.DENIALS:
        asked()
    else:
        with pytest.raises(ConfigError, match="AccessDenied"):
            asked()
    assert len(proxy.log) <= 2 * (s3_pace.DENIALS + 1), "a put that was refused is looked for before it is sent again"


_ARGUMENTS = {"get": ("k",), "put": ("k", b"y"), "put_new": ("new", b"z")}


@pytest.mark.parametrize("seed", range(5))
def test_leases_hold_whatever_the_clocks_of_the_claimants_say(
    out: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks hours apart, one running 20 % fast: a holder that renews never loses its claim, a dead one always does."""
    monkeypatch.setattr("refinedweb.ledger.holder.this_machine", lambda: "")
    chance = random.Random(seed)
    ours, theirs = Time(chance.uniform(0, 1e6), 1.0), Time(chance.uniform(0, 1e6), 1.2)
    store = open_store(out)
    holder = Claims(store, "step", lease=30.0, clock=ours.clock)
    watcher = Claims(store, "step", lease=30.0, clock=theirs.clock)
    assert holder.take(0)
    for _ in range(20):
        _both(chance.uniform(1, 9), ours, theirs)
        holder.renew()
        watcher.claimed()
        assert not watcher.take(0)
    assert holder.mine == {0}
    taken_after = 0.0
    while not watcher.take(0):
        _both(5.0, ours, theirs)
        watcher.claimed()
        taken_after += 5.0
    assert 20.0 <= taken_after <= 35.0
    holder.renew()
    assert holder.mine == set(), "it learns that it was robbed"
    assert watcher.mine == {0}


def _both(seconds: float, *times: Time) -> None:
    for time in times:
        time.sleep(seconds)

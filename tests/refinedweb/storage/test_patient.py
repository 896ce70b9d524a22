"""A patient store gives the same answers as the store itself, later; and it stops waiting for what no wait can help."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinedweb.storage import Changed, Exists, LocalStore, Missing, open_store
from refinedweb.storage.patient import DENIED_SECONDS, PatientStore, impatient
from stages.errors import CommitUnknown, ConfigError, Full, RetryError, Unfinished
from tests.examples import examples

PATIENCE = 1800.0


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Faulty:
    """A store whose calls fail as a script says: an error, and whether the call is carried out nevertheless."""

    def __init__(self, store: Any, script: Iterator[tuple[Exception | None, bool]]) -> None:
        self._store = store
        self._script = script
        self.root, self.parallel = store.root, store.parallel

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in ("uri", "throttled"):
            return method

        def called(*arguments: Any, **named: Any) -> Any:
            error, carried_out = next(self._script, (None, True))
            if carried_out:
                answer = method(*arguments, **named)
            if error is not None:
                raise error
            return answer

        return called


def patient(store: Any, time: Time, meanwhile: Callable[[str], None] = lambda reason: None) -> PatientStore:
    return PatientStore(store, PATIENCE, meanwhile, time.clock, time.sleep)


def script(*steps: tuple[Exception | None, bool]) -> Iterator[tuple[Exception | None, bool]]:
    return iter(steps)


FAULTS = st.lists(
    st.tuples(st.sampled_from([RetryError("slow"), CommitUnknown("lost")]), st.booleans()), min_size=0, max_size=8
)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=FAULTS)
def test_whatever_answers_are_lost_each_write_happens_once(tmp_path_factory: Any, faults: list[Any]) -> None:
    out = LocalStore(str(tmp_path_factory.mktemp("out")))
    time = Time()
    etag = patient(Faulty(out, iter(faults)), time).put_new("a", b"1")
    assert out.get("a") == (b"1", etag)
    after = patient(Faulty(out, iter(faults)), time).put_match("a", b"2", etag)
    assert out.get("a") == (b"2", after)
    with pytest.raises(Exists):
        patient(Faulty(out, iter(faults)), time).put_new("a", b"another writer's")
    with pytest.raises(Changed):
        patient(Faulty(out, iter(faults)), time).put_match("a", b"3", etag)
    with pytest.raises(Missing):
        patient(Faulty(out, iter((error, False) for error, _ in faults)), time).get("b")


@pytest.mark.parametrize("breaks", [0, 1, 2, 5])
def test_a_listing_that_breaks_off_gives_every_key_once(tmp_path: Path, breaks: int) -> None:
    out = LocalStore(str(tmp_path))
    for n in range(20):
        out.put(f"folder/{n:02d}", b"")
    left = [breaks]

    class BreaksOff(Faulty):
        def list(self, prefix: str = "") -> Iterator[Any]:
            for n, info in enumerate(out.list(prefix)):
                if n == 3 * left[0] and left[0] > 0:
                    left[0] -= 1
                    raise RetryError("the listing broke off")
                yield info

    listed = [info.key for info in patient(BreaksOff(out, script()), Time()).list("folder/")]
    assert listed == [f"folder/{n:02d}" for n in range(20)]


def test_it_goes_on_meanwhile_and_gives_up_with_the_words_of_the_store(tmp_path: Path) -> None:
    time, reasons = Time(), []
    store = Faulty(LocalStore(str(tmp_path)), iter([(RetryError("503 SlowDown"), False)] * 9999))
    with pytest.raises(Unfinished, match=r"no good answer for 30 minutes, at last: 503 SlowDown.*same command again"):
        patient(store, time, reasons.append).get("a")
    assert PATIENCE <= time.now <= PATIENCE + 30
    assert len(reasons) >= PATIENCE - 30, "every second"
    assert "503 SlowDown" in reasons[0]


def test_only_the_thread_that_asked_for_it_is_called_meanwhile(tmp_path: Path) -> None:
    reasons: list[str] = []
    faults = [(RetryError("slow"), False)] * 3
    store = patient(Faulty(LocalStore(str(tmp_path)), iter(faults)), Time(), reasons.append)
    other = threading.Thread(target=lambda: store.put("a", b""))
    other.start()
    other.join()
    assert reasons == []


def test_a_full_disk_and_a_wrong_call_are_said_at_once(tmp_path: Path) -> None:
    for error in (Full("the disk is full"), ConfigError("no such bucket")):
        time = Time()
        with pytest.raises(type(error)):
            patient(Faulty(LocalStore(str(tmp_path)), script((error, False))), time).put("a", b"")
        assert time.now == 0


def test_access_that_is_denied_after_it_was_given_may_come_back(tmp_path: Path) -> None:
    time, denied = Time(), (ConfigError("AccessDenied"), False)
    store = patient(Faulty(LocalStore(str(tmp_path)), script((None, True), denied, denied, (None, True))), time)
    store.put("a", b"")
    store.put("b", b"")
    assert 0 < time.now < DENIED_SECONDS
    gone = patient(Faulty(LocalStore(str(tmp_path)), iter([(None, True), *[denied] * 999])), time)
    gone.put("a", b"")
    with pytest.raises(Unfinished, match="AccessDenied"):
        gone.put("b", b"")


def test_a_worker_gets_the_store_itself(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    wrapped = PatientStore(store, PATIENCE)
    assert isinstance(pickle.loads(pickle.dumps(wrapped)), LocalStore)
    assert impatient(wrapped) is store
    assert impatient(store) is store

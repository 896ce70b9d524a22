"""Disks without hard links or without locks: the ledger's laws hold, or the message says what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refinedweb import doctor
from refinedweb.storage import Changed, Exists, open_store
from refinedweb.storage.local_calls import fcntl, what_it_can
from refinedweb.storage.os_errors import FORBIDDEN, FULL, NETWORK, translated
from stages.errors import ConfigError, Full, RetryError, Unanswered
from tests.refinedweb.storage.test_storage import _winners

NO_LINKS = [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK]
NO_LOCKS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP]


def refusing(number: int) -> Callable[..., Any]:
    def refuse(*arguments: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", NO_LINKS, ids=errno.errorcode.get)
def test_without_hard_links_a_record_is_created_once_and_whole(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refusing(number))
    store = open_store(str(tmp_path / "store"))
    for race in range(5):
        key = f"new-{race}"
        assert _winners(lambda n, k=key: store.put_new(k, str(n).encode())) == 1
        data, etag = store.get(key)
        with pytest.raises(Exists):
            store.put_new(key, b"later")
        assert store.get(key) == (data, etag)
        store.put_match(key, b"next", etag)
        with pytest.raises(Changed):
            store.put_match(key, b"next", etag)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refusing(errno.EIO))
        with pytest.raises(RetryError):
            store.put_new("half", b"written")
    assert "half" not in {info.key for info in store.list()}
    assert what_it_can(store.root) == (True, "no hard links (locks are used instead), locks")


@pytest.mark.parametrize("number", NO_LOCKS, ids=errno.errorcode.get)
def test_without_locks_the_message_says_how_to_get_them(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", refusing(number))
    store = open_store(str(tmp_path / "store"))
    etag = store.put_new("k", b"1")
    with pytest.raises(ConfigError, match=r"no locks.*-o flock.*S3"):
        store.put_match("k", b"2", etag)
    checks = {check.name: check for check in doctor.check_store(store.root)}
    assert not checks["file system"].fit
    assert checks["file system"].found == "hard links, no locks"
    assert [info.key for info in store.list()] == ["k"]


def test_a_disk_that_has_both_is_left_as_it_was(tmp_path: Path) -> None:
    assert what_it_can(str(tmp_path)) == (True, "hard links, locks")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_synced_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    store = open_store(str(tmp_path / "store"))
    store.put("a", b"x")
    store.put_new("b", b"x")
    assert [info.key for info in store.list()] == ["a", "b"]


def test_what_the_errors_of_a_system_mean() -> None:
    """Every number: full is full, what a person must mend is wrong use, all else may pass (ESTALE of NFS, say)."""
    for number in errno.errorcode:
        meaning = translated("/p", OSError(number, os.strerror(number)))
        passes = Unanswered if number in NETWORK else RetryError
        expected = Full if number in FULL else ConfigError if number in FORBIDDEN else passes
        assert type(meaning) is expected, errno.errorcode[number]
        assert "/p: " in str(meaning)
    assert {errno.ENOSPC, errno.EDQUOT} == FULL.keys()
    assert {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENOTCONN} <= NETWORK
    assert type(translated("/p", OSError(errno.ESTALE, "stale"))) is RetryError

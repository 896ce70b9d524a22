"""Parts of an S3 object: the last bytes come first, with the size, and nothing is used that was not compared."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from refinedweb.storage import Missing, open_store, s3_client
from refinedweb.storage.s3 import SMALL, S3Store
from refinedweb.storage.s3_end import ENDING, End
from refinedweb.storage.s3_streams import PART_BYTES
from refinedweb.storage.s3_sums import BLOCK, Corrupt, block_sums


@pytest.fixture
def s3(s3_server: str) -> S3Store:
    store = open_store(f"{s3_server}/{uuid.uuid4().hex}")
    assert isinstance(store, S3Store)
    return store


def requests(act: Callable[[], object]) -> list[str]:
    """The names of the requests that a call makes."""
    found: list[str] = []

    def note(model: Any, **more: Any) -> None:
        found.append(model.name)

    events = s3_client.client().meta.events
    events.register("before-parameter-build.s3", note)
    try:
        act()
    finally:
        events.unregister("before-parameter-build.s3", note)
    return found


SIZES = {0: 3, 1: 1, ENDING: 1, ENDING + 1: 2, SMALL: 2, SMALL + 1: 2, PART_BYTES + 5: 3}


@pytest.mark.parametrize(("size", "most"), SIZES.items())
def test_the_end_of_an_object_comes_with_its_size(s3: S3Store, size: int, most: int) -> None:
    """An index at the end, and a piece before it: one request for a small object, two for a larger one, and one more
    for the sums of one in parts; none for its head.
    """
    data = os.urandom(size)
    with s3.create("a") as sink:
        sink.write(data)
        sink.finish()

    def read() -> None:
        with s3.open("a", random=True) as file:
            assert file.seek(0, os.SEEK_END) == size
            file.seek(max(0, size - 1000))
            assert file.read(1000) == data[-1000:]
            file.seek(size // 3)
            assert file.read(500) == data[size // 3 :][:500]

    assert len(requests(read)) <= most


def test_whoever_checks_what_is_read_needs_no_sums(s3: S3Store) -> None:
    data = os.urandom(PART_BYTES + 5)
    with s3.create("a") as sink:
        sink.write(data)
        sink.finish()

    def read() -> None:
        with s3.open("a", random=True, checked=True) as file:
            file.seek(77)
            assert file.read(10) == data[77:87]

    assert requests(read) == ["GetObject", "GetObject"]


def test_what_is_missing_is_missing(s3: S3Store) -> None:
    with pytest.raises(Missing):
        s3.open("nothing", random=True)


def test_bytes_of_the_end_that_differ_from_their_sums_are_fetched_again() -> None:
    data = os.urandom(5 * BLOCK + 77)
    tail = bytearray(data[-ENDING:])
    tail[-5] ^= 1
    fetched: list[tuple[int, int]] = []

    def fetch(first: int, last: int) -> bytes:
        fetched.append((first, last))
        return data[first : last + 1]

    for sums, at in ((block_sums(data), len(data) - 9), (None, 3)):
        assert End({}, bytes(tail), len(data), "x").before(fetch, sums)(at, at + 5) == data[at : at + 6]
    assert fetched == [(len(data) - 9, len(data) - 4), (3, 8)]
    good = End({}, data[-ENDING:], len(data), "x").before(fetch, block_sums(data))
    assert good(len(data) - BLOCK, len(data) - 1) == data[-BLOCK:]
    assert len(fetched) == 2
    assert good(len(data) - ENDING, len(data) - 1) == data[-ENDING:], "the first block of the end is not whole"
    assert len(fetched) == 3


@pytest.mark.parametrize("said", ["bytes 0-9/20", "bytes 10-19/30", "bytes 10-18/20"])
def test_other_bytes_than_the_store_says_are_refused(said: str) -> None:
    with pytest.raises(Corrupt, match="10 bytes arrived"):
        End.of({"ContentRange": said, "ContentLength": 10}, b"0123456789", "x")


def test_a_store_that_takes_no_ranges_sends_all() -> None:
    assert End.of({"ContentLength": 4}, b"0123", "x").whole

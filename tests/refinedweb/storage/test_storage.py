"""Laws of a store, the same on disk and on S3."""

from __future__ import annotations

import io
import os
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from refinedweb.storage import Changed, Exists, Missing, Store, open_store, s3, split_uri
from refinedweb.storage.s3_streams import PART_BYTES, RangeReader
from stages.errors import ConfigError

RACERS = 8


def test_what_is_written_is_read(store: Store) -> None:
    data = os.urandom(10_000)
    etag = store.put("a/b.bin", data)
    assert store.get("a/b.bin") == (data, etag)
    assert store.info("a/b.bin").size == len(data)
    with store.open("a/b.bin") as file:
        assert file.read() == data
    store.put("a/b.bin", b"other")
    assert store.get("a/b.bin")[0] == b"other"


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES + 12345])
def test_streams_of_any_size_come_back_with_their_checksum(store: Store, size: int) -> None:
    data = os.urandom(size)
    with store.create("big") as sink:
        for start in range(0, size, 5_000_003):
            sink.write(data[start : start + 5_000_003])
        written = sink.finish()
    assert written == (size, xxhash.xxh3_128_hexdigest(data))
    with store.open("big") as file:
        assert file.read() == data


def test_a_part_is_the_bytes_of_the_object(store: Store) -> None:
    data = os.urandom(100_000)
    store.put("object", data)
    for offset, size in ((0, 1), (0, 100_000), (99_999, 1), (5, 1000), (99_990, 100), (100_000, 5), (200_000, 5)):
        assert store.part("object", offset, size) == data[offset : offset + size]


def test_an_unfinished_stream_leaves_nothing(store: Store) -> None:
    with store.create("half") as sink:
        sink.write(b"x" * (PART_BYTES + 1))
    assert list(store.list()) == []
    with pytest.raises(Missing):
        store.get("half")


def test_listing_gives_the_keys_of_a_prefix(store: Store) -> None:
    for key in ("x/2", "x/10", "y/1", "x.json"):
        store.put(key, key.encode())
    assert [info.key for info in store.list("x/")] == ["x/10", "x/2"]
    assert {info.key for info in store.list("x")} == {"x.json", "x/10", "x/2"}
    assert {info.key for info in store.list()} == {"x/2", "x/10", "y/1", "x.json"}
    assert list(store.list("nothing/")) == []


def test_keys_are_listed_in_their_order(store: Store) -> None:
    """On a disk too, where a walk would come to folder `a` before `a-b`: a listing is taken up again after its last."""
    keys = ["a-b/c", "a.json", "a/b-c", "a/b/c", "ä/x", "a0", "b"]
    for key in keys:
        store.put(f"ordered/{key}", b"x")
    assert [info.key for info in store.list("ordered/")] == sorted(f"ordered/{key}" for key in keys)


def test_missing_objects_say_so(store: Store) -> None:
    calls: list[Callable[[str], object]] = [store.get, store.info, store.open]
    for call in calls:
        with pytest.raises(Missing, match="nowhere"):
            call("nowhere/at-all")
    store.delete("nowhere/at-all")


def test_create_only_takes_the_first(store: Store) -> None:
    store.put_new("k", b"first")
    with pytest.raises(Exists):
        store.put_new("k", b"second")
    assert store.get("k")[0] == b"first"


def test_a_repeated_create_of_the_same_bytes_is_our_own(s3_server: str) -> None:
    """The lost-response hazard: a retry of our own put is refused, yet we are the winner."""
    store = open_store(f"{s3_server}/lost-{os.getpid()}")
    store.put_new("k", b"token 1")
    assert store.put_new("k", b"token 1") == store.get("k")[1]


def test_compare_and_swap_takes_only_the_version_it_names(store: Store) -> None:
    first = store.put("k", b"1")
    second = store.put_match("k", b"2", first)
    with pytest.raises(Changed):
        store.put_match("k", b"3", first)
    assert store.get("k") == (b"2", second)
    with pytest.raises(Changed):
        store.put_match("gone", b"1", first)


def _winners(attempt: Callable[[int], object]) -> int:
    barrier = threading.Barrier(RACERS)

    def race(number: int) -> bool:
        barrier.wait()
        try:
            attempt(number)
        except (Exists, Changed):
            return False
        return True

    with ThreadPoolExecutor(RACERS) as pool:
        return sum(pool.map(race, range(RACERS)))


def test_of_racing_writers_one_wins(store: Store) -> None:
    for number in range(20):
        assert _winners(lambda n, k=number: store.put_new(f"new-{k}", str(n).encode())) == 1
        etag = store.put(f"swap-{number}", b"start")
        assert _winners(lambda n, k=number, e=etag: store.put_match(f"swap-{k}", str(n).encode(), e)) == 1


def test_random_reads_of_parquet_fetch_single_columns(store: Store) -> None:
    table = pa.table({name: [os.urandom(50).hex() for _ in range(2000)] for name in "abcdefgh"})
    with store.create("t.parquet") as sink:
        with pq.ParquetWriter(sink, table.schema) as writer:
            writer.write_table(table)
        sink.finish()
    with store.open("t.parquet", random=True) as file:
        assert pq.read_table(file, columns=["c"], pre_buffer=True) == table.select(["c"])


def test_range_reader_agrees_with_a_file() -> None:
    data = os.urandom(1000)
    reader = RangeReader(lambda first, last: data[first : last + 1], len(data))
    buffered = io.BufferedReader(reader, 64)
    assert buffered.read(10) == data[:10]
    assert buffered.seek(-5, io.SEEK_END) == 995
    assert buffered.read() == data[-5:]
    assert buffered.seek(100) == 100
    assert buffered.read(500) == data[100:600]


def test_names_of_stores() -> None:
    with pytest.raises(ConfigError, match="names no bucket"):
        open_store("s3://")
    with pytest.raises(ConfigError, match="only local paths, s3"):
        open_store("ftp://host")
    store, key = split_uri("s3://b/x/y")
    assert store.uri(key) == "s3://b/x/y"
    store, key = split_uri("/tmp/x")
    assert store.uri(key) == "/tmp/x"


def test_wrong_buckets_and_credentials_are_configuration_errors(s3_server: str) -> None:
    del s3_server
    with pytest.raises(ConfigError, match="NoSuchBucket"):
        list(open_store("s3://no-such-bucket-here/x").list())


def test_many_objects_are_deleted_by_few_requests(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that exist, also in a second try, and none that has no name among them."""
    monkeypatch.setattr(s3, "DELETED", 4)
    keys = [f"some/{number}.shuffle" for number in range(9)]
    for key in [*keys, "some/other"]:
        store.put(key, b"x")
    for _ in range(2):
        store.delete_many([*keys, "some/none"])
        assert [info.key for info in store.list()] == ["some/other"]
    store.delete_many([])


def test_what_a_store_does_not_delete_together_is_deleted_one_by_one(
    s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(f"{s3_server}/{uuid.uuid4().hex}")
    for answer in ("refuses", "names one"):
        for key in "abc":
            store.put(key, b"x")

        def odd(request: dict[str, Any], answer: str = answer) -> dict[str, Any]:
            if answer == "refuses":
                raise ConfigError("NotImplemented")
            real = {**request["Delete"], "Objects": [o for o in request["Delete"]["Objects"] if o["Key"][-1] != "b"]}
            s3.client().delete_objects(**{**request, "Delete": real})
            key = next(item["Key"] for item in request["Delete"]["Objects"] if item["Key"][-1] == "b")
            return {"Errors": [{"Key": key, "Code": "InternalError"}]}

        monkeypatch.setattr(s3, "_deleted", odd)
        store.delete_many(["a", "b", "c"])
        assert not list(store.list())

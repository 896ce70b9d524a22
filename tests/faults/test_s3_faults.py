"""A misbehaving S3: the winner is never guessed, no wrong byte is used, a listing is complete or an error."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

import pytest
import xxhash

from refinedweb.storage import Changed, Exists, open_store, s3, s3_streams
from refinedweb.storage.s3_client import client
from refinedweb.storage.s3_sums import BLOCK, Corrupt, sums_key
from stages.errors import CommitUnknown, ConfigError, RetryError, Unfinished
from tests.faults import proxy as faults
from tests.faults.proxy import Plan, Proxy, Request
from tests.faults.runs import KINDS, applies, exactly, put_input, run, state
from tests.refinedweb.engine.inline import HookedPool
from tests.refinedweb.engine.inline import run as run_with

PART = 5 << 20


def tasks_committed(out: str) -> int:
    return sum("/manifest/" in key for key in state(out))


def first_put(fault: str) -> Plan:
    """A plan by which the first conditional put gets the fault."""
    met: list[Request] = []

    def plan(request: Request) -> str | None:
        if not request.conditional or met:
            return None
        met.append(request)
        return fault

    return plan


@pytest.mark.parametrize("fault", [faults.LOST, faults.REFUSED_AFTER, faults.FAILED_AFTER, faults.STALLED_AFTER])
def test_the_winner_whose_answer_was_lost_knows_that_it_won(proxy: Proxy, out: str, fault: str) -> None:
    """The lost-response hazard: its own retry gets a 412."""
    store = open_store(out)
    proxy.begin(first_put(fault))
    etag = store.put_new("record", b"token 1")
    assert store.get("record") == (b"token 1", etag)
    proxy.begin(first_put(fault))
    etag = store.put_match("record", b"token 2", etag)
    assert store.get("record") == (b"token 2", etag)


@pytest.mark.parametrize("fault", [faults.LOST, faults.RESET, faults.REFUSE, faults.REFUSED_AFTER, faults.SLOW_DOWN])
def test_who_lost_knows_that_it_lost_whatever_it_is_answered(proxy: Proxy, out: str, fault: str) -> None:
    store = open_store(out)
    etag = store.put_new("record", b"another's")
    proxy.begin(first_put(fault))
    with pytest.raises(Exists):
        store.put_new("record", b"ours")
    proxy.begin(first_put(fault))
    with pytest.raises(Changed):
        store.put_match("record", b"ours", "0" * 32)
    assert store.get("record") == (b"another's", etag)


def test_a_writer_that_came_between_our_lost_request_and_its_retry_has_won(proxy: Proxy, out: str) -> None:
    store = open_store(out)

    def plan(request: Request) -> str | None:
        if request.number == 0:
            return faults.RESET
        if request.number == 2:  # after we read it, and before our second put
            client().put_object(Bucket=out.split("/")[2], Key=f"{out.split('/')[3]}/record", Body=b"another's")
        return None

    proxy.begin(plan)
    with pytest.raises(Exists):
        store.put_new("record", b"ours")
    proxy.begin()
    assert store.get("record")[0] == b"another's"


def test_a_commit_without_any_answer_is_unknown_and_reading_again_resolves_it(proxy: Proxy, out: str) -> None:
    store = open_store(out)
    proxy.begin(lambda request: faults.LOST if request.conditional else faults.RESET)
    with pytest.raises(CommitUnknown):
        store.put_new("record", b"ours")
    proxy.begin()
    assert store.get("record")[0] == b"ours"


def test_the_driver_resolves_an_unknown_commit_by_reading_and_does_no_work_twice(proxy: Proxy, out: str) -> None:
    """The record is written, the answer is lost, and the store is silent until the worker gives up."""
    dark = [False]

    def plan(request: Request) -> str | None:
        if "/manifest/" not in request.path or "list-type" in request.path:
            return None
        dark[0] = dark[0] or request.conditional
        return None if not dark[0] else faults.LOST if request.conditional else faults.RESET

    def light(outcome: object) -> None:
        outcomes.append(getattr(outcome, "kind", None))
        proxy.begin()

    outcomes: list[object] = []
    source = put_input(out)
    proxy.begin(plan)
    result = run_with("url_v1", [source], f"{out}/run", pool=HookedPool(after=light))  # type: ignore[list-item]
    assert outcomes == ["unanswered"]
    assert (result.attempts, result.failed) == (1, {})
    assert tasks_committed(f"{out}/run") == 1


def test_a_listing_is_whole_whichever_page_fails(proxy: Proxy, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that ends at the page that failed would silently lose inputs."""
    monkeypatch.setattr(s3, "LIST_KEYS", 3)
    store = open_store(out)
    keys = [f"{number:03d}" for number in range(8)]
    for key in keys:
        store.put(key, b"x")
    for fault in [kind for kind in KINDS if applies(kind, Request(0, "GET", "?list-type=2", False))]:
        for page in range(3):
            proxy.begin(exactly(page, fault))
            assert [info.key for info in store.list()] == keys
            assert proxy.struck
    proxy.begin(lambda request: faults.SLOW_DOWN if request.number > 0 else None)
    with pytest.raises(RetryError):
        list(store.list())


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_streams, "PART_BYTES", PART)
    monkeypatch.setattr(s3, "READ_AHEAD", BLOCK)


@pytest.mark.parametrize("fault", [kind for kind in KINDS if kind not in (faults.REFUSED_AFTER, faults.CUT_BY_END)])
def test_an_object_in_parts_is_whole_whichever_of_its_requests_fails(
    proxy: Proxy, out: str, fault: str, small_parts: None
) -> None:
    store = open_store(out)
    data = os.urandom(1 << 20) * 6
    number = 0
    while True:
        proxy.begin(exactly(number, fault))
        with store.create("big") as sink:
            sink.write(data)
            written = sink.finish()
        ended = len(proxy.log) <= number
        proxy.begin()
        assert written == (len(data), xxhash.xxh3_128_hexdigest(data))
        with store.open("big", random=True) as file:
            assert file.read() == data
        assert [info.key for info in store.list()] == ["big"], "the companion with the sums is not listed"
        if ended:
            return
        number += 1
        store.delete("big")


@pytest.mark.parametrize("done", [True, False])
def test_an_upload_that_is_gone_was_completed_or_is_written_again(
    proxy: Proxy, out: str, small_parts: None, done: bool
) -> None:
    """A store may forget an upload when it is completed; if that answer is lost, the object itself says so."""
    answers = iter([faults.LOST, faults.GONE] if done else [faults.GONE])

    def plan(request: Request) -> str | None:
        return next(answers, None) if request.method == "POST" and "uploadId=" in request.path else None

    store, data = open_store(out), os.urandom(PART + 1)
    with store.create("big") as sink:
        sink.write(data)
        proxy.begin(plan)
        if done:
            assert sink.finish() == (len(data), xxhash.xxh3_128_hexdigest(data))
        else:
            with pytest.raises(RetryError, match="write it again"):
                sink.finish()
    assert [info.key for info in store.list()] == (["big"] if done else [])
    assert next(answers, None) is None


@pytest.mark.parametrize("parts", [False, True])
def test_no_wrong_byte_of_our_objects_is_used_wherever_one_reads(
    proxy: Proxy, out: str, parts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the sums of blocks, both of an object that was put in one request and of one in parts."""
    if parts:
        monkeypatch.setattr(s3_streams, "PART_BYTES", PART)
    monkeypatch.setattr(s3, "READ_AHEAD", BLOCK)
    store = open_store(out)
    data = os.urandom(1 << 20) * 6
    with store.create("big") as sink:
        sink.write(data)
        sink.finish()
    for first, size in [(0, 10), (BLOCK - 5, 10), (len(data) - 8, 8), (PART - 1, 2), (123, 3 * BLOCK), (0, len(data))]:
        struck = []
        for number in range(3):  # of the requests of opening, which reads the end, and of reading
            proxy.begin(exactly(number, faults.WRONG_BYTE))
            with store.open("big", random=True) as file:
                file.seek(first)
                assert file.read(size) == data[first : first + size]
            struck += proxy.struck
        assert struck
    proxy.begin(exactly(1 + parts, faults.WRONG_BYTE))
    with store.open("big") as file:
        assert file.read() == data
    assert proxy.struck


def test_objects_without_their_sums_are_read_all_the_same(proxy: Proxy, out: str, small_parts: None) -> None:
    """The writer died between the object and its companion with the sums."""
    store = open_store(out)
    data = os.urandom(PART + 1)
    with store.create("big") as sink:
        sink.write(data)
        sink.finish()
    store.delete(sums_key("big"))
    with store.open("big") as file:
        assert file.read() == data


def _put_whole(bucket: str, key: str, data: bytes) -> None:
    client().put_object(Bucket=bucket, Key=key, Body=data)


def _put_in_parts(bucket: str, key: str, data: bytes) -> None:
    at = {"Bucket": bucket, "Key": key}
    upload = client().create_multipart_upload(**at)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(data), PART), 1):
        body = data[start : start + PART]
        etag = client().upload_part(**at, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    client().complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})


@pytest.mark.parametrize("put", [_put_whole, _put_in_parts])
def test_a_wrong_byte_in_an_input_of_others_is_noticed_at_its_end(
    proxy: Proxy, out: str, put: Callable[[str, str, bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "READ_AHEAD", 1 << 20)
    store, data = open_store(out), os.urandom(1 << 20) * 6
    put(out.split("/")[2], f"{out.split('/')[3]}/crawl.warc.gz", data)
    if put is _put_in_parts and _part_bytes(out) != PART:
        pytest.skip("this store does not tell the size of parts")
    assert _read(out) == data
    for number in range(6):
        with store.open("crawl.warc.gz") as file:
            proxy.begin(exactly(number, faults.WRONG_BYTE))
            with pytest.raises(Corrupt, match="REFINEDWEB_S3_ETAGS"):
                _in_pieces(file)
        proxy.begin()
    monkeypatch.setenv("REFINEDWEB_S3_ETAGS", "opaque")
    with store.open("crawl.warc.gz") as file:
        proxy.begin(exactly(0, faults.WRONG_BYTE))
        assert _in_pieces(file) != data


def _in_pieces(file: BinaryIO) -> bytes:
    return b"".join(iter(lambda: file.read(1 << 20), b""))


def _read(out: str) -> bytes:
    with open_store(out).open("crawl.warc.gz") as file:
        return _in_pieces(file)


def _part_bytes(out: str) -> int:
    bucket, _, key = out.removeprefix("s3://").partition("/")
    return int(client().head_object(Bucket=bucket, Key=f"{key}/crawl.warc.gz", PartNumber=1)["ContentLength"])


@pytest.mark.parametrize("kind", [pytest.param(faults.EXPIRED, marks=pytest.mark.slow), faults.SKEWED])
def test_credentials_that_end_within_a_run_stop_it_and_it_resumes(
    proxy: Proxy, out: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = put_input(out)
    proxy.begin()
    run("url_v1", source, f"{out}/quiet")
    requests, quiet = len(proxy.log), state(f"{out}/quiet")
    for number in range(0, requests, 5):
        here = f"{out}/{number}"
        proxy.begin(lambda request, n=number: kind if request.number >= n else None)  # type: ignore[misc]
        with monkeypatch.context() as patch:
            patch.setattr("refinedweb.ledger.holder.started_at", lambda pid: "a process that is dead by the next run")
            with pytest.raises((ConfigError, RetryError, Unfinished), match=r"credentials|clock"):
                run("url_v1", source, here, patience=0.1)
        proxy.begin()
        run("url_v1", source, here)
        assert state(here) == quiet


@pytest.mark.parametrize("what", ["/manifest/000000.json if", "/corpus/", "list-type", "docs.jsonl"])
def test_a_stalled_request_is_given_up_and_asked_again(proxy: Proxy, out: str, what: str) -> None:
    source = put_input(out)
    met: list[Request] = []

    def plan(request: Request) -> str | None:
        if what not in request.what or met:
            return None
        met.append(request)
        return faults.STALL

    proxy.begin(plan)
    run("url_v1", source, f"{out}/run")
    assert met
    assert tasks_committed(f"{out}/run") == 1

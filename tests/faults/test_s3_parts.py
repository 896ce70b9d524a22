"""Objects that others put in parts, however they cut them, and objects that the store encrypts."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.engine.pool import TaskOutcome
from refinedweb.engine.ray_pool import _attempt_shipped
from refinedweb.storage import open_store, s3, s3_streams, s3_sums
from refinedweb.storage.base import ObjectInfo
from refinedweb.storage.s3_client import KMS_KEY, SSE, client
from refinedweb.storage.s3_sums import Corrupt, Digest, PartSizes, etag_of_parts
from refinedweb.storage.settings import store_settings
from stages.errors import ConfigError, RetryError
from tests.conftest import ON_MOTO
from tests.examples import examples
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy, Request
from tests.faults.runs import put_input
from tests.refinedweb.cli.command import refinedweb

MD5 = s3_sums._md5


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 4), st.booleans(), st.integers(1, 30))
def test_right_bytes_never_fail_and_wrong_ones_do_if_the_parts_are_known(
    sizes: list[int], few: int, says: bool, step: int
) -> None:
    """Any split, whichever parts are asked for at once, and whether the store says their sizes or not."""
    data = bytes(n % 251 for n in range(sum(sizes)))
    ends = list(itertools.accumulate(sizes))
    etag = etag_of_parts([MD5(data[end - size : end]).digest() for end, size in zip(ends, sizes, strict=True)])
    parts = PartSizes(ObjectInfo("k", len(data), etag), lambda number: sizes[number - 1] if says else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_sums, "FEW_PARTS", few)
        likely = parts.likely()
        if likely is None:
            assert not says
            return
        _digest(Digest(etag, likely, parts.known_unlike), data, step)
        if data and likely == sizes:
            wrong = data[:-1] + bytes([data[-1] ^ 1])
            with pytest.raises(Corrupt):
                _digest(Digest(etag, likely, parts.known_unlike), wrong, step)


def _digest(digest: Digest, data: bytes, step: int) -> None:
    for start in range(0, len(data), step):
        digest.update(data[start : start + step])
    digest.check("k")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and reads of a few bytes, which stores outside of the tests do not take."""
    if not ON_MOTO:
        pytest.skip("this store wants parts of 5 MiB")
    monkeypatch.setattr(s3, "READ_AHEAD", 16)
    monkeypatch.setattr(s3, "SMALL", 16)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("few", [16, 1])
def test_an_object_in_parts_of_any_size_is_read(s3_server: str, few: int) -> None:
    out = f"{s3_server}/{uuid.uuid4().hex[:12]}"

    @given(st.lists(st.integers(1, 60), min_size=1, max_size=6))
    @settings(max_examples=examples(15))
    def reads(sizes: list[int]) -> None:
        data = put_in_parts(out, sizes)
        with open_store(out).open("crawl.gz") as file:
            assert file.read() == data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_sums, "FEW_PARTS", few)
        reads()
        data = put_in_parts(out, [6, 5, 5])  # which three parts of six bytes would hold, too
        with open_store(out).open("crawl.gz") as file:
            assert file.read() == data


def put_in_parts(out: str, sizes: list[int]) -> bytes:
    """Another program's upload; its bytes."""
    bucket, _, prefix = out.removeprefix("s3://").partition("/")
    at = {"Bucket": bucket, "Key": f"{prefix}/crawl.gz"}
    upload, parts, data = client().create_multipart_upload(**at)["UploadId"], [], bytes(range(97, 123)) * 20
    start = 0
    for number, size in enumerate(sizes, 1):
        body = data[start : start + size]
        start += size
        etag = client().upload_part(**at, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    client().complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
    return data[:start]


# Encryption ------------------------------------------------------------------------------------------------------


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    if not ON_MOTO:
        pytest.skip("this store has no KMS")
    name = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    monkeypatch.setenv(KMS_KEY, name)
    monkeypatch.setattr(s3_streams, "PART_BYTES", 1 << 10)
    return name


def heads(out: str) -> Iterator[dict[str, str]]:
    bucket, _, prefix = out.removeprefix("s3://").partition("/")
    for item in client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]:
        yield client().head_object(Bucket=bucket, Key=item["Key"])


def write_all_kinds(out: str) -> None:
    store = open_store(out)
    store.put("put", b"x")
    etag = store.put_new("new", b"x")
    assert store.put_match("new", b"y", etag) == store.get("new")[1]
    for name, size in (("one", 10), ("parts", 5000)):
        with store.create(name) as sink:
            sink.write(b"x" * size)
            sink.finish()
        with store.open(name) as file:
            assert file.read() == b"x" * size


def test_everything_that_is_written_is_encrypted_with_the_key(key: str, out: str) -> None:
    write_all_kinds(out)
    found = [(head.get("ServerSideEncryption"), head.get("SSEKMSKeyId")) for head in heads(out)]
    assert found == [("aws:kms", key)] * 5, "four objects, and the sums of one"


def test_everything_that_is_written_is_encrypted_without_a_key(
    key: str, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KMS_KEY)
    monkeypatch.setenv(SSE, "AES256")
    write_all_kinds(out)
    assert [head.get("ServerSideEncryption") for head in heads(out)] == ["AES256"] * 5


def test_a_run_is_encrypted_with_the_key_of_its_option(key: str, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KMS_KEY, "")  # and so it is forgotten after the test
    source = put_input(f"{out}-input")
    refinedweb("run", "url_v1", source, out, "--kms-key", key)
    found = list(heads(out))
    assert len(found) > 3
    assert {head.get("SSEKMSKeyId") for head in found} == {key}
    assert "--kms-key" in refinedweb("run", "url_v1", source, "elsewhere", "--kms-key", key, code=2).stderr


def test_settings_that_contradict_each_other_are_wrong_use(key: str, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, message in (("AES256", "takes no key"), ("rot13", "known: AES256")):
        monkeypatch.setenv(SSE, value)
        with pytest.raises(ConfigError, match=message):
            open_store(out).put("k", b"x")


def test_an_encrypted_upload_whose_answer_was_lost_is_known_by_its_token(key: str, proxy: Proxy, out: str) -> None:
    """Its etag says nothing about its bytes; an older object of that name and size is not taken for it."""
    store = open_store(out)
    for answers, done in (([faults.GONE], False), ([faults.LOST, faults.GONE], True)):
        left = iter(answers)

        def plan(request: Request, left: Iterator[str] = left) -> str | None:
            return next(left, None) if request.method == "POST" and "uploadId=" in request.path else None

        with store.create("k") as sink:
            sink.write(b"y" * 3000)
            proxy.begin(plan)
            if done:
                sink.finish()
            else:
                with pytest.raises(RetryError, match="write it again"):
                    sink.finish()
    with store.open("k") as file:
        assert file.read() == b"y" * 3000


def test_a_worker_elsewhere_gets_the_settings_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KMS_KEY, "ours")
    shipped = store_settings()
    monkeypatch.delenv(KMS_KEY)

    def work(task: int, payload: object, careful: bool) -> dict[str, str]:
        return store_settings()

    assert _attempt_shipped((work, shipped), 0, None, False) == TaskOutcome("done", {KMS_KEY: "ours"})

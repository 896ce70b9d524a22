"""`doctor` tells a store with true conditional puts from one where they hold only for one client at a time."""

from __future__ import annotations

import os
import uuid

import pytest

from refinedweb import doctor
from refinedweb.storage import Exists, open_store
from refinedweb.storage.s3_client import client
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy

ON_RGW = os.environ.get("REFINEDWEB_TEST_S3") == "rgw"
RACED = ("atomic create", "compare and swap")


@pytest.fixture
def few_racers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few, because each racer is a process that imports boto3."""
    monkeypatch.setattr(doctor, "RACERS", 3)
    monkeypatch.setattr(doctor, "ROUNDS", 3)


@pytest.mark.usefixtures("few_racers")
@pytest.mark.parametrize("kind", [faults.UNLOCKED, faults.LOCKED])
def test_doctor_finds_a_store_that_keeps_its_word_to_one_client_only(proxy: Proxy, out: str, kind: str) -> None:
    if kind == faults.UNLOCKED and ON_RGW:
        pytest.skip("the proxy cannot take a condition out of a request whose signature is checked")
    proxy.begin(lambda request: kind if request.conditional else None)
    store = open_store(out)
    store.put_new("alone", b"first")
    with pytest.raises(Exists):
        store.put_new("alone", b"second")
    checks = {check.name: check for check in doctor.check_store(out)}
    assert checks["checksums"].fit
    for name in RACED:
        assert checks[name].fit == (kind == faults.LOCKED), checks[name]
    assert [info.key for info in store.list()] == ["alone"]


@pytest.mark.skipif(not ON_RGW, reason="needs REFINEDWEB_TEST_S3=rgw")
@pytest.mark.parametrize("versioned", [False, True])
def test_doctor_tells_the_buckets_of_a_real_store_apart(s3_server: str, versioned: bool) -> None:
    """In Ceph RGW 16 they hold on an unversioned bucket; on a versioned one all racing writers win."""
    bucket = f"doctor-{uuid.uuid4().hex[:12]}"
    client().create_bucket(Bucket=bucket)
    if versioned:
        client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    checks = {check.name: check for check in doctor.check_store(f"s3://{bucket}/out")}
    assert checks["checksums"].found == "uploads are checked, etags hold"
    assert checks["atomic create"].fit != versioned, checks
    if not versioned:
        assert all(check.fit for check in checks.values()), checks

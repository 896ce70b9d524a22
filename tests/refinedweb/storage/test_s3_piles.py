"""What `doctor` sees of leftovers on S3, and that the rule which it prints is accepted and ends the complaint."""

from __future__ import annotations

import json
import shlex
import uuid
from typing import Any

import boto3
import pytest

from refinedweb.doctor import check_store
from refinedweb.storage.s3_piles import piles


@pytest.fixture
def bucket(s3_server: str) -> str:
    del s3_server  # it serves all buckets
    name = f"piles-{uuid.uuid4().hex[:8]}"
    s3().create_bucket(Bucket=name)
    return name


def s3() -> Any:
    return boto3.client("s3", region_name="us-east-1")


def carry_out(command: str) -> None:
    """What the AWS command line would do."""
    words = shlex.split(command)
    assert words[:3] == ["aws", "s3api", "put-bucket-lifecycle-configuration"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    s3().put_bucket_lifecycle_configuration(
        Bucket=options["--bucket"], LifecycleConfiguration=json.loads(options["--lifecycle-configuration"])
    )


def test_a_clean_bucket_is_fit(bucket: str) -> None:
    assert [(pile.found, pile.lifecycle) for pile in piles(f"s3://{bucket}/out")] == [
        ("0", None), ("none, the bucket is not versioned", None),
    ]  # fmt: skip


def test_unfinished_uploads_are_seen_below_the_prefix_only(bucket: str) -> None:
    for key in ("out/a", "out/b", "outside/c"):
        s3().create_multipart_upload(Bucket=bucket, Key=key)
    uploads, _ = piles(f"s3://{bucket}/out/")
    assert uploads.found == "2"
    assert uploads.lifecycle is not None
    carry_out(uploads.lifecycle)
    uploads, _ = piles(f"s3://{bucket}/out")
    assert (uploads.found, uploads.lifecycle) == ("2, which a life-cycle rule removes", None)
    assert piles(f"s3://{bucket}/outside")[0].lifecycle is not None, "that rule is about another prefix"


def test_old_versions_of_claims_are_seen_and_other_rules_stay(bucket: str) -> None:
    own = {"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}}
    s3().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [own]})
    s3().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(4):
        s3().put_object(Bucket=bucket, Key="out/00-filter/claims/000000.json", Body=b"{}")
    for _ in range(2):
        s3().put_object(Bucket=bucket, Key="out/run.json", Body=b"{}")
    _, versions = piles(f"s3://{bucket}/out")
    assert versions.found.startswith("4 (versioning: Enabled); each driver")
    assert versions.lifecycle is not None
    carry_out(versions.lifecycle)
    _, versions = piles(f"s3://{bucket}/out")
    assert versions.lifecycle is None
    rules = s3().get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [rule["ID"] for rule in rules] == ["mine", "refinedweb out/"]


def test_a_store_that_does_not_tell_is_not_unfit(bucket: str) -> None:
    assert all(pile.lifecycle is None and "not known" in pile.found for pile in piles("s3://no-such-bucket-at-all/out"))


@pytest.mark.slow
def test_doctor_prints_the_rule(bucket: str) -> None:
    s3().create_multipart_upload(Bucket=bucket, Key="out/a")
    checks = {check.name: check for check in check_store(f"s3://{bucket}/out")}
    assert not checks["unfinished uploads"].fit
    assert "put-bucket-lifecycle-configuration" in checks["unfinished uploads"].advice
    assert checks["old versions"].fit

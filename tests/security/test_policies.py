"""The IAM policies allow what the code calls, and nothing else: read from the source, and recorded while it runs."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import pytest

import refinedweb as rw
from jobs.watch.decide import Event
from jobs.watch.watcher import ledger_progress, record
from refinedweb.doctor import check_store
from refinedweb.storage import open_store, s3_client
from refinedweb.views.export import export
from refinedweb.views.verify import verify
from tests.conftest import ROOT
from tests.refinedweb.engine.inline import ok, run, write_shards
from tests.refinedweb.views.small_run import page, prose

POLICIES = ROOT / "jobs" / "deploy" / "policies"
# What a role is for, and whose calls it makes. The rest of the package reaches S3 through `refinedweb/storage`.
SOURCES = {
    "job": ("refinedweb/storage/s3*.py", "jobs/container/*.py"),
    "launcher": ("jobs/launch/*.py", "jobs/watch/alarms*.py", "refinedweb/storage/s3*.py"),
    "watcher": ("jobs/watch/aws.py", "jobs/watch/watcher.py"),
    "reader": (),
}
SERVICES = ("s3", "sagemaker", "cloudwatch", "logs", "ecr", "sts", "iam", "service-quotas", "secretsmanager", "ssm")
OTHERS = {"search", "list_commands"}  # operations of AWS with the names of methods of other things
NOT_OURS = "By"  # statements of what SageMaker and docker do with the role's rights
ACTIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
}
# What no call of ours names: a role that is handed on, and the key of encrypted objects.
IMPLIED = {"iam:PassRole", "kms:Decrypt", "kms:GenerateDataKey"}
DOCTOR = {
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:GetBucketVersioning",
    "s3:GetLifecycleConfiguration",
}


def statements(role: str) -> list[dict[str, Any]]:
    policy = json.loads((POLICIES / f"{role}.json").read_text(encoding="utf-8"))
    assert policy["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = policy["Statement"]
    return found


def actions(role: str, *, ours: bool = True) -> set[str]:
    chosen = [s for s in statements(role) if not (ours and s["Sid"].startswith(NOT_OURS))]
    return {action for statement in chosen for action in statement["Action"]}


@lru_cache(maxsize=1)
def operations() -> dict[str, str]:
    """The action of every method of a client of one of the services."""
    found = {}
    for service in SERVICES:
        client = boto3.client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
        prefix = service.replace("-", "")
        for method, operation in client.meta.method_to_api_mapping.items():
            if method not in OTHERS:
                action = f"{prefix}:{operation}"
                found[method] = ACTIONS.get(action, action)
    return found


def called(path: Path) -> set[str]:
    """The actions of the methods that a module names, as attributes or as strings."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return {operations()[name] for name in names & operations().keys()}


def called_by(role: str) -> set[str]:
    paths = [path for pattern in SOURCES[role] for path in ROOT.glob(pattern)]
    return {action for path in paths for action in called(path)}


def test_every_call_in_the_source_is_one_of_a_role() -> None:
    packages = [path for package in ("refinedweb", "jobs") for path in (ROOT / package).rglob("*.py")]
    everything = {action for path in packages for action in called(path)}
    assert len(everything) > 15
    assert everything == {action for role in SOURCES for action in called_by(role)}


@pytest.mark.parametrize("role", SOURCES)
def test_a_role_may_do_what_its_code_calls_and_nothing_else(role: str) -> None:
    calls = called_by(role)
    allowed = actions(role) - IMPLIED
    storage = {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"}
    assert calls - allowed <= (DOCTOR if role == "job" else set())
    assert allowed - calls <= (storage if role in ("watcher", "reader") else set())


@pytest.mark.parametrize("role", SOURCES)
def test_nothing_is_allowed_on_everything_that_has_a_name(role: str) -> None:
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in statement["Action"])
        nameless = {"ecr:GetAuthorizationToken", "cloudwatch:GetMetricData", "cloudwatch:PutMetricData"}
        nameless |= {"sts:GetCallerIdentity", "servicequotas:ListServiceQuotas"}
        nameless |= {"servicequotas:ListAWSDefaultServiceQuotas"}
        assert "*" not in statement["Resource"] or set(statement["Action"]) <= nameless


def test_who_reads_cannot_write() -> None:
    assert actions("reader", ours=False) == {"s3:GetObject", "s3:ListBucket", "kms:Decrypt"}


# Recorded on S3 ---------------------------------------------------------------------------------------------------


@contextmanager
def recorded() -> Iterator[set[tuple[str, str]]]:
    """Every request to S3 meanwhile: its action and what it is about."""
    calls = set()

    def note(params: dict[str, Any], model: Any, **more: Any) -> None:
        action = f"s3:{model.name}"
        several = [item["Key"] for item in params.get("Delete", {}).get("Objects", ())]
        for key in several or [params.get("Key")]:
            resource = "/".join(filter(None, (params["Bucket"], key)))
            calls.add((ACTIONS.get(action, action), f"arn:aws:s3:::{resource}"))

    events = s3_client.client().meta.events
    events.register("before-parameter-build.s3", note)
    try:
        yield calls
    finally:
        events.unregister("before-parameter-build.s3", note)


def refused(role: str, calls: set[tuple[str, str]], names: dict[str, str]) -> list[tuple[str, str]]:
    """The calls that the policy of the role does not allow."""
    allowed = []
    for statement in statements(role):
        for resource in statement["Resource"]:
            for placeholder, value in names.items():
                resource = resource.replace(placeholder, value)
            allowed += [(action, resource) for action in statement["Action"]]
    return sorted(call for call in calls if not any(a == call[0] and fnmatchcase(call[1], r) for a, r in allowed))


def test_recorded_runs_and_views_do_what_their_policies_allow(s3_server: str, tmp_path: Path) -> None:
    bucket = s3_server.removeprefix("s3://").partition("/")[0]
    base = f"{s3_server}/{tmp_path.name}"
    prefix = base.removeprefix(f"s3://{bucket}/")
    names = {"INPUT_BUCKET/INPUT_PREFIX": f"{bucket}/{prefix}/in"}
    names |= {"OUTPUT_BUCKET/OUTPUT_PREFIX": f"{bucket}/{prefix}/out"}
    names |= {"CHAIN_BUCKET/CHAIN_PREFIX": f"{bucket}/{prefix}/chain"}
    names |= dict.fromkeys(("INPUT_BUCKET", "OUTPUT_BUCKET", "CHAIN_BUCKET"), bucket)
    out = f"{base}/out"
    for number, shard in enumerate(write_shards([page(f"p{n}", prose(n)) for n in range(6)], tmp_path / "in", 2)):
        open_store(f"{base}/in").put(f"{number}.jsonl", shard.read_bytes())
    with recorded() as calls:
        ok(run("quality_v1,exact_v1", [f"{base}/in"], out))  # type: ignore[list-item]
        with open_store(out).create("large") as sink:  # in parts
            for _ in range(5):
                sink.write(b"x" * (8 << 20))
            sink.finish()
        open_store(out).delete("large")
    assert {action for action, _ in calls} >= {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"}
    assert refused("job", calls, names) == []
    assert refused("reader", calls, names)
    with recorded() as calls:
        opened = rw.open(out)
        opened._repr_html_()
        opened.sample(3)
        opened.pairs("exact")
        verify(out)
        export(out, str(tmp_path / "exported"), "falcon", "jsonl")
    assert refused("reader", calls, names) == []
    with recorded() as calls:
        ledger_progress(out)
        record(open_store(f"{base}/chain/c.json.watch"), 0, Event("launch"))
    assert refused("watcher", calls, names) == []


def test_doctor_does_what_a_launcher_may(s3_server: str, tmp_path: Path) -> None:
    bucket, _, rest = s3_server.removeprefix("s3://").partition("/")
    checked = f"{s3_server}/{tmp_path.name}"
    prefix = f"{rest}/{tmp_path.name}".lstrip("/")
    names = {"OUTPUT_BUCKET/OUTPUT_PREFIX": f"{bucket}/{prefix}", "OUTPUT_BUCKET": bucket}
    unversioned = DOCTOR - {"s3:ListBucketVersions"}
    with recorded() as calls:
        for _ in check_store(checked):
            if {action for action, _ in calls} >= unversioned:  # what follows are races of other processes
                break
    assert {action for action, _ in calls} >= unversioned
    assert refused("launcher", calls, names) == []

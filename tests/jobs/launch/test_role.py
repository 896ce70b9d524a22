"""Where the role of a job comes from when none is given, and the quota that it would exceed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner

from jobs.cli import job
from jobs.launch import quota, role
from stages.errors import ConfigError
from tests.jobs.launch.sample_job import IMAGE, JOB, ROLE


def stubbed(monkeypatch: pytest.MonkeyPatch, *services: str) -> dict[str, Stubber]:
    """Clients whose answers are scripted and checked against the service's model."""
    clients = {
        name: boto3.client(name, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        for name in services
    }
    stubs = {name: Stubber(client) for name, client in clients.items()}
    for stub in stubs.values():
        stub.activate()
    monkeypatch.setattr(boto3.session.Session, "client", lambda self, name, **_: clients[name])
    monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
    return stubs


def metadata(folder: Path, **known: str) -> Path:
    path = folder / "resource-metadata.json"
    path.write_text(json.dumps(known))
    return path


def test_a_notebook_has_a_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubs = stubbed(monkeypatch, "sagemaker")
    assert role.find_role("us-east-1", metadata(tmp_path, ExecutionRoleArn=ROLE)) == ROLE
    stubs["sagemaker"].add_response("describe_notebook_instance", {"RoleArn": ROLE}, {"NotebookInstanceName": "mine"})
    assert role.find_role("us-east-1", metadata(tmp_path, ResourceName="mine")) == ROLE
    asked = {"DomainId": "d-1", "UserProfileName": "me"}
    stubs["sagemaker"].add_response("describe_user_profile", {"UserSettings": {}}, asked)
    stubs["sagemaker"].add_response(
        "describe_domain", {"DefaultUserSettings": {"ExecutionRole": ROLE}}, {"DomainId": "d-1"}
    )
    assert role.find_role("us-east-1", metadata(tmp_path, DomainId="d-1", UserProfileName="me")) == ROLE


def test_whoever_calls_as_a_role_runs_as_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubs = stubbed(monkeypatch, "sagemaker", "sts", "iam")
    caller = {"Arn": "arn:aws:sts::123456789012:assumed-role/curation/session"}
    stubs["sts"].add_response("get_caller_identity", caller)
    found = {"Path": "/team/", "RoleName": "curation", "RoleId": "x" * 16, "Arn": ROLE, "CreateDate": 0}
    stubs["iam"].add_response("get_role", {"Role": found}, {"RoleName": "curation"})
    assert role.find_role("us-east-1", tmp_path / "none") == ROLE, "with its path, which the caller's name leaves out"
    stubs["sts"].add_response("get_caller_identity", {"Arn": "arn:aws:iam::123456789012:user/me"})
    with pytest.raises(ConfigError, match=r"user/me calls AWS, which is not a role.*SAGEMAKER_ROLE"):
        role.find_role("us-east-1", tmp_path / "none")


def launch(*words: str, **environment: str) -> Any:
    nothing = {"SAGEMAKER_ROLE": None, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true"}
    arguments = ["launch", "url_v1", "s3://in", "s3://out", "--image", IMAGE, "--region", "us-east-1", *words]
    return CliRunner().invoke(job, arguments, env={**nothing, **environment})


def test_a_dry_run_needs_no_role_and_a_launch_does() -> None:
    done = launch("--dry-run")
    assert done.exit_code == 0, done.output
    assert "give --role" in done.output
    assert "GIVEN-AT-LAUNCH" in done.output
    assert "Quota     not known" in done.output
    assert isinstance(launch().exception, ConfigError)


def test_the_policies_options_are_in_the_request() -> None:
    key, arn = "arn:aws:kms:us-east-1:123456789012:key/1", "arn:aws:ssm:us-east-1:123456789012:parameter/hub"
    words = ["--kms-key", key, "--encrypt-traffic", "--subnet", "subnet-1", "--security-group", "sg-1"]
    done = launch("--dry-run", "--role", ROLE, *words, "--tag", "team=data", "--secret", f"HF_TOKEN={arn}")
    assert done.exit_code == 0, done.output
    for shown in (
        f'"VolumeKmsKeyId": "{key}"', f'"KmsKeyId": "{key}"', '"EnableInterContainerTrafficEncryption": true',
        f'"REFINEDWEB_S3_KMS_KEY": "{key}"', f'"REFINEDWEB_SECRET_HF_TOKEN": "{arn}"',
    ):  # fmt: skip
        assert shown in done.output
    assert isinstance(launch("--dry-run", "--role", ROLE, "--tag", "aws:x=1").exception, ConfigError)
    assert isinstance(launch("--dry-run", "--role", ROLE, "--tag", "a=1", "--tag", "a=2").exception, ConfigError)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "ml.c5.18xlarge for processing job usage"),
        ({"instances": 101}, "ml.c5.18xlarge for training job usage"),
        ({"spot": True}, "ml.c5.18xlarge for spot training job usage"),
    ],
)
def test_more_machines_than_the_account_may_have_are_refused(
    change: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = replace(JOB, **change)
    stub = stubbed(monkeypatch, "service-quotas")["service-quotas"]
    for value in (wanted.instances, wanted.instances - 1):
        stub.add_response("list_service_quotas", {"Quotas": []}, {"ServiceCode": "sagemaker"})
        stub.add_response(
            "list_aws_default_service_quotas",
            {"Quotas": [{"QuotaName": "other", "Value": 0.0}, {"QuotaName": name, "Value": float(value)}]},
            {"ServiceCode": "sagemaker"},
        )
    assert quota.check_quota(wanted, "us-east-1").startswith(f"{wanted.instances} × ml.c5.18xlarge")
    with pytest.raises(ConfigError, match=f"the quota '{name}' of this account in us-east-1 is"):
        quota.check_quota(wanted, "us-east-1")
    stub.add_client_error("list_service_quotas", "AccessDeniedException", "no")
    assert "not known" in quota.check_quota(wanted, "us-east-1")

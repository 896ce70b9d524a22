"""Values that a host fetches: from Secrets Manager and SSM (moto's server), patiently, and never shown."""

from __future__ import annotations

import uuid

import boto3
import pytest
from botocore.exceptions import ClientError

from jobs.container import secrets
from jobs.launch.spec import SECRET_OF
from stages.errors import ConfigError


def test_values_come_from_both_services(s3_server: str) -> None:
    del s3_server  # moto serves them at the same address
    name = f"hub-{uuid.uuid4().hex[:8]}"
    region = {"region_name": "us-east-1"}
    made = boto3.client("secretsmanager", **region).create_secret(Name=name, SecretString="swordfish")
    boto3.client("ssm", **region).put_parameter(Name=f"/team/{name}", Value="tuna", Type="SecureString")
    environment = {
        f"{SECRET_OF}HF_TOKEN": made["ARN"],
        f"{SECRET_OF}OTHER": f"arn:aws:ssm:us-east-1:123456789012:parameter/team/{name}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    assert secrets.fetch(environment) == {"HF_TOKEN": "swordfish", "OTHER": "tuna"}
    with pytest.raises(ConfigError, match=r"HF_TOKEN cannot be fetched .*secretsmanager:GetSecretValue"):
        secrets.fetch({f"{SECRET_OF}HF_TOKEN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:nothing"})


def test_a_busy_service_is_asked_again_and_a_refusal_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = []

    def value(arn: str) -> str:
        code = answers.pop()
        if code is None:
            return "swordfish"
        raise ClientError({"Error": {"Code": str(code), "Message": "no"}}, "GetSecretValue")

    monkeypatch.setattr(secrets, "_value", value)
    pauses: list[float] = []
    answers = [None, "InternalServiceError", "ThrottlingException"]
    assert secrets.fetch({f"{SECRET_OF}A": "arn"}, pauses.append) == {"A": "swordfish"}
    assert pauses == [2.0, 4.0]
    answers = ["x", "AccessDeniedException"]
    with pytest.raises(ConfigError, match="A cannot be fetched from arn"):
        secrets.fetch({f"{SECRET_OF}A": "arn"}, pauses.append)
    assert len(pauses) == 2
    answers = ["ThrottlingException"] * 9
    with pytest.raises(ConfigError, match="ThrottlingException"):
        secrets.fetch({f"{SECRET_OF}A": "arn"}, pauses.append)

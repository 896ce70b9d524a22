"""The variables whose values the launch did not send: fetched by every host, for the run's environment only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs.launch.spec import SECRET_OF
from stages.errors import ConfigError

ATTEMPTS = 5  # a hundred hosts ask at once
FIRST_PAUSE = 2.0  # seconds; each later pause is twice as long
PASSING = {"ThrottlingException", "InternalServiceError", "InternalServerError", "RequestLimitExceeded"}


def fetch(environment: Mapping[str, str], pause: Callable[[float], None] = time.sleep) -> dict[str, str]:
    """The value of each variable that REFINEDWEB_SECRET_<NAME> names by its ARN. Raises ConfigError."""
    named = {key.removeprefix(SECRET_OF): arn for key, arn in environment.items() if key.startswith(SECRET_OF)}
    return {name: _patiently(name, arn, pause) for name, arn in named.items()}


def _patiently(name: str, arn: str, pause: Callable[[float], None]) -> str:
    for attempt in range(ATTEMPTS):
        try:
            return _value(arn)
        except (BotoCoreError, ClientError) as error:
            code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
            if (isinstance(error, ClientError) and code not in PASSING) or attempt + 1 == ATTEMPTS:
                raise ConfigError(
                    f"the value of {name} cannot be fetched from {arn}: {error}; the role of the job needs "
                    "secretsmanager:GetSecretValue or ssm:GetParameter on it, and kms:Decrypt on its key"
                ) from error
        pause(FIRST_PAUSE * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _value(arn: str) -> str:
    _, _, service, region, _, what = arn.split(":", 5)
    client: Any = boto3.client(
        "secretsmanager" if service == "secretsmanager" else "ssm",
        region_name=region,
        config=Config(connect_timeout=10, read_timeout=20, retries={"total_max_attempts": 1}),
    )
    if service == "ssm":
        return str(client.get_parameter(Name=what.removeprefix("parameter"), WithDecryption=True)["Parameter"]["Value"])
    return str(client.get_secret_value(SecretId=arn)["SecretString"])

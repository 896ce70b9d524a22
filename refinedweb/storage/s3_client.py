"""The process's one S3 client, made of the usual AWS settings and of ours.

It never retries by itself: a retry inside boto3 could report to the true winner of a conditional put that it lost, and
would ignore the pace of the prefix (see `s3_pace`).
"""

from __future__ import annotations

import os
import time
from functools import lru_cache
from typing import Any

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config

from stages.errors import ConfigError

CONNECT_SECONDS = 10.0  # a host that takes longer is down; `s3_pace` tries again
READ_SECONDS = 60.0  # without a byte: boto3's own default
CONNECTIONS = 32  # kept open: twice `s3.PARALLEL`, so that no thread waits for a connection
# Of the metadata service, which gives a machine its credentials. By default boto3 asks it once, for a second, which is
# too little when all workers of a machine ask at the same time.
METADATA = {"metadata_service_timeout": 3, "metadata_service_num_attempts": 4}

KMS_KEY = "REFINEDWEB_S3_KMS_KEY"
SSE = "REFINEDWEB_S3_SSE"
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")


class _Made:
    """When the client was made, so that many threads whose credentials are refused replace it once."""

    at = float("-inf")


@lru_cache(maxsize=1)
def client() -> Any:
    """Create the client in a session of its own, once per process. Raises ConfigError for unusable settings."""
    unsigned = os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in {"YES", "TRUE", "1"}
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=CONNECTIONS,
        # every upload carries its MD5, which all stores check; only some know the newer checksums
        request_checksum_calculation="when_required",
        signature_version=UNSIGNED if unsigned else None,
    )
    try:
        made = boto3.Session(botocore_session=_session()).client("s3", config=config)
    except ValueError as error:  # an endpoint that is not a URL, a proxy or a number that is none
        raise ConfigError(f"the AWS settings are unusable: {error}; check AWS_ENDPOINT_URL and the profile") from error
    _Made.at = time.monotonic()
    return made


def renew(since: float) -> None:
    """Let the next request make a new client, which looks for credentials anew, unless that happened after `since`.

    `since` is a time of `time.monotonic`. A client keeps what it has found: expired credentials, or none.
    """
    if _Made.at <= since:
        client.cache_clear()


def _session() -> botocore.session.Session:
    session = botocore.session.Session()
    given = session.get_scoped_config()
    for name, value in METADATA.items():
        if name not in given and f"AWS_{name.upper()}" not in os.environ:
            session.set_config_variable(name, value)
    region = os.environ.get("AWS_REGION")  # which all AWS tools read but boto3
    if region and "AWS_DEFAULT_REGION" not in os.environ:
        session.set_config_variable("region", region)
    return session


def request_payer() -> dict[str, Any]:
    """The extra argument of every request to a requester-pays bucket."""
    payer = os.environ.get("AWS_REQUEST_PAYER")
    return {} if payer is None else {"RequestPayer": payer}


def encryption() -> dict[str, str]:
    """The extra arguments of everything that begins an object: how the store encrypts it.

    Raises ConfigError if the settings contradict each other or name something that S3 does not know.
    """
    key, kind = os.environ.get(KMS_KEY, ""), os.environ.get(SSE, "")
    if kind and kind not in _ENCRYPTIONS:
        raise ConfigError(f"{SSE}={kind!r} is unknown; known: {', '.join(_ENCRYPTIONS)}")
    if not key:
        return {"ServerSideEncryption": kind} if kind else {}
    if kind == "AES256":
        raise ConfigError(f"{SSE}=AES256 takes no key; unset it, or unset {KMS_KEY}")
    return {"ServerSideEncryption": kind or "aws:kms", "SSEKMSKeyId": key}

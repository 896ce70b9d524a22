"""The process's one S3 client, and what its errors mean for the caller.

It never retries by itself: a retry inside boto3 could report to the true winner of a conditional put that it lost, and
would ignore the pace of the prefix (see `s3_pace`).
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from refinedweb.storage.base import Changed, Missing
from stages.errors import ConfigError, RefinedWebError, RetryError

CONNECT_SECONDS = 10.0  # a host that takes longer is down; `s3_pace` tries again
READ_SECONDS = 60.0  # without a byte: boto3's own default
CONNECTIONS = 32  # kept open: twice `s3.PARALLEL`, so that no thread waits for a connection

FAULTS = (ClientError, BotoCoreError, ResponseParserError, HTTPError)
"""Everything that a request may raise: refusals, lost connections, truncated bodies, answers that make no sense."""

_REFUSED = {"PreconditionFailed", "412"}
_MISSING = {"NoSuchKey", "404", "NotFound"}
_DENIED = {
    "AccessDenied", "403", "401", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "PermanentRedirect",
    "AuthorizationHeaderMalformed", "AllAccessDisabled", "AccountProblem",
}  # fmt: skip
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestExpired"}
_SKEWED = {"RequestTimeTooSkewed"}
_SLOW = {
    "SlowDown", "503", "429", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded",
    "TooManyRequests", "BandwidthLimitExceeded", "RequestThrottled",
}  # fmt: skip


class Throttled(RetryError):
    """The store wants fewer requests under this prefix."""


class UploadGone(RetryError):
    """There is no such multipart upload: it was completed or aborted earlier, or never begun."""


@lru_cache(maxsize=1)
def client() -> Any:
    """Create the client from the usual AWS settings, once per process."""
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
    return boto3.client("s3", config=config)


def request_payer() -> dict[str, Any]:
    """The extra argument of every request to a requester-pays bucket."""
    payer = os.environ.get("AWS_REQUEST_PAYER")
    return {} if payer is None else {"RequestPayer": payer}


def translated(uri: str, error: Exception) -> RefinedWebError:
    """The error that says what to do next. Raise it from the original, so that nothing of it is lost."""
    if not isinstance(error, ClientError):
        unusable = "Credentials" in type(error).__name__ or "Profile" in type(error).__name__
        hint = "; for public buckets set AWS_NO_SIGN_REQUEST=YES" if unusable else ""
        return (ConfigError if unusable else RetryError)(f"{uri}: {error}{hint}")
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _MISSING:
        return Missing(f"no object {uri}")
    if code in _REFUSED:
        return Changed(f"{uri} was replaced while it was being read")
    if code in _SLOW:
        return Throttled(f"{uri}: the store answered {code}; it wants fewer requests at a time")
    if code == "NoSuchUpload":
        return UploadGone(f"{uri}: the store answered {code}")
    return _unusable(uri, code) or RetryError(f"{uri}: the store answered {code or error}")


def _unusable(uri: str, code: str) -> ConfigError | None:
    if code in _EXPIRED:
        return ConfigError(f"{uri}: {code}; renew your AWS credentials, then run the same command again: it resumes")
    if code in _SKEWED:
        return ConfigError(f"{uri}: {code}; this machine's clock is wrong: set it (NTP), then run again")
    if code in _DENIED:
        return ConfigError(f"{uri}: {code}; check the bucket's name, region, your AWS credentials and the clock")
    if code == "400":  # the answer to a HEAD has no body that could say more
        return ConfigError(f"{uri}: the store answered 400; check that your AWS credentials have not expired")
    return None

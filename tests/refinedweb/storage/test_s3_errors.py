"""Laws of what a store's answer means, over every status and every code that S3 has."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from refinedweb.storage import Changed, Missing, s3_errors
from refinedweb.storage.retry_after import MOST_SECONDS, seconds_asked
from refinedweb.storage.s3_errors import Denied, Expired, Unproven, UploadGone, rule_of, translated
from stages.errors import ConfigError, Full, RefinedWebError, RetryError, ShardError, Throttled, Unanswered

TRANSIENT_4XX = {408, 409, 425, 429}
OTHERS = [
    "KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException", "InvalidArgument", "InvalidTag",
    "InvalidBucketName", "InvalidDigest", "UnresolvableGrantByEmailAddress", "XNotKnownAnywhere",
]  # fmt: skip


def modelled() -> Iterator[str]:
    """The codes that boto3's own description of S3 lists."""
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    model = session.client("s3").meta.service_model
    yield from (shape.name for shape in model.error_shapes)


CODES = sorted({*s3_errors._CODES, *modelled(), *OTHERS})


def refused(
    status: int, code: str, message: str = "in its words", operation: str = "GetObject", **said: str
) -> RefinedWebError:
    headers = {name.replace("_", "-"): value for name, value in said.items() if "_" in name}
    fields = {name: value for name, value in said.items() if "_" not in name}
    response = {
        "Error": {"Code": code, "Message": message, **fields},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return translated("s3://b/k", ClientError(response, operation))  # type: ignore[arg-type]


@given(st.integers(300, 599), st.sampled_from([*CODES, ""]), st.sampled_from(["GetObject", "PutObject", "HeadObject"]))
def test_every_answer_says_what_it_was_and_whether_it_passes(status: int, code: str, operation: str) -> None:
    meaning = refused(status, code or str(status), operation=operation)
    if isinstance(meaning, Missing):
        assert "s3://b/k" in str(meaning)
        return
    for part in ("s3://b/k", code, str(status), "in its words"):
        assert part in str(meaning)
    if code in s3_errors._CODES:
        assert type(meaning) is s3_errors._CODES[code].error, "a known code decides, whatever its status"
    elif 300 <= status < 500 and status not in {*TRANSIENT_4XX, 307}:
        bare_head = status == 400 and not code and operation == "HeadObject"
        assert bare_head or not isinstance(meaning, RetryError)
        assert ";" in str(meaning) or isinstance(meaning, Changed), "what to do"


@given(st.sampled_from(OTHERS), st.sampled_from([500, 502, 503, 504, 520, 529, *TRANSIENT_4XX]))
def test_what_may_pass_is_tried_again(code: str, status: int) -> None:
    if not code.startswith("KMS."):
        assert isinstance(refused(status, code), RetryError)


@pytest.mark.parametrize(
    ("status", "code", "kind", "advice"),
    [
        (403, "InvalidObjectState", ShardError, "restore it"),
        (416, "InvalidRange", ShardError, "limit"),
        (400, "EntityTooLarge", ShardError, "limit"),
        (405, "MethodNotAllowed", ConfigError, "AWS_ENDPOINT_URL"),
        (501, "NotImplemented", ConfigError, "AWS_ENDPOINT_URL"),
        (400, "KMS.DisabledException", ConfigError, "enabled"),
        (400, "KMS.KMSInternalException", RetryError, ""),
        (400, "InvalidArgument", ConfigError, "endpoint"),
        (400, "RequestTimeout", RetryError, ""),
        (400, "BadDigest", RetryError, ""),
        (400, "ExpiredToken", Expired, "renew"),
        (403, "RequestTimeTooSkewed", ConfigError, "NTP"),
        (403, "AccessDenied", Denied, "rights"),
        (403, "403", Denied, "rights"),
        (403, "SignatureDoesNotMatch", ConfigError, "rights"),
        (403, "QuotaExceeded", Full, "make room"),
        (507, "XMinioStorageFull", Full, "make room"),
        (507, "507", Full, "make room"),
        (503, "503", Throttled, "fewer"),
        (429, "TooManyRequests", Throttled, "fewer"),
        (404, "NoSuchBucket", ConfigError, "bucket's name"),
        (404, "NoSuchUpload", UploadGone, ""),
        (412, "PreconditionFailed", Changed, ""),
        (409, "ConditionalRequestConflict", RetryError, ""),
        (200, "InternalError", RetryError, ""),
    ],
)
def test_the_answers_that_stores_really_give(status: int, code: str, kind: type[Exception], advice: str) -> None:
    meaning = refused(status, code)
    assert type(meaning) is kind
    assert advice in str(meaning)


def test_the_region_of_the_bucket_is_named_if_the_answer_says_it() -> None:
    for meaning in (
        refused(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"),
        refused(301, "301", operation="HeadObject", x_amz_bucket_region="eu-west-1"),
        refused(400, "AuthorizationHeaderMalformed", Region="eu-west-1"),
    ):
        assert type(meaning) is ConfigError
        assert "AWS_DEFAULT_REGION=eu-west-1" in str(meaning)
    assert "b.s3.eu-west-1.example" in str(refused(301, "PermanentRedirect", Endpoint="b.s3.eu-west-1.example"))
    assert "set AWS_DEFAULT_REGION" in str(refused(400, "IllegalLocationConstraintException"))


def test_a_listing_is_never_missing() -> None:
    assert isinstance(refused(404, "404", operation="HeadObject"), Missing)
    assert isinstance(refused(404, "404", operation="ListObjectsV2"), Unproven), "a web server that knows no such page"


def test_what_could_not_even_be_asked() -> None:
    assert isinstance(translated("s3://b/k", NoCredentialsError()), Unproven)
    assert isinstance(translated("s3://b/k", ParamValidationError(report="Key is empty")), ConfigError)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="x"), ConnectTimeoutError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"), ConnectionClosedError(endpoint_url="x"),
        ProxyConnectionError(proxy_url="x"), SSLError(endpoint_url="x", error="reset"), ProtocolError("broken off"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_where_no_answer_comes_it_is_no_fault_of_the_object(error: Exception) -> None:
    assert type(translated("s3://b/k", error)) is Unanswered


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_without_an_answer_has_none_of_the_store(status: int) -> None:
    assert type(refused(status, str(status))) is Unanswered


def test_a_message_of_a_server_cannot_garble_ours() -> None:
    text = str(refused(400, "InvalidArgument", "one\n\x1b two " + "x" * 10_000))
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 1000


def test_the_store_says_how_long_to_wait() -> None:
    meaning = refused(503, "SlowDown", retry_after="1.5")
    assert isinstance(meaning, RetryError)
    assert meaning.wait_seconds == 1.5
    assert rule_of(503, "SlowDown").error is Throttled


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0), ("1.5", 1.5), (" 2 ", 2.0), ("-3", 0.0), ("9999", MOST_SECONDS), ("nan", 0.0), ("inf", 0.0),
        ("soon", 0.0), ("", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2122 07:28:00 GMT", MOST_SECONDS), ("Wed, 99 Oct 2122 07:28:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_how_long_a_header_asks_to_wait(header: str | None, seconds: float) -> None:
    assert seconds_asked(header) == seconds


@given(st.text(max_size=40))
def test_no_header_is_too_strange(header: str) -> None:
    assert 0.0 <= seconds_asked(header) <= MOST_SECONDS

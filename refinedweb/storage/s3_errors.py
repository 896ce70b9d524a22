"""What the answers of a store mean for the caller.

A known code decides, else the HTTP status does. Every 4xx but 408, 409, 425 and 429 is permanent: asking again would
get the same answer. So the message has the store's own words, and what a person can do about them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from refinedweb.storage.base import Changed, Missing
from refinedweb.storage.os_errors import MAKE_ROOM
from refinedweb.storage.retry_after import seconds_asked
from refinedweb.storage.s3_client import client
from stages.errors import ConfigError, Full, RefinedWebError, RetryError, ShardError, Throttled, Unanswered

MOST_WORDS = 300  # characters of a server's message that ours repeats


class UploadGone(RetryError):
    """There is no such multipart upload: it was completed or aborted earlier, or never begun."""


class Unproven(RetryError):
    """What ends a process that has never got an answer passes in one that has: there are no credentials at the moment,
    or something else than the store answered.
    """


class Expired(Unproven):
    """The store refuses these credentials: other ones may be there already, or a person must renew them."""


class Denied(ConfigError):
    """The store refuses access. Now and then it does so to one request of an account that has every right."""


class NotS3Error(Exception):
    """An answer in which something is missing that every answer of S3 has."""


FAULTS = (boto.ClientError, boto.BotoCoreError, ResponseParserError, HTTPError, NotS3Error)
"""Everything that a request may raise: refusals, lost connections, truncated bodies, answers that make no sense."""

_CREDENTIALS = (
    boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.MetadataRetrievalError,
    boto.NoAuthTokenError, boto.TokenRetrievalError, boto.SSOError, boto.LoginError, boto.ProfileNotFound,
    boto.RefreshWithMFAUnsupportedError, boto.ConfigNotFound, boto.ConfigParseError,
)  # fmt: skip
_NO_ANSWER = (boto.HTTPClientError, boto.ConnectionError, HTTPError)
_PASSING = (
    boto.IncompleteReadError, boto.ChecksumError, boto.FlexibleChecksumError, boto.AwsChunkedWrapperError,
    boto.CapacityNotAvailableError, ResponseParserError,
)  # fmt: skip


class Rule(NamedTuple):
    """What an answer means, and what a person can do about it."""

    error: type[RefinedWebError]
    advice: str = ""


_ACCESS = "check this account's rights on the bucket, your AWS credentials, the region and the clock"
_RENEW = "renew your AWS credentials, then run the same command again: it resumes"
_REGION = "set AWS_DEFAULT_REGION to the region of the bucket"
_ENDPOINT = "check AWS_ENDPOINT_URL: this endpoint does not do what the S3 of the ledger needs"
_KMS = "check that the key exists, is enabled and may be used by this account"
_SETTING = "the request is wrong for this store; check the bucket, REFINEDWEB_S3_KMS_KEY and the endpoint"
_RESTORE = "the object is archived: restore it (`aws s3api restore-object`), or copy it to another storage class"
_REST = "the store wants fewer requests at a time"
_LIMIT = "this object breaks a limit of the store"

_MUTE = {"400", "403"}  # the statuses that have many reasons
_CODES: dict[str, Rule] = {
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion", "NotFound"), Rule(Missing)),
    "PreconditionFailed": Rule(Changed),
    "NoSuchUpload": Rule(UploadGone, "write the object again"),
    **dict.fromkeys(
        ("SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded", "Busy",
         "TooManyRequests", "TooManyRequestsException", "BandwidthLimitExceeded", "RequestThrottled",
         "RequestThrottledException", "KMS.ThrottlingException"),
        Rule(Throttled, _REST),
    ),
    **dict.fromkeys(
        ("RequestTimeout", "RequestTimeoutException", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch",
         "XAmzContentChecksumMismatch", "InternalError", "OperationAborted", "ConditionalRequestConflict",
         "PriorRequestNotComplete", "TemporaryRedirect", "KMS.KMSInternalException", "KMS.InternalException",
         "KMS.DependencyTimeoutException", "KMS.KeyUnavailableException"),
        Rule(RetryError),
    ),
    # we send none of these: if the store says so, a byte changed on the way, and only uploads carry an MD5
    **dict.fromkeys(("MalformedXML", "InvalidPart", "InvalidPartOrder"), Rule(RetryError)),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId",
         "InvalidClientTokenId", "UnrecognizedClientException"),
        Rule(Expired, _RENEW),
    ),
    **dict.fromkeys(
        ("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"),
        Rule(ConfigError, "this machine's clock is wrong: set it (NTP), then run again"),
    ),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        Rule(ConfigError, _REGION),
    ),
    "AccessDenied": Rule(Denied, _ACCESS),
    **dict.fromkeys(("SignatureDoesNotMatch", "AllAccessDisabled", "AccountProblem"), Rule(ConfigError, _ACCESS)),
    "NoSuchBucket": Rule(ConfigError, "check the bucket's name, the region and AWS_ENDPOINT_URL"),
    **dict.fromkeys(("InvalidObjectState", "ObjectNotInActiveTierError"), Rule(ShardError, _RESTORE)),
    **dict.fromkeys(("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"), Rule(Full, MAKE_ROOM)),
    **dict.fromkeys(
        ("EntityTooLarge", "EntityTooSmall", "KeyTooLongError", "MetadataTooLarge", "TooManyParts", "InvalidRange"),
        Rule(ShardError, _LIMIT),
    ),
    **dict.fromkeys(("NotImplemented", "MethodNotAllowed"), Rule(ConfigError, _ENDPOINT)),
}  # fmt: skip

_STATUSES: dict[int, Rule] = {
    301: Rule(ConfigError, _REGION),
    308: Rule(ConfigError, _REGION),
    307: Rule(RetryError),
    **dict.fromkeys((401, 403), Rule(Denied, _ACCESS)),
    **dict.fromkeys((405, 501, 505), Rule(ConfigError, _ENDPOINT)),
    **dict.fromkeys((410, 413, 414, 416), Rule(ShardError, _LIMIT)),
    451: Rule(ShardError, "it is withheld for legal reasons; leave it out"),
    412: Rule(Changed),
    **dict.fromkeys((408, 409, 425), Rule(RetryError)),
    **dict.fromkeys((429, 503, 509), Rule(Throttled, _REST)),
    **dict.fromkeys((502, 504), Rule(Unanswered)),  # a gateway got no answer
    507: Rule(Full, MAKE_ROOM),
}


def rule_of(status: int, code: str, operation: str = "") -> Rule:
    """What an answer with this status and code means. A code that is the status says nothing of its own."""
    known = _CODES.get(code)
    if known is not None:
        return known
    if code.startswith("KMS."):
        return Rule(ConfigError, _KMS)
    bare = code in ("", str(status))
    if status == 404 and bare:  # a listing is never missing: then a web server that knows no such page has answered
        return Rule(Unproven, _ENDPOINT) if operation.startswith("List") else Rule(Missing)
    if status == 400 and bare and operation.startswith("Head"):  # without a body that could say more
        return Rule(Expired, f"a HEAD says no more than that; if your credentials have expired, {_RENEW}")
    if status in _STATUSES:
        return _STATUSES[status]
    return Rule(ConfigError, _SETTING) if 300 <= status < 500 else Rule(RetryError)


def translated(uri: str, error: Exception) -> RefinedWebError:
    """The error that says what to do next. Raise it from the original, so that nothing of it is lost."""
    if isinstance(error, boto.ClientError):
        return _refused(uri, error)
    if isinstance(error, _CREDENTIALS):
        return Unproven(f"{uri}: {error}; for public buckets set AWS_NO_SIGN_REQUEST=YES")
    if isinstance(error, NotS3Error) or (isinstance(error, ResponseParserError) and not _is_xml(str(error))):
        return _no_s3(uri, str(error))
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Unproven(f"{uri}: {error}; set AWS_CA_BUNDLE to your authority's certificate, and check the clock")
    if isinstance(error, _NO_ANSWER):
        return Unanswered(f"{uri}: {error}")
    if isinstance(error, _PASSING):
        return RetryError(f"{uri}: {error}")
    return ConfigError(f"{uri}: {error}; check the AWS settings")  # the request could not even be made


def _no_s3(uri: str, found: str) -> Unproven:
    where = client().meta.endpoint_url
    return Unproven(f"{uri}: what answers at {where} does not speak S3: {found}; check AWS_ENDPOINT_URL and proxies")


def _is_xml(message: str) -> bool:
    """Whether the body that boto3 could not parse, which ends its message, began as S3's do: then it was cut off."""
    body = message.rpartition("\nb")[2][1:].lstrip().lower()
    return body.startswith("<") and not body.startswith(("<html", "<!doctype"))


def _refused(uri: str, error: boto.ClientError) -> RefinedWebError:
    said: dict[str, Any] = dict(error.response.get("Error", {}))
    metadata: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    headers: dict[str, str] = metadata.get("HTTPHeaders", {})
    code, status = _plain(said.get("Code", "")), int(metadata.get("HTTPStatusCode", 0))
    rule = rule_of(status or (int(code) if code.isdigit() else 0), code, error.operation_name)
    if code == "500" and "xml" not in headers.get("content-type", "xml"):
        return _no_s3(uri, f"a {headers['content-type']}")  # boto3 makes it a 500, whatever its status was
    if rule.error is Missing:
        return Missing(f"no object {uri}")
    text = _plain(said.get("Message", ""))
    answer = f"the store answered {code or status}" + (f" ({status})" if status and code != str(status) else "")
    advice = _region_of(said, headers) if rule.advice == _REGION else rule.advice
    meaning = rule.error("; ".join(filter(None, (f"{uri}: {answer}: {text}" if text else f"{uri}: {answer}", advice))))
    if isinstance(meaning, RetryError):
        meaning.wait_seconds = seconds_asked(headers.get("retry-after"))
    return meaning


def _plain(said: object) -> str:
    """A server's words, on one line and not too many."""
    words = "".join(letter if letter.isprintable() else " " for letter in str(said)).split()
    return " ".join(words)[:MOST_WORDS]


def _region_of(said: dict[str, Any], headers: dict[str, str]) -> str:
    """Where the bucket is, if the answer says so: in a header, as a region, or as the endpoint to ask."""
    region = headers.get("x-amz-bucket-region") or said.get("Region") or said.get("BucketRegion")
    if region:
        return f"the bucket is in {region}: set AWS_DEFAULT_REGION={region}"
    endpoint = said.get("Endpoint")
    return f"{_REGION}; the store names {endpoint}" if endpoint else _REGION


def head_of(at: dict[str, Any]) -> dict[str, Any]:
    """The head of an object. A refused HEAD has no body that says why, so a GET asks for the reason."""
    try:
        return dict(client().head_object(**at))
    except boto.ClientError as error:
        if error.response["Error"]["Code"] in _MUTE:
            client().get_object(**at, Range="bytes=0-0")["Body"].close()
        raise


def present(answer: dict[str, Any], *fields: str) -> dict[str, Any]:
    """The answer itself. Raises NotS3Error if it lacks one of these fields, which every answer of S3 has."""
    for field in fields:
        if field not in answer:
            raise NotS3Error(f"its answer has no {field}")
    return answer

"""A prefix of an S3 bucket as a store, through boto3 and the usual AWS settings (environment, profile, role).

`AWS_ENDPOINT_URL`, `AWS_PROFILE`, `AWS_REGION` … are boto3's own. Two more follow GDAL's names:
`AWS_NO_SIGN_REQUEST=YES` reads public buckets without credentials, `AWS_REQUEST_PAYER=requester` pays for
requester-pays buckets (pyarrow's S3 client cannot, which is why bulk reads go through boto3 too).

Conditional writes are single puts: stores ignore conditions on multipart completion and copies. A retry inside boto3
can tell the true winner 412 (its first answer was lost), so after any refusal or doubt the object is read again and
compared; what the ledger writes carries a unique token, so equal bytes mean that it was us.
"""

from __future__ import annotations

import io
import os
import random
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, BinaryIO, TypeVar, cast

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from refinedweb.storage.base import Changed, Exists, Missing, ObjectInfo
from refinedweb.storage.s3_streams import MultipartSink, RangeReader
from stages.errors import CommitUnknown, ConfigError, RetryError

R = TypeVar("R")

CONFLICT_ATTEMPTS = 8
READ_ATTEMPTS = 4
READ_AHEAD = 8 << 20
_REFUSED = {"PreconditionFailed", "412"}
_MISSING = {"NoSuchKey", "404", "NotFound"}
_DENIED = {
    "AccessDenied", "403", "401", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "NoSuchBucket",
    "PermanentRedirect", "AuthorizationHeaderMalformed",
}  # fmt: skip


@lru_cache(maxsize=1)
def client() -> Any:
    """The process's one S3 client, from the usual AWS settings."""
    unsigned = os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in {"YES", "TRUE", "1"}
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 6},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
        signature_version=UNSIGNED if unsigned else None,
    )
    return boto3.client("s3", config=config)


def request_payer() -> dict[str, Any]:
    """The extra argument of every request to a requester-pays bucket."""
    payer = os.environ.get("AWS_REQUEST_PAYER")
    return {} if payer is None else {"RequestPayer": payer}


class S3Store:
    """Objects are those of `s3://bucket/prefix`."""

    parallel = 16

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._bucket, _, prefix = self.root.removeprefix("s3://").partition("/")
        self._prefix = prefix + "/" if prefix else ""

    def uri(self, key: str) -> str:
        return f"{self.root}/{key}" if key else self.root

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        pages = client().get_paginator("list_objects_v2")
        arguments = {"Bucket": self._bucket, "Prefix": self._prefix + prefix, **request_payer()}
        listing = iter(pages.paginate(**arguments))
        while (page := self._call(prefix, lambda: next(listing, None))) is not None:
            for item in page.get("Contents", []):
                yield ObjectInfo(item["Key"].removeprefix(self._prefix), item["Size"], _etag(item))

    def info(self, key: str) -> ObjectInfo:
        answer = self._call(key, lambda: client().head_object(**self._at(key)))
        return ObjectInfo(key, answer["ContentLength"], _etag(answer))

    def get(self, key: str) -> tuple[bytes, str]:
        def read() -> tuple[bytes, str]:
            answer = client().get_object(**self._at(key))
            return answer["Body"].read(), _etag(answer)

        return self._call(key, read)

    def put(self, key: str, data: bytes) -> str:
        answer = self._call(key, lambda: client().put_object(**self._at(key), Body=data))
        return _etag(answer)

    def put_new(self, key: str, data: bytes) -> str:
        return self._conditional(key, data, {"IfNoneMatch": "*"}, Exists(f"{self.uri(key)} exists"))

    def put_match(self, key: str, data: bytes, etag: str) -> str:
        changed = Changed(f"{self.uri(key)} changed since it was read")
        return self._conditional(key, data, {"IfMatch": etag}, changed)

    def open(self, key: str, *, random: bool = False) -> BinaryIO:
        info = self.info(key)
        reader = RangeReader(lambda first, last: self._range(info, first, last), info.size)
        return cast(BinaryIO, reader if random else io.BufferedReader(reader, READ_AHEAD))

    def create(self, key: str) -> MultipartSink:
        return MultipartSink(client(), self._at(key), lambda call: self._call(key, call))

    def delete(self, key: str) -> None:
        self._call(key, lambda: client().delete_object(**self._at(key)))

    def tidy(self) -> None:
        """Nothing: a bucket's life-cycle rule ends uploads that were never completed."""

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + key, **request_payer()}

    def _range(self, info: ObjectInfo, first: int, last: int) -> bytes:
        """Bytes first…last of the very version that `open` saw, so that a file replaced meanwhile is noticed."""

        def read() -> bytes:
            span = {"Range": f"bytes={first}-{last}", "IfMatch": info.etag}
            body: bytes = client().get_object(**self._at(info.key), **span)["Body"].read()
            return body

        return self._call(info.key, read)

    def _call(self, key: str, call: Callable[[], R]) -> R:
        """One idempotent request. boto3 retries what fails before the body; a body cut short is retried here."""
        for attempt in range(READ_ATTEMPTS):
            try:
                return call()
            except (ClientError, BotoCoreError) as error:
                named = self._named(key, error)
                if attempt == READ_ATTEMPTS - 1 or not isinstance(named, RetryError):
                    raise named from error
            _back_off(attempt)
        raise AssertionError("the last attempt returns or raises")

    def _named(self, key: str, error: ClientError | BotoCoreError) -> Exception:
        """The error by what to do next. Raised from the original, so nothing of it is lost."""
        if not isinstance(error, ClientError):
            unusable = "Credentials" in type(error).__name__ or "Profile" in type(error).__name__
            hint = "; for public buckets set AWS_NO_SIGN_REQUEST=YES" if unusable else ""
            return (ConfigError if unusable else RetryError)(f"{self.uri(key)}: {error}{hint}")
        code = error.response["Error"].get("Code", "")
        if code in _MISSING:
            return Missing(f"no object {self.uri(key)}")
        if code in _DENIED:
            return ConfigError(f"{self.uri(key)}: {code}; check the bucket's name, region and your AWS credentials")
        if code in _REFUSED:
            return Changed(f"{self.uri(key)} was replaced while it was being read")
        return RetryError(f"{self.uri(key)}: the store answered {code or error}")

    def _conditional(self, key: str, data: bytes, condition: dict[str, str], refusal: Exception) -> str:
        """A conditional put whose answer is never guessed: after doubt or refusal the object itself decides."""
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                answer = client().put_object(**self._at(key), Body=data, **condition)
                return _etag(answer)
            except (ClientError, BotoCoreError) as error:
                named = self._named(key, error)
                if isinstance(named, ConfigError):
                    raise named from error
            settled = self._settled(key, data, condition)
            if settled == "taken":
                raise refusal
            if settled is not None:
                return settled
            _back_off(attempt)
        raise CommitUnknown(f"{self.uri(key)}: {CONFLICT_ATTEMPTS} conditional writes in a row got no clear answer")

    def _settled(self, key: str, data: bytes, condition: dict[str, str]) -> str | None:
        """Our etag if the object is ours, "taken" if it is another's, None if the write may be tried again."""
        try:
            found, etag = self.get(key)
        except Missing:
            return "taken" if "IfMatch" in condition else None
        except RetryError as error:
            raise CommitUnknown(f"{self.uri(key)}: the write was not answered and cannot be read back") from error
        if found == data:
            return etag
        return None if etag == condition.get("IfMatch") else "taken"


def _etag(answer: dict[str, Any]) -> str:
    """Without quotes: Ceph RGW's If-Match wants them off, and other stores take both."""
    return str(answer["ETag"]).strip('"')


def _back_off(attempt: int) -> None:
    time.sleep(min(2.0, 0.05 * 2**attempt) * random.uniform(0.5, 1.5))

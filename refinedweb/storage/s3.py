"""A prefix of an S3 bucket as a store, through boto3 and the usual AWS settings (environment, profile, role).

`AWS_ENDPOINT_URL`, `AWS_PROFILE`, `AWS_REGION` … are boto3's own. Two more settings are named as in GDAL:
`AWS_NO_SIGN_REQUEST=YES` reads public buckets without credentials, `AWS_REQUEST_PAYER=requester` pays for
requester-pays buckets (pyarrow's S3 client cannot, which is why bulk reads go through boto3 too).

Conditional writes are single puts: stores ignore conditions on multipart completion and on copies. The true winner may
get a 412 when it retries (because its first answer was lost), so after any refusal or doubt the object is read back and
compared. Whatever the ledger writes carries a unique token, so equal bytes mean that we wrote them.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, BinaryIO, TypeVar, cast

from botocore.exceptions import ClientError

from refinedweb.storage.base import Changed, Exists, Missing, ObjectInfo
from refinedweb.storage.keys import checked_key, checked_prefix
from refinedweb.storage.s3_client import client, request_payer
from refinedweb.storage.s3_errors import Denied, head_of, present
from refinedweb.storage.s3_pace import DENIALS, again, back_off, once, pace_of, throttled
from refinedweb.storage.s3_streams import MultipartSink, RangeReader, checked_body
from refinedweb.storage.s3_sums import (
    SEPARATE,
    SUMS,
    Corrupt,
    Digest,
    PartSizes,
    blocks_around,
    check_all,
    check_blocks,
    digest_of,
    etag_of,
    is_sums_key,
    sums_key,
    sums_of,
)
from stages.errors import CommitUnknown, ConfigError, Full, RetryError, ShardError

__all__ = ["S3Store", "client"]

R = TypeVar("R")

CONFLICT_ATTEMPTS = 8  # conditional writes before the outcome is declared unknown; about 19 s with their back-off
READ_AHEAD = 8 << 20  # bytes per range request of a file read in order; smaller files are read whole
SMALL = 1 << 20  # bytes: such an object is read whole, also for random access
PARALLEL = 16  # requests of one worker at the same time
DELETED = 1000  # objects per request: the most that S3 takes
LIST_KEYS = 1000  # keys per page of a listing: the most that S3 returns


class S3Store:
    """The objects below `s3://bucket/prefix`."""

    parallel = PARALLEL

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._bucket, _, prefix = self.root.removeprefix("s3://").partition("/")
        self._prefix = prefix + "/" if prefix else ""

    def uri(self, key: str) -> str:
        return f"{self.root}/{key}" if key else self.root

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        within = {"Bucket": self._bucket, "Prefix": self._prefix + checked_prefix(prefix)}
        arguments: dict[str, Any] = {**within, "MaxKeys": LIST_KEYS, **request_payer()}
        while True:
            page = self._call(prefix, lambda: present(client().list_objects_v2(**arguments), "IsTruncated"))
            for item in page.get("Contents", []):
                if not is_sums_key(item["Key"]):
                    yield ObjectInfo(item["Key"].removeprefix(self._prefix), item["Size"], etag_of(item))
            if not page["IsTruncated"]:
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def info(self, key: str) -> ObjectInfo:
        return _info(key, self._head(key))

    def get(self, key: str) -> tuple[bytes, str]:
        def read() -> tuple[bytes, str]:
            answer = client().get_object(**self._at(key))
            data = answer["Body"].read()
            check_all(self.uri(key), data, answer)
            return data, etag_of(answer)

        return self._call(key, read)

    def part(self, key: str, offset: int, size: int) -> bytes:
        def fetch() -> bytes:
            try:
                answer = client().get_object(**self._at(key), Range=f"bytes={offset}-{offset + size - 1}")
            except ClientError as error:
                if error.response["Error"]["Code"] in ("InvalidRange", "416"):
                    return b""  # it ends before `offset`
                raise
            data: bytes = answer["Body"].read()
            if len(data) != answer["ContentLength"]:
                wanted = answer["ContentLength"]
                raise Corrupt(f"{self.uri(key)}: {len(data)} bytes arrived of {wanted} from {offset} on")
            return data

        return self._call(key, fetch)

    def put(self, key: str, data: bytes) -> str:
        request = {**self._at(key), **checked_body(data)}
        return self._call(key, lambda: etag_of(client().put_object(**request)))

    def put_new(self, key: str, data: bytes) -> str:
        return self._conditional(key, data, {"IfNoneMatch": "*"}, Exists(f"{self.uri(key)} exists"))

    def put_match(self, key: str, data: bytes, etag: str) -> str:
        changed = Changed(f"{self.uri(key)} changed since it was read")
        return self._conditional(key, data, {"IfMatch": etag}, changed)

    def open(self, key: str, *, random: bool = False) -> BinaryIO:
        head = self._head(key)
        info = _info(key, head)
        if info.size <= (SMALL if random else READ_AHEAD):
            return io.BytesIO(self._whole(info))
        sums = self._sums(key, head)
        digest = None if sums is not None or random else self._digest(info, head)
        reader = RangeReader(self._ranges(info, sums), info.size, self.uri(key), digest)
        return cast(BinaryIO, reader if random else io.BufferedReader(reader, READ_AHEAD))

    def create(self, key: str) -> MultipartSink:
        return MultipartSink(
            self._at(key), lambda call: self._call(key, call), lambda sums: self.put(sums_key(key), sums)
        )

    def delete(self, key: str) -> None:
        self._call(key, lambda: client().delete_object(**self._at(key)))
        if not key.endswith(".json"):  # these are never large, and claims are deleted often
            self._call(key, lambda: client().delete_object(**self._at(sums_key(key))))

    def delete_many(self, keys: Sequence[str]) -> None:
        """Like `delete`, a thousand objects per request. What a store refuses so is deleted one by one."""
        named = {name: key for key in keys for name in (key, sums_key(key))}
        waiting = iter(named)
        while names := list(islice(waiting, DELETED)):
            gone = {"Objects": [{"Key": self._at(name)["Key"]} for name in names], "Quiet": True}
            request = {"Bucket": self._bucket, "Delete": gone, **request_payer()}
            try:
                answer = self._call(names[0], partial(_deleted, request))
            except (ConfigError, ShardError):  # it does not know this request, or wants another checksum
                refused = set(names)
            else:
                refused = {error.get("Key", "").removeprefix(self._prefix) for error in answer.get("Errors", [])}
            for key in dict.fromkeys(named[name] for name in names if name in refused):
                self.delete(key)

    def throttled(self) -> str | None:
        return throttled(self.root)

    def tidy(self) -> None:
        """Does nothing: a bucket's life-cycle rule aborts uploads that were never completed."""

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + checked_key(key), **request_payer()}

    def _call(self, key: str, call: Callable[[], R]) -> R:
        return again(self.uri(key), call)

    def _head(self, key: str) -> dict[str, Any]:
        at = self._at(key)
        return self._call(key, lambda: present(head_of(at), "ETag", "ContentLength"))

    def _sums(self, key: str, head: dict[str, Any]) -> bytes | None:
        """The block sums of an object of ours. None for other objects, or if its writer has not stored them yet."""
        if head.get("Metadata", {}).get(SUMS) != SEPARATE:
            return sums_of(head)
        try:
            found = json.loads(self.get(sums_key(key))[0])
        except Missing:
            return None
        return base64.b64decode(found["sums"]) if found["etag"] == etag_of(head) else None

    def _whole(self, info: ObjectInfo) -> bytes:
        """The content of exactly the version that `open` saw, so that a replaced file is noticed."""

        def read() -> bytes:
            answer = client().get_object(**self._at(info.key), IfMatch=info.etag)
            data: bytes = answer["Body"].read()
            check_all(self.uri(info.key), data, answer)
            return data

        return self._call(info.key, read)

    def _digest(self, info: ObjectInfo, head: dict[str, Any]) -> Digest | None:
        return digest_of(head, PartSizes(info, lambda number: self._part_size(info, number)))

    def _part_size(self, info: ObjectInfo, number: int) -> int | None:
        """Bytes of one part of an object put in parts; None if the store does not say."""
        part = {**self._at(info.key), "PartNumber": number}  # and no condition: stores disagree whose etag it meets
        try:
            head = self._call(info.key, lambda: present(client().head_object(**part), "ContentLength"))
        except (ConfigError, ShardError):  # it does not know this question
            return None
        return int(head["ContentLength"])

    def _ranges(self, info: ObjectInfo, sums: bytes | None) -> Callable[[int, int], bytes]:
        """Fetches bytes first…last of exactly the version that `open` saw, and checks them if it has block sums."""

        def fetch(first: int, last: int) -> bytes:
            start, end = (first, last) if sums is None else blocks_around(first, last, info.size)
            span = {"Range": f"bytes={start}-{end}", "IfMatch": info.etag}
            data: bytes = client().get_object(**self._at(info.key), **span)["Body"].read()
            if len(data) != end - start + 1:
                raise Corrupt(f"{self.uri(info.key)}: {len(data)} bytes arrived of {end - start + 1} from {start} on")
            if sums is not None:
                check_blocks(self.uri(info.key), data, sums, start)
            return data[first - start : last + 1 - start]

        return lambda first, last: self._call(info.key, lambda: fetch(first, last))

    def _conditional(self, key: str, data: bytes, condition: dict[str, str], refusal: Exception) -> str:
        """A conditional put whose outcome is never guessed: after doubt or refusal the object itself decides."""
        pace = pace_of(self.uri(key).rpartition("/")[0])
        request = {**self._at(key), **checked_body(data), **condition}
        reason: Exception = RetryError("no attempt was made")
        denied = 0
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                return once(self.uri(key), pace, lambda: etag_of(client().put_object(**request)))
            except Full:
                raise  # it was refused, and room is not made in a moment
            except (RetryError, Changed, Missing, Denied) as error:
                reason, denied = error, denied + isinstance(error, Denied)
                if denied > DENIALS:
                    raise
                settled = self._settled(key, data, condition, error)
            if settled == "taken":
                raise refusal
            if settled is not None:
                return settled
            back_off(attempt, reason)
        raise CommitUnknown(
            f"{self.uri(key)}: {CONFLICT_ATTEMPTS} conditional writes in a row got no clear answer; the last: {reason}"
        ) from reason

    def _settled(self, key: str, data: bytes, condition: dict[str, str], reason: Exception) -> str | None:
        """Our etag if the object is ours, "taken" if it is another writer's, None if the write may be tried again."""
        try:
            found, etag = self.get(key)
        except Missing:
            return "taken" if "IfMatch" in condition else None
        except RetryError as error:
            text = f"{self.uri(key)}: the write got no clear answer ({reason}) and cannot be read back ({error})"
            raise CommitUnknown(text) from error
        if found == data:
            return etag
        return None if etag == condition.get("IfMatch") else "taken"


def _deleted(request: dict[str, Any]) -> Any:
    return client().delete_objects(**request)


def _info(key: str, head: dict[str, Any]) -> ObjectInfo:
    return ObjectInfo(key, head["ContentLength"], etag_of(head))

"""S3 as boto3's client shows it, in memory and in virtual time: what the real storage code talks to.

It has what the ledger relies on (conditional puts, listings by page that are up to date) and counts who asks how often.
A fault may delay an answer, refuse a request, or lose the answer after the effect.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from benchmarks.fleet.clock import Killed, process, sleep

PAGE = 1000
LATENCY = (0.02, 0.15)  # seconds


class Ask(NamedTuple):
    """One request: which host sends it, and what for. `key` begins with the bucket; of a listing it is the prefix."""

    host: str
    operation: str
    key: str


class Strike(NamedTuple):
    """What a fault does to a request: it takes longer, has its effect or not, and is answered by an error or not."""

    error: Exception | None = None
    effect: bool = False
    seconds: float = 0.0


class Stored(NamedTuple):
    """One version of an object."""

    data: bytes
    etag: str
    metadata: dict[str, str]


def refused(status: int, code: str, operation: str = "Any", message: str = "simulated") -> ClientError:
    """S3's answer that it will not."""
    answer = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": answer}, operation)


class Bucket:
    """All objects, without the way to them. Keys begin with the bucket's name."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self._folders: dict[str, list[str]] = {}
        self.replaced: Counter[str] = Counter()

    def put(self, key: str, data: bytes, metadata: dict[str, str] | None = None) -> str:
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if key in self.objects:
            self.replaced[key] += 1
        else:
            insort(self._folders.setdefault(_folder(key), []), key)
        self.objects[key] = Stored(data, etag, metadata or {})
        return etag

    def delete(self, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            names = self._folders[_folder(key)]
            del names[bisect_left(names, key)]

    def names(self, prefix: str, after: str = "") -> Iterator[str]:
        """Names with this prefix that come after `after`, in order."""
        names = self._around(prefix)
        first = max(bisect_left(names, prefix), bisect_right(names, after))
        for at in range(first, len(names)):
            if not names[at].startswith(prefix):
                return
            yield names[at]

    def _around(self, prefix: str) -> list[str]:
        """A sorted list that has all names with this prefix."""
        folders = [names for folder, names in self._folders.items() if folder.startswith(_folder(prefix))]
        return folders[0] if len(folders) == 1 else sorted(name for names in folders for name in names)


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]


class Client:
    """What `boto3.client("s3")` is in the simulation. `strike` says what goes wrong with a request."""

    def __init__(self, bucket: Bucket, strike: Callable[[Ask], Strike | None]) -> None:
        self.bucket = bucket
        self.asked: Counter[tuple[str, str]] = Counter()
        self._strike = strike

    def list_objects_v2(self, **given: Any) -> dict[str, Any]:
        prefix = f"{given['Bucket']}/{given['Prefix']}"
        return self._answer("list", prefix, lambda: self._page(given, prefix))

    def head_object(self, **given: Any) -> dict[str, Any]:
        return self._answer("head", _key(given), lambda: self._found(given, body=False))

    def get_object(self, **given: Any) -> dict[str, Any]:
        return self._answer("get", _key(given), lambda: self._found(given, body=True))

    def put_object(self, **given: Any) -> dict[str, Any]:
        operation = "put_new" if "IfNoneMatch" in given else "put_match" if "IfMatch" in given else "put"
        return self._answer(operation, _key(given), lambda: self._put(given))

    def delete_object(self, **given: Any) -> dict[str, Any]:
        return self._answer("delete", _key(given), lambda: self.bucket.delete(_key(given)) or {})

    def delete_objects(self, **given: Any) -> dict[str, Any]:
        names = [_key({"Bucket": given["Bucket"], **item}) for item in given["Delete"]["Objects"]]
        return self._answer("delete", names[0], lambda: dict.fromkeys(map(self.bucket.delete, names)) and {})

    def _answer(self, operation: str, key: str, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        of = process()
        if of.dead:
            raise Killed
        self.asked[of.host, operation] += 1
        strike = self._strike(Ask(of.host, operation, key)) or Strike(effect=True)
        try:
            sleep(random.uniform(*LATENCY) + strike.seconds)
        except Killed:
            if random.random() < 0.5:
                _tried(effect)
            raise
        answer = effect() if strike.effect else {}
        if strike.error is not None:
            raise strike.error
        return answer

    def _page(self, given: dict[str, Any], prefix: str) -> dict[str, Any]:
        after = given.get("ContinuationToken") or given.get("StartAfter", "")
        bucket, most = f"{given['Bucket']}/", given.get("MaxKeys", PAGE)
        names, more = [], False
        for name in self.bucket.names(prefix, f"{bucket}{after}" if after else ""):
            more = len(names) == most
            if more:
                break
            names.append(name)
        found = ((name[len(bucket) :], self.bucket.objects[name]) for name in names)
        contents = [{"Key": key, "Size": len(each.data), "ETag": f'"{each.etag}"'} for key, each in found]
        last = {"NextContinuationToken": contents[-1]["Key"]} if more else {}
        return {"Contents": contents, "IsTruncated": more, "KeyCount": len(contents), **last}

    def _found(self, given: dict[str, Any], *, body: bool) -> dict[str, Any]:
        stored = self.bucket.objects.get(_key(given))
        if stored is None:
            raise refused(404, "NoSuchKey" if body else "404")
        if given.get("IfMatch", stored.etag).strip('"') != stored.etag:
            raise refused(412, "PreconditionFailed")
        data, status = stored.data, 200
        span: dict[str, str] = {}
        if "Range" in given and data:
            first, last = given["Range"].removeprefix("bytes=").split("-")
            start = int(first) if first else max(0, len(data) - int(last))  # `-N`: the last N bytes
            end = min(int(last) if first else len(data), len(data) - 1)
            data, status = data[start : end + 1], 206
            span = {"ContentRange": f"bytes {start}-{end}/{len(stored.data)}"}
        answer = {
            **span, "ContentLength": len(data), "ETag": f'"{stored.etag}"', "Metadata": stored.metadata,
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
        }  # fmt: skip
        return {**answer, "Body": io.BytesIO(data)} if body else answer

    def _put(self, given: dict[str, Any]) -> dict[str, Any]:
        key = _key(given)
        stored = self.bucket.objects.get(key)
        if given.get("IfNoneMatch") == "*" and stored is not None:
            raise refused(412, "PreconditionFailed")
        if "IfMatch" in given and stored is None:
            raise refused(404, "NoSuchKey")
        if "IfMatch" in given and stored is not None and given["IfMatch"].strip('"') != stored.etag:
            raise refused(412, "PreconditionFailed")
        return {"ETag": f'"{self.bucket.put(key, bytes(given["Body"]), given.get("Metadata"))}"'}


def _key(given: dict[str, Any]) -> str:
    return f"{given['Bucket']}/{given['Key']}"


def _tried(effect: Callable[[], dict[str, Any]]) -> None:
    try:
        effect()
    except ClientError:
        return


def with_field(data: bytes, **fields: object) -> bytes:
    """A JSON object as another version of the code would write it: with further fields."""
    return json.dumps({**json.loads(data), **fields}, separators=(",", ":")).encode()

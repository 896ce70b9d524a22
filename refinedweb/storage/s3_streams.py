"""Streams over S3 objects: checked reads, uploads in parts."""

from __future__ import annotations

import base64
import io
import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import xxhash

from refinedweb.storage.base import Missing, StoredObject
from refinedweb.storage.s3_client import client, encryption
from refinedweb.storage.s3_errors import UploadGone, head_of, present
from refinedweb.storage.s3_sums import (
    SEPARATE,
    SUMS,
    Digest,
    block_sums,
    content_md5,
    etag_of,
    sums_metadata,
)
from stages.errors import RefinedWebError, RetryError

PART_BYTES = 16 << 20  # of an upload: S3 wants at least 5 MiB and at most 10,000 parts, so 156 GiB fit in an object
UPLOAD = "refinedweb-upload"  # in the metadata of an object put in parts
Call = Callable[[Callable[[], Any]], Any]
Fetch = Callable[[int, int], bytes]


class RangeReader(io.RawIOBase):
    """A seekable file over `fetch(first, last)`, with one request per read; a BufferedReader makes it read ahead.

    With a `digest`, a file that is read in order from the first byte to the last is checked at the last one.
    """

    def __init__(self, fetch: Fetch, size: int, uri: str = "", digest: Digest | None = None) -> None:
        self._fetch = fetch
        self._size = size
        self._at = 0
        self._uri = uri
        self._digest = digest
        self._digested = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readall(self) -> bytes:
        """Read to the end. Without this, io would do so in pieces of 8 kB, a request each."""
        return b"".join(iter(lambda: self.read(PART_BYTES) or b"", b""))

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        data = self._fetch(self._at, self._at + wanted - 1)
        buffer[: len(data)] = data
        self._check(data)
        self._at += len(data)
        return len(data)

    def _check(self, data: bytes) -> None:
        """Digest the bytes that are new. A reader may go back; if it skips bytes, the file cannot be checked."""
        new = self._digested - self._at
        if self._digest is None or not 0 <= new < len(data):
            return
        self._digest.update(data[new:])
        self._digested += len(data) - new
        if self._digested == self._size:
            digest, self._digest = self._digest, None
            digest.check(self._uri)


def checked_body(data: bytes) -> dict[str, Any]:
    """The arguments of a put: the content, the MD5 for the store to check, the block sums for readers to check, and how
    the store encrypts it.
    """
    return {"Body": data, "ContentMD5": content_md5(data), "Metadata": sums_metadata(data), **encryption()}


class MultipartSink:
    """A `Sink` into an S3 object. A small object is uploaded in one put, a larger one in parts, each with its MD5.

    `put` writes the companion object that holds the block sums of one uploaded in parts.
    """

    def __init__(self, at: dict[str, Any], call: Call, put: Callable[[bytes], object]) -> None:
        self._at = at
        self._call = call
        self._put = put
        self._buffer = bytearray()
        self._hash = xxhash.xxh3_128()
        self._size = 0
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._sums = b""
        self._token = uuid.uuid4().hex  # which upload an object is from: etags cannot say where the store encrypts
        self.closed = False

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self._buffer += data
        self._size += len(data)
        while len(self._buffer) >= PART_BYTES:
            self._send(bytes(self._buffer[:PART_BYTES]))
            del self._buffer[:PART_BYTES]
        return len(data)

    def flush(self) -> None:
        """Does nothing: parts have a minimum size, so nothing can be sent earlier."""

    def finish(self) -> StoredObject:
        if self._upload is None:
            request = {**self._at, **checked_body(bytes(self._buffer))}
            self._call(lambda: etag_of(client().put_object(**request)))
        else:
            if self._buffer:
                self._send(bytes(self._buffer))
            self._complete()
        self.closed = True
        return StoredObject(self._size, self._hash.hexdigest())

    def _complete(self) -> None:
        done = {"UploadId": self._upload, "MultipartUpload": {"Parts": self._parts}}
        try:
            answer = self._call(lambda: client().complete_multipart_upload(**self._at, **done))
        except UploadGone:
            answer = self._completed()
        etag = etag_of(answer) or etag_of(self._head())  # Ceph RGW 16 leaves it empty
        sums = {"etag": etag, "sums": base64.b64encode(self._sums).decode()}
        self._put(json.dumps(sums).encode())

    def _completed(self) -> Any:
        """The object's head, if the upload is gone because it was completed and the answer lost. Else RetryError."""
        with suppress(Missing):
            head = self._head()
            if head["Metadata"].get(UPLOAD) == self._token:
                return head
        raise RetryError(f"s3://{self._at['Bucket']}/{self._at['Key']}: its upload in parts is gone; write it again")

    def _head(self) -> Any:
        return self._call(lambda: present(head_of(self._at), "ETag", "Metadata"))

    def discard(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._upload is not None:
            upload = self._upload
            with suppress(RefinedWebError):  # then the bucket's life-cycle rule aborts it
                self._call(lambda: client().abort_multipart_upload(**self._at, UploadId=upload))

    def _send(self, part: bytes) -> None:
        if self._upload is None:
            begun = {**self._at, "Metadata": {SUMS: SEPARATE, UPLOAD: self._token}, **encryption()}
            created = self._call(lambda: present(client().create_multipart_upload(**begun), "UploadId"))
            self._upload = created["UploadId"]
        number = len(self._parts) + 1
        request = {**self._at, "UploadId": self._upload, "PartNumber": number, "Body": part}
        answer = self._call(lambda: present(client().upload_part(**request, ContentMD5=content_md5(part)), "ETag"))
        checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        checksums.pop("ChecksumType", None)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})
        self._sums += block_sums(part)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        self.discard()

"""Streams over S3 objects: ranged reads, multipart uploads."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Self

import xxhash

from refinedweb.storage.base import Written

PART_BYTES = 16 << 20


class RangeReader(io.RawIOBase):
    """A seekable file over `fetch(first, last)`, one request per read; a BufferedReader makes it read ahead."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._at = 0

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
        """Without this, io reads to the end in pieces of 8 kB: a request each."""
        return b"".join(iter(lambda: self.read(PART_BYTES) or b"", b""))

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        data = self._fetch(self._at, self._at + wanted - 1)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class MultipartSink:
    """See `Sink`. Small objects go up in one put; larger ones in parts, each with the client's checksum."""

    def __init__(self, client: Any, at: dict[str, Any], call: Callable[[Callable[[], Any]], Any]) -> None:
        self._client = client
        self._at = at
        self._call = call
        self._buffer = bytearray()
        self._hash = xxhash.xxh3_128()
        self._size = 0
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
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
        """Parts have a minimum size; nothing can be sent earlier."""

    def finish(self) -> Written:
        if self._upload is None:
            self._call(lambda: self._client.put_object(**self._at, Body=bytes(self._buffer)))
        else:
            if self._buffer:
                self._send(bytes(self._buffer))
            done = {"UploadId": self._upload, "MultipartUpload": {"Parts": self._parts}}
            self._call(lambda: self._client.complete_multipart_upload(**self._at, **done))
        self.closed = True
        return Written(self._size, self._hash.hexdigest())

    def discard(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._upload is not None:
            upload = self._upload
            self._call(lambda: self._client.abort_multipart_upload(**self._at, UploadId=upload))

    def _send(self, part: bytes) -> None:
        if self._upload is None:
            self._upload = self._call(lambda: self._client.create_multipart_upload(**self._at))["UploadId"]
        number = len(self._parts) + 1
        request = {**self._at, "UploadId": self._upload, "PartNumber": number, "Body": part}
        answer = self._call(lambda: self._client.upload_part(**request))
        checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        checksums.pop("ChecksumType", None)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        self.discard()

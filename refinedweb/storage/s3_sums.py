"""Integrity: no byte of an object's content is used or stored without being compared with a checksum.

    uploads      carry a Content-MD5; the store refuses content that does not match
    our objects  have the 64-bit xxh3 of every 128 KiB, so that a range can be checked alone: in the metadata if the
                 object was put in one request, in a companion object in `.sums/` if it was put in parts (metadata must
                 be known before the first part)
    others'      are checked by their etag once everything has been read in order: it is the MD5 of an object put in
                 one request, and the MD5 of the parts' MD5s of one put in parts. Random reads of large objects that
                 others wrote are left to TLS.

Etags that are known not to be MD5s (KMS, customer keys, directory buckets) are not checked; if a store hides that its
etags are not, set REFINEDWEB_S3_ETAGS=opaque. Listings and headers have no checksum in S3: use https.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xxhash

from refinedweb.storage.base import ObjectInfo
from refinedweb.storage.s3_errors import present
from stages.errors import RetryError

BLOCK = 128 << 10  # bytes per sum: 16 MiB have 128 sums, 1.4 kB in base64, and metadata may be 2 kB
FEW_PARTS = 16  # of an object: the size of each is asked for at once
MANY_PARTS = 128  # of unequal sizes: beyond, asking takes longer than it is worth, and the object is not checked
MOST_PARTS = 10_000  # of an object, says S3
SUMS = "refinedweb-sums"
SEPARATE = "beside"  # stored as the metadata SUMS: the sums are in a companion object
_MD5 = re.compile(r"[0-9a-f]{32}(-\d+)?")


class Corrupt(RetryError):
    """What came over the wire is not what was stored."""


def etag_of(answer: dict[str, Any]) -> str:
    """The etag without quotes: Ceph RGW's If-Match needs it so, and other stores accept both forms."""
    return str(present(answer, "ETag")["ETag"]).strip('"')


def content_md5(data: bytes) -> str:
    """The header with which a store checks what arrives."""
    return base64.b64encode(_md5(data).digest()).decode()


def block_sums(data: bytes | memoryview) -> bytes:
    """The xxh3 of every block, 8 bytes each, little-endian."""
    view = memoryview(data)
    sums = [xxhash.xxh3_64_intdigest(view[start : start + BLOCK]) for start in range(0, len(view), BLOCK)]
    return np.array(sums, "<u8").tobytes()


def sums_metadata(data: bytes) -> dict[str, str]:
    """The metadata of an object that is put in one request. At most 16 MiB: metadata may be 2 kB."""
    return {SUMS: base64.b64encode(block_sums(data)).decode()}


def sums_of(answer: dict[str, Any]) -> bytes | None:
    """The block sums in the object's own metadata, if it has them."""
    text = answer.get("Metadata", {}).get(SUMS)
    return None if text is None or text == SEPARATE else base64.b64decode(text)


def sums_key(key: str) -> str:
    """The key of the companion object with the sums of an object that was put in parts."""
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}.sums/{name}"


def is_sums_key(key: str) -> bool:
    """Whether this is such a companion object."""
    return "/.sums/" in f"/{key}"


def blocks_around(first: int, last: int, size: int) -> tuple[int, int]:
    """First and last byte of the whole blocks that hold the bytes first…last."""
    return first // BLOCK * BLOCK, min(size, (last // BLOCK + 1) * BLOCK) - 1


def check_blocks(uri: str, data: bytes, sums: bytes, first: int) -> None:
    """Raises Corrupt unless `data`, whole blocks from byte `first` on, matches `sums` (of all blocks)."""
    start = first // BLOCK * 8
    found = block_sums(data)
    if found != sums[start : start + len(found)]:
        raise Corrupt(f"{uri}: bytes {first} to {first + len(data)} are not those that were stored")


def check_all(uri: str, data: bytes, answer: dict[str, Any]) -> None:
    """Raises Corrupt unless the whole content matches the sums or the etag in the store's answer."""
    sums = sums_of(answer)
    if sums is not None:
        if block_sums(data) != sums:
            raise Corrupt(f"{uri}: its content is not what was stored")
    elif (digest := digest_of(answer, None)) is not None:
        digest.update(data)
        digest.check(uri)


def digest_of(answer: dict[str, Any], parts: PartSizes | None) -> Digest | None:
    """What computes an object's etag from its bytes; None if the etag says nothing that can be checked."""
    etag = etag_of(answer)
    encrypted = "kms" in answer.get("ServerSideEncryption", "") or "SSECustomerAlgorithm" in answer
    opaque = os.environ.get("REFINEDWEB_S3_ETAGS") == "opaque"
    if encrypted or opaque or _MD5.fullmatch(etag) is None:
        return None
    if "-" not in etag:
        return Digest(etag)
    sizes = None if parts is None else parts.likely()
    return None if parts is None or sizes is None else Digest(etag, sizes, parts.known_unlike)


class PartSizes:
    """How large the parts are of an object that was put in parts, which may all differ. `ask` has the size of one.

    A few are asked for, one by one. Many are taken for equal if the first one fits the object's size: only if the etag
    does not match then, all are asked for.
    """

    def __init__(self, info: ObjectInfo, ask: Callable[[int], int | None]) -> None:
        self._size = info.size
        self._number = int(info.etag.partition("-")[2] or 0)
        self._ask = ask

    def likely(self) -> list[int] | None:
        """The sizes in order; None if the store does not say."""
        if self._number <= FEW_PARTS:
            return self._all()
        first = self._ask(1)
        if first is None or first <= 0 or self._number > MOST_PARTS:
            return None
        if -(-self._size // first) != self._number:
            return self._all() if self._number <= MANY_PARTS else None
        return [first] * (self._number - 1) + [self._size - first * (self._number - 1)]

    def known_unlike(self, sizes: Sequence[int]) -> bool:
        """Whether the parts have other sizes than these, or the store does not say all of them."""
        return self._number > FEW_PARTS and any(self._ask(n) != size for n, size in enumerate(sizes, 1))

    def _all(self) -> list[int] | None:
        sizes = []
        for number in range(1, self._number + 1):
            size = self._ask(number)
            if size is None:
                return None
            sizes.append(size)
        return sizes if sum(sizes) == self._size else None


class Digest:
    """Computes the etag of bytes that come in order: of an object put in parts of these `sizes`, or in one request.

    `unlike` says whether the sizes were wrong.
    """

    def __init__(
        self, etag: str, sizes: Sequence[int] | None = None, unlike: Callable[[Sequence[int]], bool] | None = None
    ) -> None:
        self._etag = etag
        self._sizes = sizes
        self._unlike = unlike
        self._parts: list[bytes] = []
        self._current = _md5(b"")
        self._filled = 0

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        sizes = self._sizes or ()
        while len(self._parts) < len(sizes) and self._filled + len(view) >= sizes[len(self._parts)]:
            left = sizes[len(self._parts)] - self._filled
            self._current.update(view[:left])
            self._parts.append(self._current.digest())
            self._current, self._filled = _md5(b""), 0
            view = view[left:]
        self._current.update(view)
        self._filled += len(view)

    def check(self, uri: str) -> None:
        """Raises Corrupt if the etag is another, unless nobody knows what its parts were. Call it once, at the end."""
        self.update(b"")
        found = self._current.hexdigest() if self._sizes is None else etag_of_parts(self._parts)
        if found != self._etag and not (self._sizes and self._unlike and self._unlike(self._sizes)):
            raise Corrupt(
                f"{uri}: the MD5 of what was read is {found}, its etag {self._etag}; if this store's etags are never "
                "MD5s, set REFINEDWEB_S3_ETAGS=opaque"
            )


def etag_of_parts(md5s: list[bytes]) -> str:
    """The etag of an object that was put in parts, from the MD5s of the parts."""
    return f"{_md5(b''.join(md5s)).hexdigest()}-{len(md5s)}"


def _md5(data: bytes) -> Any:
    return hashlib.md5(data, usedforsecurity=False)

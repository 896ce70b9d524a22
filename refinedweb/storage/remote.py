"""Read what others serve: https://, hf://, gs:// and az://, through fsspec. Nothing is written there.

The ledger's promises need conditional writes, which are proven for local folders and S3 only; so outputs stay there.
Credentials are those of the packages (`HF_TOKEN`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_…`), never part of
a name: `run.json` and records hold names, and a signed URL in them would be a key for everybody who reads them.
Messages name the object and the kind of error, never what a library says, because that may quote a token.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, BinaryIO, NoReturn, TypeVar, cast

import xxhash

from refinedweb.storage.base import Missing, ObjectInfo, Sink
from refinedweb.storage.keys import checked_key, checked_prefix
from stages.errors import ConfigError, RetryError

SCHEMES = ("https", "http", "hf", "gs", "az", "abfs", "memory")  # the last is fsspec's own, for tests
READ_AHEAD = 8 << 20  # bytes per request of a file that is read in order
PARALLEL = 8  # requests at the same time
_PACKAGES = {
    "https": "aiohttp",
    "http": "aiohttp",
    "hf": "huggingface_hub",
    "gs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
}
_MARKS = ("ETag", "etag", "checksum", "md5Hash", "content_md5", "blob_id", "last_modified", "LastModified", "mtime")
_PASSING = (408, 425, 429, 500, 502, 503, 504)

R = TypeVar("R")


def is_remote(uri: str) -> bool:
    """Whether fsspec reads it."""
    return uri.partition("://")[0] in SCHEMES and "://" in uri


def root_of(uri: str) -> tuple[str, str]:
    """The root of the store that holds an object, and the object's key. Raises ConfigError for a name with a secret."""
    scheme, _, rest = uri.partition("://")
    if "?" in rest or "@" in rest.partition("/")[0]:
        raise ConfigError(
            f"{scheme}://…{rest.partition('?')[0].rpartition('@')[2]}: a name with a password or a query is not read, "
            "because it would be kept in run.json; give a plain name, and credentials in the environment"
        )
    host, _, key = rest.partition("/")
    return f"{scheme}://{host}", key


class RemoteStore:
    """What lies below `scheme://host`: a web site, a bucket, a container, or `datasets` of a hub."""

    parallel = PARALLEL

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._scheme = root.partition("://")[0]

    def uri(self, key: str) -> str:
        return f"{self.root}/{key}" if key else self.root

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        checked_prefix(prefix)
        if self._scheme in ("http", "https"):
            return  # web sites have no listing
        folder = prefix.rpartition("/")[0]
        try:
            found = self._call(folder, lambda: self._files.find(self._path(folder), detail=True))
        except Missing:
            return
        start = self._path("").rstrip("/") + "/"
        for path in sorted(found):
            key = path.removeprefix(start)
            if key.startswith(prefix):
                yield ObjectInfo(key, int(found[path].get("size") or 0), _etag(found[path]))

    def info(self, key: str) -> ObjectInfo:
        about = self._call(key, lambda: self._files.info(self._path(key)))
        if about.get("type") == "directory":
            raise Missing(f"{self.uri(key)} is a folder")
        if about.get("size") is None:
            raise ConfigError(f"{self.uri(key)}: the server does not say how large it is; download it first")
        return ObjectInfo(key, int(about["size"]), _etag(about))

    def get(self, key: str) -> tuple[bytes, str]:
        info = self.info(key)
        return self.part(key, 0, info.size), info.etag

    def part(self, key: str, offset: int, size: int) -> bytes:
        if size == 0:
            return b""
        return bytes(self._call(key, lambda: self._files.cat_file(self._path(key), start=offset, end=offset + size)))

    def open(self, key: str, *, random: bool = False, checked: bool = False) -> BinaryIO:
        from refinedweb.storage.s3_streams import RangeReader

        info = self.info(key)

        def fetch(first: int, last: int) -> bytes:
            data = self.part(key, first, last - first + 1)
            if len(data) != last - first + 1:  # a server that ignores ranges sends the whole file
                raise RetryError(f"{self.uri(key)}: {len(data)} bytes arrived of {last - first + 1} from {first} on")
            return data

        reader = RangeReader(fetch, info.size, self.uri(key))
        return cast(BinaryIO, reader if random else io.BufferedReader(reader, READ_AHEAD))

    def put(self, key: str, data: bytes) -> str:
        self._refuse()

    def put_new(self, key: str, data: bytes) -> str:
        self._refuse()

    def put_match(self, key: str, data: bytes, etag: str) -> str:
        self._refuse()

    def create(self, key: str) -> Sink:
        self._refuse()

    def delete(self, key: str) -> None:
        self._refuse()

    def delete_many(self, keys: Sequence[str]) -> None:
        self._refuse()

    def throttled(self) -> str | None:
        return None

    def tidy(self) -> None:
        """Does nothing: nothing is written."""

    def _refuse(self) -> NoReturn:
        raise ConfigError(f"{self.root} is only read; outputs are written to local folders and s3://")

    def _path(self, key: str) -> str:
        """What fsspec calls the object. It wants web addresses in full."""
        if key:
            checked_key(key)
        full = self.uri(key)
        return full if self._scheme in ("http", "https") else str(self._files._strip_protocol(full))

    @cached_property
    def _files(self) -> Any:
        package = _PACKAGES.get(self._scheme, "fsspec")
        try:
            import fsspec

            return fsspec.filesystem(self._scheme)
        except ImportError as error:
            raise ConfigError(
                f"{self.root}: reading {self._scheme}:// needs the package {package}; install refinedweb[remote]"
            ) from error

    def _call(self, key: str, call: Callable[[], R]) -> R:
        """Call a library that may raise anything. Raises Missing, ConfigError or RetryError."""
        uri = self.uri(key)
        try:
            return call()
        except (ConfigError, RetryError):
            raise
        except FileNotFoundError:
            raise Missing(f"there is no {uri}") from None
        except Exception as error:
            status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
            what = f"{type(error).__name__}{f' {status}' if isinstance(status, int) else ''}"
            if isinstance(error, PermissionError) or status in (401, 403):
                raise ConfigError(f"{uri} may not be read ({what}); are the credentials in the environment?") from None
            if isinstance(status, int) and status not in _PASSING:
                raise ConfigError(f"{uri} cannot be read ({what})") from None
            raise RetryError(f"{uri} cannot be read now ({what})") from None


def _etag(about: dict[str, Any]) -> str:
    """A mark that changes with the content: what the server says of it, in whichever words."""
    marks = {name: str(about[name]) for name in _MARKS if about.get(name) is not None}
    known = {**marks, "size": about.get("size")}
    return xxhash.xxh3_128_hexdigest(json.dumps(known, sort_keys=True, default=str).encode())

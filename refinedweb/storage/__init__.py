"""Where inputs and outputs are kept: local folders and S3 prefixes, with one interface (`base.Store`)."""

from __future__ import annotations

from classifiers.path_cache import absolute, cached_by_path
from refinedweb.storage.base import Changed, Exists, Missing, ObjectInfo, Sink, Store, StoredObject
from refinedweb.storage.local import LocalStore
from refinedweb.storage.remote import RemoteStore, is_remote, root_of
from stages.errors import ConfigError

__all__ = [
    "Changed",
    "Exists",
    "Missing",
    "ObjectInfo",
    "Sink",
    "Store",
    "StoredObject",
    "open_store",
    "split_uri",
]


@cached_by_path(maxsize=256)
def open_store(root: str) -> Store:
    """Open the store at a local path or `s3://bucket/prefix`. Nothing is read or written yet.

    A relative path is taken from the current folder at the time of the call.
    """
    if root.startswith("s3://"):
        from refinedweb.storage.s3 import S3Store  # boto3 takes 0.3 s to import, which local runs are spared

        if not root.removeprefix("s3://").strip("/"):
            raise ConfigError(f"{root!r} names no bucket; write s3://BUCKET/PREFIX")
        return S3Store(root)
    if is_remote(root):
        return RemoteStore(root)
    if "://" in root:
        raise ConfigError(f"{root.partition('?')[0]!r}: only local paths, s3:// and {_READ} are supported")
    return LocalStore(root)


_READ = ", ".join(f"{scheme}://" for scheme in ("https", "hf", "gs", "az"))


def split_uri(uri: str) -> tuple[Store, str]:
    """Split the full name of one object into its store and its key."""
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return open_store(f"s3://{bucket}"), key
    if is_remote(uri):
        root, key = root_of(uri)
        return open_store(root), key
    return open_store("/"), absolute(uri).lstrip("/")

"""Models and lists that a stage reads: a path (file or folder), optionally pinned to its content.

A pinned asset is written `path#sha256=<64 hex digits>`. The engine pins every asset of a recipe before it starts, so
that the recipe's fingerprint covers the content, and fetches `s3://` assets to a local copy. So a stage sees only local
paths.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NewType

from classifiers.path_cache import cached_by_path
from stages.errors import ConfigError

Asset = NewType("Asset", str)

_MARK = "#sha256="
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def split_pin(asset: str) -> tuple[str, str | None]:
    """The path and the pinned digest (None if the asset is not pinned). Raises ConfigError for a bad digest.

    Digests come from recipes and runs of others and become names of folders: nothing but 64 hex digits passes.
    """
    path, mark, digest = asset.partition(_MARK)
    if not mark:
        return path, None
    if _DIGEST.fullmatch(digest) is None:
        raise ConfigError(f"{asset!r}: after {_MARK} come the 64 hex digits of the content, not {digest!r}")
    return path, digest.lower()


def with_pin(path: str, digest: str) -> Asset:
    """The asset at `path`, pinned to `digest`."""
    return Asset(f"{path}{_MARK}{digest}")


def digest_of(path: Path) -> str:
    """The sha256 of a file's bytes, or of a folder's relative names and their digests in sorted order."""
    if not path.exists():
        raise ConfigError(f"no model or list at {path}; give the path of an existing file or folder")
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        listing = "".join(f"{p.relative_to(path).as_posix()}\0{digest_of(p)}\n" for p in files)
        return hashlib.sha256(listing.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pin(asset: str) -> Asset:
    """The asset pinned to its present content. Raises ConfigError if it is missing or already pinned to another one."""
    path, digest = split_pin(asset)
    found = digest_of(Path(path))
    if digest not in (None, found):
        raise ConfigError(f"{path} has sha256 {found}, but the recipe pins {digest}; use the file that was pinned")
    return with_pin(path, found)


@cached_by_path(maxsize=256)
def open_asset(asset: str) -> Path:
    """The local path of an asset, checked against its pin once per process."""
    path, digest = split_pin(asset)
    if digest is not None:
        pin(asset)
    elif not Path(path).exists():
        raise ConfigError(f"no model or list at {path}; give the path of an existing file or folder")
    return Path(path)

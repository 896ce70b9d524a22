"""Block lists in UT1 layout: a folder per category, holding `domains` and `urls`, plain or gzipped.

`domains` names hosts, one per line; a listed host also stands for its sub-domains. `urls` names hosts with a path,
without a scheme; an entry stands for everything under that path, on that host with or without `www.`. Paths are
compared percent-decoded and without case; squidGuard, the program that the lists are made for, ignores case too.
Source of the layout and the lists: UT1, Université Toulouse Capitole.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import numpy as np

from classifiers.kernels.arrays import Bools
from classifiers.path_cache import cached_by_path
from stages.assets import open_asset
from stages.errors import ConfigError, nearest
from stages.urls.hashing import HashSet
from stages.urls.lookup import host_hashes, listed_hosts, listed_urls, url_hashes
from stages.urls.normalise import match_form
from stages.urls.plain import MatchForms, encode_forms, plain_forms

_BLOCK = 1 << 22  # bytes of a list that are read at a time
_FILES = ("domains", "domains.gz", "urls", "urls.gz")
T = TypeVar("T")


@dataclass(frozen=True)
class Blocklist:
    """The hashes of all entries: whole hosts, host + path, and the hosts that occur in the latter."""

    domains: HashSet
    urls: HashSet
    url_hosts: HashSet

    def blocks_host(self, forms: MatchForms) -> Bools:
        """Per row, whether its host or a domain above it is in `domains`."""
        return listed_hosts(self.domains, forms)

    def blocks_url(self, forms: MatchForms) -> Bools:
        """Per row, whether an entry of `urls` names it or a path above it."""
        return listed_urls(self.urls, self.url_hosts, forms)


@cached_by_path(maxsize=4)
def load_blocklist(asset: str, categories: tuple[str, ...]) -> Blocklist:
    """The block list of these categories, read once per process (4.6 million domains: two seconds, 37 MB).

    Raises ConfigError if the folder or a category is missing, or if a list holds nothing that could be matched.
    """
    root = open_asset(asset)
    folders = [_category(root, name) for name in categories]
    urls = [hashes for folder in folders for hashes in _entry_hashes(folder, "urls", url_hashes)]
    return Blocklist(
        domains=HashSet.of(hashes for folder in folders for hashes in _entry_hashes(folder, "domains", host_hashes)),
        urls=HashSet.of(pair[0] for pair in urls),
        url_hosts=HashSet.of(pair[1] for pair in urls),
    )


def _category(root: Path, name: str) -> Path:
    if not root.is_dir():
        raise ConfigError(
            f"block list {root} is not a folder; unpack it: a folder per category, with `domains` and `urls`"
        )
    folder = root / name
    if not folder.is_dir():
        known = sorted(p.name for p in root.iterdir() if p.is_dir())
        raise ConfigError(f"block list {root} has no category {name!r}: {nearest(name, known)}; set `categories`")
    if not any((folder / file).is_file() for file in _FILES):
        raise ConfigError(f"block list category {folder} holds no list; expected one of {', '.join(_FILES)}")
    return folder


def _entry_hashes(folder: Path, kind: str, hashes_of: Callable[[MatchForms], T]) -> Iterator[T]:
    """The hashes of a category's list of this kind, block by block."""
    for path in (folder / kind, folder / f"{kind}.gz"):
        if path.is_file():
            lines = matched = 0
            for forms in _entries(path):
                lines, matched = lines + len(forms.starts), matched + int((forms.host_ends >= 0).sum())
                yield hashes_of(forms)
            if lines and not matched:
                raise ConfigError(
                    f"no line of {path} names a host; expected one `example.com` or `example.com/path` per line"
                )


def _entries(path: Path) -> Iterator[MatchForms]:
    """The match forms of a list's lines, in blocks of bounded size: first the plain lines, then the others."""
    for block in _blocks(path):
        data = np.frombuffer(block, np.uint8)
        breaks = np.flatnonzero(data == ord("\n"))
        starts, ends = np.append(0, breaks + 1), np.append(breaks, len(data))
        filled = ends > starts
        starts, ends = starts[filled], ends[filled]
        forms = plain_forms(data, starts, ends, need_scheme=False)
        yield forms
        odd = np.flatnonzero(forms.host_ends < 0)
        texts = [block[starts[row] : ends[row]].decode("utf-8", errors="replace") for row in odd]
        parsed = [match_form(text.removeprefix("*.").removeprefix(".")) for text in texts if not text.startswith("#")]
        yield encode_forms([(form.host, form.rest) for form in parsed if form is not None])


def _blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes in pieces that end where a line ends, without carriage returns."""
    with cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(_BLOCK) + file.readline():
            yield block.replace(b"\r", b"")

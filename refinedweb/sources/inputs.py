"""Expand what a user names (paths, prefixes, globs, lists of paths) to the list of input files.

From a folder, files of one kind are taken: crawl archives if it has any, else Parquet, else JSONL, so that a table in
the crawl's folder is not read as part of the crawl. The files left out are reported. Files are ordered by name, so that
shard numbers are the same on every machine.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from refinedweb.sources.compression import CODECS, expand
from refinedweb.storage import Missing, ObjectInfo, Store, open_store, split_uri
from refinedweb.storage.keys import checked_key
from refinedweb.storage.local import LocalStore
from stages.errors import ConfigError

KINDS = (
    ("crawl archives", re.compile(r"\.w?arc(\.\w+)?(\.gz|\.zst)?$")),
    ("Parquet", re.compile(r"\.parquet$")),
    ("JSONL", re.compile(r"\.(jsonl|ndjson|json)(\.gz|\.zst)?$")),
)
PATHS_LIST = re.compile(r"\.paths(\.gz|\.zst)?$")
LOOKUPS = 32  # of listed files at the same time: a dump's list has up to 100,000, and each is a request
MOST_LISTED = 64 << 20  # bytes of a list once it is decompressed; that of a dump of 100,000 files has 14 MB
MOST_PATH = 4096  # characters
_BAD_LIST = {
    "large": f"has more than {MOST_LISTED} bytes once it is decompressed",
    "cut": "is cut short",
    "corrupt": "is damaged",
}
RUN_FILE, CORPUS = "run.json", "corpus"  # by which a run's output is recognised; see `ledger.layout`


class Input(NamedTuple):
    """One input file: its full name, and its etag and size in bytes when the run began."""

    uri: str
    etag: str
    size: int


@dataclass(frozen=True)
class FoundInputs:
    """The inputs, and the names of the files in the same folders that were left out."""

    inputs: list[Input]
    left_out: list[str]


@dataclass(frozen=True)
class InputSpecs:
    """What a user named as inputs, and the prefix of the entries in a list of paths (None: the list's own place)."""

    specs: tuple[str, ...]
    base: str | None = None

    def find(self, out: str) -> FoundInputs:
        """List the files; see `find`."""
        return find(self.specs, out=out, base=self.base)

    def full(self) -> list[str]:
        """The same in full, so that two drivers can compare what they were given without listing anything."""
        names = [spec.rstrip("/") if spec.startswith("s3://") else _located(spec) for spec in self.specs]
        return names if self.base is None else [*names, f"--base {_located(self.base)}"]


def _located(spec: str) -> str:
    store, key = _locate(spec)
    return store.uri(key).rstrip("/")


def find(specs: Iterable[str], *, out: str, base: str | None = None) -> FoundInputs:
    """Find all inputs that `specs` name, except files below `out`. Raises ConfigError if a spec names no file."""
    inputs: dict[str, Input] = {}
    left_out: list[str] = []
    for spec in specs:
        taken, left = _expand(spec, base)
        taken = [item for item in taken if not item.uri.startswith(open_store(out).root + "/")]
        if not taken:
            raise ConfigError(
                f"no input files at {masked(spec)}; give WARC, ARC, WET, Parquet or JSONL files, or a prefix of them"
            )
        inputs.update((item.uri, item) for item in taken)
        left_out += left
    return FoundInputs(list(inputs.values()), left_out)


def _expand(spec: str, base: str | None) -> tuple[list[Input], list[str]]:
    store, key = _locate(spec)
    if any(sign in key for sign in "*?[") and not (isinstance(store, LocalStore) and os.path.exists(store.uri(key))):
        return _globbed(store, key), []
    if PATHS_LIST.search(key):
        return _listed(store, key, base), []
    if not key or (isinstance(store, LocalStore) and os.path.isdir(store.uri(key))):
        return _folder(store, key)
    try:
        return [_input(store, store.info(key))], []
    except Missing:
        return _folder(store, key)


def _locate(spec: str) -> tuple[Store, str]:
    if spec.startswith("s3://"):
        if not spec.removeprefix("s3://").strip("/"):
            raise ConfigError(f"{spec!r} names no bucket; write s3://BUCKET/PREFIX")
        return split_uri(spec.rstrip("/"))
    if "://" in spec:
        raise ConfigError(f"{masked(spec)}: only local paths and s3:// are supported")
    return split_uri(LocalStore(spec).root)


def masked(spec: str) -> str:
    """A URI without its query, which in a signed URL is a password."""
    path, mark, _ = spec.partition("?")
    return f"{path}?…" if mark and "=" in spec else spec


def _folder(store: Store, key: str) -> tuple[list[Input], list[str]]:
    objects = list(store.list(f"{key}/" if key else ""))
    if any(info.key == f"{key}/{RUN_FILE}".lstrip("/") for info in objects):
        raise ConfigError(f"{store.uri(key)} is the output of a run; name its corpus: {store.uri(key)}/{CORPUS}")
    for _, pattern in KINDS:
        taken = [info for info in objects if pattern.search(info.key.lower()) and not is_hidden(info.key)]
        if taken:
            others = {info.key for info in objects} - {info.key for info in taken}
            return [_input(store, info) for info in taken], sorted(map(store.uri, others))
    return [], [store.uri(info.key) for info in objects]


def is_hidden(key: str) -> bool:
    """Whether a file is another program's: `._a.warc.gz` of macOS, `.nfs0000…`. Only its own name makes it an input."""
    return key.startswith(".", key.rfind("/") + 1)


def _globbed(store: Store, key: str) -> list[Input]:
    fixed = re.split(r"[*?\[]", key, maxsplit=1)[0]
    matches = _glob(key)
    return [_input(store, info) for info in store.list(fixed) if matches(info.key)]


def _glob(pattern: str) -> Callable[[str], object]:
    """A matcher of keys. `*` and `?` stay within a folder, `**` crosses folders, `[…]` is a set of characters."""
    parts = re.split(r"(\*\*/?|\*|\?|\[[^\]]{1,100}\])", pattern)
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    wholes = [signs.get(part, part if part.startswith("[") else re.escape(part)) for part in parts]
    stars = [at for at, part in enumerate(parts) if part.startswith("*")]
    for at, following in itertools.pairwise(stars):
        # What a star and the plain text after it match first will do: the next star takes whatever lies between.
        sets = any(part.startswith("[") for part in parts[at + 1 : following])
        if parts[at] == "*" and parts[following] != "**/" and not sets:
            wholes[at], wholes[following - 1] = "(?>[^/]*?", wholes[following - 1] + ")"
    try:
        return re.compile("".join(wholes) + "$").match
    except re.error as error:
        raise ConfigError(f"{pattern!r} is not a pattern of file names: {error}") from error


def _listed(store: Store, key: str, base: str | None) -> list[Input]:
    """The files in a list of paths as Common Crawl publishes them: relative to the list's own bucket, or to `base`."""
    own = store.root if store.root.startswith("s3://") else store.uri(key).rpartition("/")[0]
    root = own if base is None else base.rstrip("/")

    def look_up(line: str) -> Input:
        at, name = _locate(line if line.startswith(("s3://", "/")) else f"{root}/{line}")
        try:
            return _input(at, at.info(name))
        except Missing as error:
            raise ConfigError(f"{store.uri(key)} lists {line}, but there is {error}; is --base right?") from None

    with ThreadPoolExecutor(LOOKUPS) as pool:
        return list(pool.map(look_up, _lines(store, key)))


def _lines(store: Store, key: str) -> Iterator[str]:
    try:
        data, _ = store.get(key)
    except Missing as error:
        raise ConfigError(str(error)) from None
    codec = next((codec for ending, codec in CODECS.items() if key.endswith(ending)), None)
    end = "whole"
    if codec is not None:
        data, end = expand(codec, data, MOST_LISTED)
    elif len(data) > MOST_LISTED:
        end = "large"
    if end != "whole":
        raise ConfigError(f"{store.uri(key)} {_BAD_LIST[end]}; give the list as it was published, or a part of it")
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{store.uri(key)} is not a list of paths: {error}") from None
    if (long := max(map(len, lines), default=0)) > MOST_PATH:
        raise ConfigError(f"{store.uri(key)} is not a list of paths: a line has {long} characters")
    return (line.strip() for line in lines if line.strip())


def _input(store: Store, info: ObjectInfo) -> Input:
    return Input(store.uri(checked_key(info.key)), info.etag, info.size)

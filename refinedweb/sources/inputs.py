"""Expand what a user names (paths, prefixes, globs, lists of paths) to the list of input files.

From a folder, files of one kind are taken (see `folders`), so that a table in the crawl's folder is not read as part
of the crawl. The files left out are reported. Files are ordered by name, so that shard numbers are the same on every
machine. A name that ends with `/` means what lies below it; any other name means the file of exactly this name, if
there is one.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from refinedweb.sources.base import Part, SourceOptions
from refinedweb.sources.compression import CODECS, expand
from refinedweb.sources.folders import choose
from refinedweb.sources.parts import parts_of, target_of
from refinedweb.storage import Missing, ObjectInfo, Store, open_store, split_uri
from refinedweb.storage.keys import checked_key, full_name, masked
from refinedweb.storage.local import LocalStore
from stages.errors import ConfigError

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
STDIN = "stdin"  # what a run was given on standard input, below its output


class Input(NamedTuple):
    """One input file, or a part of it: its full name, its etag when the run began, and bytes to read."""

    uri: str
    etag: str
    size: int
    part: Part | None = None

    @property
    def name(self) -> str:
        """The file, and which part of it."""
        return self.uri if self.part is None else f"{self.uri} (part {self.part.number})"


def files_of(inputs: Iterable[Input]) -> int:
    """How many files these are, whole or in parts."""
    return len({item.uri for item in inputs})


@dataclass(frozen=True)
class FoundInputs:
    """The inputs, the names of the files in the same places that were left out, and why, where a user may wonder."""

    inputs: list[Input]
    left_out: list[str]
    reasons: list[str] = field(default_factory=list)


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
        names = [_full_spec(spec) for spec in self.specs]
        return names if self.base is None else [*names, f"--base {_full_spec(self.base)}"]


def _full_spec(spec: str) -> str:
    """The spec with its place in full. A `/` at its end stays: it means what lies below, and not a file."""
    store, key = _locate(spec)
    return store.uri(key).rstrip("/") + ("/" if spec.endswith("/") and spec.startswith("s3://") else "")


def find(specs: Iterable[str], *, out: str, base: str | None = None) -> FoundInputs:
    """Find all inputs that `specs` name, except files below `out`. Raises ConfigError if a spec names no file."""
    inputs: dict[str, Input] = {}
    left_out: dict[str, None] = {}
    reasons: dict[str, None] = {}
    below_out = open_store(out).root + "/"
    for spec in specs:
        found = _expand(spec, base)
        own = below_out + STDIN
        taken = [item for item in found.inputs if item.uri == own or not item.uri.startswith(below_out)]
        left = [uri for uri in found.left_out if not uri.startswith(below_out)]
        if not taken:
            raise ConfigError(f"no input files at {masked(spec)}{_seen(left)}; {_WANTED}")
        inputs.update((item.uri, item) for item in taken)
        left_out.update(dict.fromkeys(left))
        reasons.update(dict.fromkeys(found.reasons))
    return FoundInputs(list(inputs.values()), [uri for uri in left_out if uri not in inputs], list(reasons))


def in_parts(inputs: Sequence[Input], options: SourceOptions) -> list[Input]:
    """The inputs with each large file as its parts (see `parts`)."""
    target = target_of([item.size for item in inputs], options)

    def cut(item: Input) -> list[Input]:
        if not target or item.size < 2 * target - target // 2:
            return [item]
        store, key = split_uri(item.uri)
        try:
            with store.open(key, random=True) as file:
                parts = parts_of(file, item.uri, item.size, target)
        except Missing:
            return [item]
        return [Input(item.uri, item.etag, size, part) for part, size in parts] or [item]

    with ThreadPoolExecutor(LOOKUPS) as pool:
        return [part for parts in pool.map(cut, inputs) for part in parts]


_WANTED = "give WARC, ARC, WET, Parquet, JSON or CSV files, or a prefix of them"


_SHOWN = 3  # names in a message


def _seen(names: list[str]) -> str:
    """What lies at a place without inputs: its names, so that a user sees whether it is the right one."""
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f": {', '.join(names[:_SHOWN])}{more} cannot be read"


def _expand(spec: str, base: str | None) -> FoundInputs:
    store, key = _locate(spec)
    if spec.endswith("/") or not key:
        return _folder(store, key)
    local = isinstance(store, LocalStore)
    if PATHS_LIST.search(key):
        return FoundInputs(_listed(store, key, base), [])
    if local and os.path.isdir(store.uri(key)):
        return _folder(store, key)
    try:
        return _named(store, store.info(key))
    except Missing:
        pattern = any(sign in key for sign in "*?[")
        return FoundInputs(_globbed(store, key), []) if pattern else _folder(store, key)


def _named(store: Store, info: ObjectInfo) -> FoundInputs:
    """The file of exactly this name. On S3 there may be a prefix of the same name; a 0-byte object before one only
    marks it.
    """
    beside = [] if isinstance(store, LocalStore) else _below(store, info.key)
    if beside and not info.size:
        return _folder(store, info.key)
    reason = [f"{store.uri(info.key)} is an object and a prefix; for what is below it, write {store.uri(info.key)}/"]
    return FoundInputs([_input(store, info)], beside, reason if beside else [])


def _below(store: Store, key: str) -> list[str]:
    """The names below a prefix; none if this user may not list."""
    try:
        return [store.uri(info.key) for info in store.list(f"{key}/")]
    except ConfigError:
        return []


def _locate(spec: str) -> tuple[Store, str]:
    if spec.startswith("s3://"):
        if not spec.removeprefix("s3://").strip("/"):
            raise ConfigError(f"{spec!r} names no bucket; write s3://BUCKET/PREFIX")
        return split_uri(spec.rstrip("/"))
    if "://" in spec:
        return split_uri(spec.rstrip("/"))  # which refuses what nobody reads
    return split_uri(LocalStore(spec).root)


def _folder(store: Store, key: str) -> FoundInputs:
    objects = list(store.list(f"{key}/" if key else ""))
    if any(info.key == f"{key}/{RUN_FILE}".lstrip("/") for info in objects):
        raise ConfigError(f"{store.uri(key)} is the output of a run; name its corpus: {store.uri(key)}/{CORPUS}")
    chosen = choose(store, objects)
    broken = store.broken_links(key) if isinstance(store, LocalStore) else ()
    left = sorted([*(store.uri(info.key) for info in chosen.left), *map(store.uri, broken)])
    reasons = [chosen.reason] if chosen.reason else []
    reasons += [f"{store.uri(link)} is a link to a file that does not exist" for link in broken[:_SHOWN]]
    return FoundInputs([_input(store, info) for info in chosen.taken], left, reasons)


def _globbed(store: Store, key: str) -> list[Input]:
    fixed = re.split(r"[*?\[]", key, maxsplit=1)[0]
    matches = _glob(key)
    return [_input(store, info) for info in store.list(fixed) if matches(info.key)]


def _glob(pattern: str) -> Callable[[str], object]:
    """A matcher of keys. `*` and `?` stay within a folder, `**` crosses folders, `[…]` is a set of characters."""
    parts = re.split(r"(\*\*/?|\*|\?|\[[^\]]{1,100}\])", pattern)
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    wholes = [signs.get(part, _set(part) if _is_set(part) else re.escape(part)) for part in parts]
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


def _is_set(part: str) -> bool:
    return len(part) > 2 and part[0] == "[" and part[-1] == "]"


def _set(part: str) -> str:
    """A set of characters as a shell writes it, `[!a]` for all others, as a regular expression."""
    inner = part[1:-1]
    other = "^" if inner[0] in "!^" and len(inner) > 1 else ""
    return "[" + other + re.sub(r"([\[\]\\^&|~])", r"\\\1", inner[len(other) :]) + "]"


def _listed(store: Store, key: str, base: str | None) -> list[Input]:
    """The files in a list of paths as Common Crawl publishes them: relative to the list's own bucket, or to `base`."""
    own = store.root if store.root.startswith("s3://") else store.uri(key).rpartition("/")[0]
    root = own if base is None else base

    def look_up(line: str) -> Input:
        at, name = _locate(full_name(line, root))
        try:
            return _input(at, at.info(name))
        except Missing as error:
            raise ConfigError(f"{store.uri(key)} lists {line}, but there is {error}; is --base right?") from None

    with ThreadPoolExecutor(LOOKUPS) as pool:
        return list(pool.map(look_up, _lines(store, key)))


def _lines(store: Store, key: str) -> Iterator[str]:
    try:
        data, end = (b"", "large") if store.info(key).size > MOST_LISTED else (store.get(key)[0], "whole")
    except Missing as error:
        raise ConfigError(str(error)) from None
    codec = next((codec for ending, codec in CODECS.items() if key.endswith(ending)), None)
    if codec is not None and end == "whole":
        data, end = expand(codec, data, MOST_LISTED)
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

"""Which files of a folder are its corpus: those of one kind, which their first bytes show.

A folder may hold a crawl and a table about it, or a data set with its licence and its log. What the names say is not
enough: `part-00000` says nothing, and a text may be called `.warc.gz`. So files of equal ending form a group, a few
files of each are looked at, and the kind with the most bytes is taken. Only where nothing is recognised the names
decide; the readers then say what is wrong with the files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from refinedweb.sources.formats import kind_by_content
from refinedweb.storage import ObjectInfo, Store
from stages.errors import RefinedWebError, RetryError

KINDS = (
    ("crawl archives", re.compile(r"\.w?arc(\.\w+)?(\.gz|\.zst|\.zstd|\.bz2|\.xz)?$")),
    ("Parquet", re.compile(r"\.parquet$")),
    ("JSONL", re.compile(r"\.(jsonl|ndjson|json)(\.gz|\.zst|\.zstd|\.bz2|\.xz)?$")),
    ("CSV", re.compile(r"\.(csv|tsv)(\.gz|\.zst|\.zstd|\.bz2|\.xz)?$")),
)
MOST_GROUPS = 32  # endings that are looked at: those with the most bytes
LOOKED_AT = 3  # files of a group
# Up to four words after points, each of which begins with a letter: `.warc.gz`, `.jsonl.zst`, but not `part-0.1`.
_ENDING = re.compile(r"(?:\.[A-Za-z][A-Za-z0-9_]{0,15}){0,4}\Z")


@dataclass(frozen=True)
class Chosen:
    """The files of a folder that are read, those that are not, and, if there are other kinds, why."""

    taken: list[ObjectInfo]
    left: list[ObjectInfo]
    reason: str = ""


@dataclass(frozen=True)
class _Group:
    """Files of equal ending. `kind`: what they are; `seen`: their bytes show it, and not only their names."""

    ending: str
    files: list[ObjectInfo]
    kind: str | None
    seen: bool

    @property
    def size(self) -> int:
        return sum(info.size for info in self.files)


def choose(store: Store, objects: Iterable[ObjectInfo]) -> Chosen:
    """Choose the files of one kind. None is taken if neither bytes nor names show a kind that can be read."""
    objects = [info for info in objects if not info.key.endswith("/")]  # 0-byte marks of folders on S3
    usable = [info for info in objects if not is_hidden(info.key)]
    groups = _groups(store, usable)
    sizes: Counter[str] = Counter()
    for group in groups:
        if group.kind is not None and (group.seen or not any(other.seen for other in groups)):
            sizes[group.kind] += group.size
    if not sizes:
        return Chosen([], objects)
    order = [name for name, _ in KINDS]
    kind = min(sizes, key=lambda name: (-sizes[name], order.index(name)))
    keys = {info.key for group in groups if group.kind == kind for info in group.files if _is_data(group, info)}
    taken = [info for info in objects if info.key in keys]
    return Chosen(taken, [info for info in objects if info.key not in keys], _reason(store, groups, kind, sizes))


def is_hidden(key: str) -> bool:
    """Whether a file is another program's: `._a.warc.gz` of macOS, `.nfs0000…`. Only its own name makes it an input."""
    return key.startswith(".", key.rfind("/") + 1)


def _is_data(group: _Group, info: ObjectInfo) -> bool:
    """Whether a file is more than a mark, as Spark's `_SUCCESS` among its `part-00000` is."""
    marked = info.key.startswith("_", info.key.rfind("/") + 1)
    return any(pattern.search(group.ending) for _, pattern in KINDS) or bool(info.size and not marked)


def _groups(store: Store, files: Sequence[ObjectInfo]) -> list[_Group]:
    found: dict[str, list[ObjectInfo]] = {}
    for info in files:
        found.setdefault(_ending(info.key), []).append(info)
    largest = sorted(found, key=lambda ending: (-sum(info.size for info in found[ending]), ending))
    return [_group(store, ending, found[ending], look=at < MOST_GROUPS) for at, ending in enumerate(largest)]


def _ending(key: str) -> str:
    ending = _ENDING.search(key, key.rfind("/") + 1)
    return "" if ending is None else ending[0].lower()


def _group(store: Store, ending: str, files: list[ObjectInfo], look: bool) -> _Group:
    full = [info for info in files if info.size]
    places = sorted({0, len(full) // 2, len(full) - 1}) if full and look else []
    kinds = Counter(kind for at in places if (kind := _kind_of(store, full[at])) is not None)
    if kinds:
        return _Group(ending, files, kinds.most_common(1)[0][0], True)
    named = next((kind for kind, pattern in KINDS if pattern.search(ending)), None)
    return _Group(ending, files, named, False)


def _kind_of(store: Store, info: ObjectInfo) -> str | None:
    try:
        with store.open(info.key, random=True) as file:
            return kind_by_content(file, store.uri(info.key))
    except RetryError:
        raise
    except (RefinedWebError, OSError):
        return None  # what is wrong with it, its reader says


def _reason(store: Store, groups: Sequence[_Group], kind: str, sizes: Counter[str]) -> str:
    """Why other files are left out that look like inputs, and how to read them."""
    others = [group for group in groups if group.kind not in (None, kind)]
    if not others:
        return ""
    unlike = [group for group in others if not group.seen and any(one.seen for one in groups)]
    first = others[0]
    why = (
        f"{first.files[0].key.rpartition('/')[2]} does not begin like {first.kind}"
        if first in unlike
        else f"a run reads one kind, and of {kind} there are the most bytes"
    )
    return f"{why}; to read the others, name them: {_pattern(store, first)}"


def _pattern(store: Store, group: _Group) -> str:
    """A pattern that names the files of a group."""
    folders = {info.key.rpartition("/")[0] for info in group.files}
    if len(group.files) == 1 or not group.ending:
        return store.uri(group.files[0].key)
    parts = [folder.split("/") for folder in folders]
    shared = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    deep = "**/" if len(folders) > 1 else ""
    return store.uri("/".join([*filter(None, shared), f"{deep}*{group.ending}"]))

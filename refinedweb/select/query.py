"""Which rows of a crawl's index are wanted: conditions on its columns, evaluated over Arrow tables."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.select.languages import three_letters
from stages.errors import ConfigError

HTML = ("text/html", "application/xhtml+xml")
HOST, TLD, PATH = "url_host_name", "url_host_tld", "url_path"
LANGUAGES, MIME, STATUS = "content_languages", "content_mime_detected", "fetch_status"


@dataclass(frozen=True)
class PageQuery:
    """Conditions that all must hold; an empty one holds for every page.

    `languages`: ISO 639-3 codes, one of the (up to three) languages that the index gives a page. `hosts`: the host
    itself, or a domain above it. `tlds`: without the dot. `paths`: patterns in which `*` is anything. `mimes`: detected
    media types. `statuses`: of the HTTP answer.
    """

    languages: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    tlds: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    mimes: tuple[str, ...] = HTML
    statuses: tuple[int, ...] = (200,)

    def columns(self) -> list[str]:
        """The columns that the conditions read."""
        read = {LANGUAGES: self.languages, HOST: self.hosts, TLD: self.tlds, PATH: self.paths,
                MIME: self.mimes, STATUS: self.statuses}  # fmt: skip
        return [name for name, condition in read.items() if condition]

    def matches(self, rows: pa.Table) -> pa.ChunkedArray:
        """Whether each row is wanted, as booleans without nulls."""
        conditions = []
        if self.languages:
            some = "|".join(self.languages)
            conditions.append(pc.match_substring_regex(rows[LANGUAGES], rf"(^|,)\s*({some})\s*(,|$)"))
        if self.hosts:
            conditions.append(_below(rows[HOST], self.hosts))
        if self.tlds:
            conditions.append(pc.is_in(rows[TLD], pa.array(self.tlds)))
        if self.paths:
            patterns = "|".join(map(_pattern, self.paths))
            conditions.append(pc.match_substring_regex(rows[PATH], f"^(?:{patterns})$"))
        if self.mimes:
            conditions.append(pc.is_in(rows[MIME], pa.array(self.mimes)))
        if self.statuses:
            conditions.append(pc.is_in(rows[STATUS], pa.array(self.statuses, rows[STATUS].type)))
        wanted = reduce(pc.and_kleene, conditions, pa.chunked_array([pa.array([True] * rows.num_rows)]))
        return pc.fill_null(wanted, False)

    def may_match(self, column: str, low: int | bytes, high: int | bytes) -> bool:
        """Whether rows whose values of this column lie between these two (texts as bytes) may match: without reading
        them.
        """
        conditions: dict[str, Iterable[str | int]] = {TLD: self.tlds, STATUS: self.statuses, MIME: self.mimes}
        values = [value.encode() if isinstance(value, str) else value for value in conditions.get(column, ())]
        return not values or any(_between(low, value, high) for value in values)


def _between(low: int | bytes, value: int | bytes, high: int | bytes) -> bool:
    """Whether a value is in the range, or cannot be compared with it."""
    if isinstance(low, int) and isinstance(value, int) and isinstance(high, int):
        return low <= value <= high
    if isinstance(low, bytes) and isinstance(value, bytes) and isinstance(high, bytes):
        return low <= value <= high
    return True


def page_query(
    languages: Iterable[str], hosts: Iterable[str], tlds: Iterable[str], paths: Iterable[str],
    mimes: Iterable[str], statuses: Iterable[int],
) -> PageQuery:  # fmt: skip
    """A query from what a user writes: any ISO 639 codes, hosts with dots or stars before them. Raises ConfigError."""
    return PageQuery(
        languages=tuple(map(three_letters, languages)),
        hosts=frozenset(filter(None, map(_host, hosts))),
        tlds=tuple(tld.strip().lstrip(".").lower() for tld in tlds),
        paths=tuple(paths),
        mimes=tuple(mime.strip().lower() for mime in mimes) or HTML,
        statuses=tuple(statuses) or (200,),
    )


def _host(line: str) -> str:
    host = line.partition("#")[0].strip().lower().removeprefix("*").strip(".")
    if "/" in host or ":" in host or " " in host:
        raise ConfigError(f"{line.strip()!r} is not the name of a host; give example.org, and paths by --path")
    try:
        return host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as error:
        raise ConfigError(f"{line.strip()!r} is not the name of a host: {error}") from None


def _below(hosts: pa.ChunkedArray, wanted: frozenset[str]) -> pa.ChunkedArray:
    """Whether each host is one of these, or below one."""
    names = pc.unique(hosts)
    found = [name for name in names.to_pylist() if name is not None and _is_below(name, wanted)]
    return pc.is_in(hosts, pa.array(found, pa.string()))


def _is_below(host: str, wanted: frozenset[str]) -> bool:
    while host:
        if host in wanted:
            return True
        host = host.partition(".")[2]
    return False


def _pattern(glob: str) -> str:
    """The pattern of paths as RE2 writes it, which takes linear time whatever the pattern is."""
    translated = fnmatch.translate(glob)
    return translated.removesuffix(r"\Z").removesuffix(r"\z").replace("(?>", "(?:")

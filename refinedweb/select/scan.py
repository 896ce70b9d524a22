"""Read a crawl's columnar index by its row groups: statistics first, then the conditions' columns, then the places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from refinedweb.select.query import PageQuery
from refinedweb.sources.bounded import BoundedRows, TooLarge
from refinedweb.sources.folders import KINDS
from refinedweb.sources.parquet_pages import RowGroup
from refinedweb.sources.record_list import COLUMNS, CRAWL, OFFSET
from refinedweb.storage import Store, split_uri
from stages.errors import ConfigError

DEFAULT_TABLE = "cc-index/table/cc-main/warc"
_PARTITION = re.compile(r"(?:^|/)crawl=([^/]+)/(?:subset=([^/]+)/)?")
PARQUET = dict(KINDS)["Parquet"]
SUBSET = "warc"  # the subset of pages; the others hold errors, redirects and robots.txt
ROWS, BATCH_BYTES = 1 << 16, 32 << 20  # of the index at a time
PARALLEL = 8  # files of the index at the same time, where the store has a network before it


@dataclass
class IndexCost:
    """What reading the index took."""

    files: int = 0
    rows: int = 0
    groups_read: int = 0
    groups_skipped: int = 0
    requests: int = 0
    bytes_read: int = 0


@dataclass(frozen=True)
class CrawlIndexFile:
    """One Parquet file of the index, and the crawl that its folder names."""

    store: Store
    key: str
    crawl: str | None


def index_files(index: str, dumps: Iterable[str]) -> list[CrawlIndexFile]:
    """The files of the index below this prefix, of these crawls only if any are named. Raises ConfigError for none."""
    store, key = split_uri(index.rstrip("/"))
    wanted, found, crawls = set(dumps), [], set[str]()
    for prefix in [f"{key}/crawl={dump}/" for dump in sorted(wanted)] or [f"{key}/" if key else ""]:
        for info in store.list(prefix.lstrip("/")):
            place = _PARTITION.search(info.key)
            crawl, subset = (place[1], place[2]) if place else (None, None)
            if PARQUET.search(info.key.lower()) and subset in (None, SUBSET):
                found.append(CrawlIndexFile(store, info.key, crawl))
                crawls.add(crawl or "")
    if missing := sorted(wanted - crawls):
        raise ConfigError(f"{index} has no crawl={', '.join(missing)}; is it the folder of Common Crawl's table?")
    if not found:
        raise ConfigError(f"{index} has no Parquet files; Common Crawl's index is s3://commoncrawl/{DEFAULT_TABLE}")
    return found


def places(files: list[CrawlIndexFile], query: PageQuery, cost: IndexCost) -> Iterator[pa.Table]:
    """The places of the wanted records, file by file in order, with the column `crawl`. Raises ConfigError."""

    def scanned(file: CrawlIndexFile) -> tuple[list[pa.Table], IndexCost]:
        own = IndexCost(files=1)
        return list(_places(file, query, own)), own

    parallel = min(PARALLEL, files[0].store.parallel)
    with ThreadPoolExecutor(parallel) as pool:
        for found, own in pool.map(scanned, files):
            for name, value in vars(own).items():
                setattr(cost, name, getattr(cost, name) + value)
            yield from found


def _places(file: CrawlIndexFile, query: PageQuery, cost: IndexCost) -> Iterator[pa.Table]:
    uri = file.store.uri(file.key)
    with file.store.open(file.key, random=True) as stored:
        try:
            parquet = BoundedRows(_Counted(stored, cost), BATCH_BYTES)
            _check(uri, parquet.schema, query)
            for group in range(len(parquet.groups)):
                for found in _group(parquet, group, query, cost):
                    yield found.append_column(CRAWL, pa.array([file.crawl] * found.num_rows, pa.string()))
        except (pa.ArrowException, OSError, ValueError, TooLarge) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's words, not Parquet's
            raise ConfigError(
                f"{uri}: not a readable Parquet file ({error}); leave it out, or fetch it again"
            ) from error


def _check(uri: str, schema: pa.Schema, query: PageQuery) -> None:
    if missing := [name for name in (*query.columns(), *COLUMNS) if name not in schema.names]:
        raise ConfigError(f"{uri} has no column {', '.join(missing)}: it is not a columnar index of Common Crawl")


def _group(parquet: BoundedRows, group: int, query: PageQuery, cost: IndexCost) -> Iterator[pa.Table]:
    about = parquet.groups[group]
    cost.rows += about.rows
    if not _may_match(about, query):
        cost.groups_skipped += 1
        return
    cost.groups_read += 1
    tables = parquet.tables(group, ROWS, query.columns() or [OFFSET])
    wanted = pa.chunked_array([chunk for rows in tables for chunk in query.matches(rows).chunks], pa.bool_())
    if not any(chunk.true_count for chunk in wanted.chunks):
        return
    at = 0
    for rows in parquet.tables(group, ROWS, list(COLUMNS)):
        yield rows.filter(wanted.slice(at, rows.num_rows))
        at += rows.num_rows


def _may_match(about: RowGroup, query: PageQuery) -> bool:
    """Whether the statistics of the row group leave it possible that a row matches."""
    return all(chunk.bounds is None or query.may_match(chunk.name, *chunk.bounds) for chunk in about.chunks)


class _Counted:
    """A file that counts what is read."""

    def __init__(self, file: BinaryIO, cost: IndexCost) -> None:
        self._file = file
        self._cost = cost

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._cost.requests += 1
        self._cost.bytes_read += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

"""Read the records that a list names: a Parquet file with a row per record, its file, offset and length.

The columns have the names of Common Crawl's columnar index, so that `refinedweb select`, Athena and DuckDB all write
such lists. Records that lie near each other in one file are fetched by one request, several requests at a time. Each
row of the list becomes at least one row or counted skip; a place without a record has the reason `invalid_record`.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from refinedweb.sources.base import Damage, Part, Row, SourceOptions, SourceReport, tables
from refinedweb.sources.bounded import BoundedRows
from refinedweb.sources.compression import codec_of
from refinedweb.sources.framing import WARC
from refinedweb.sources.ids import content_id
from refinedweb.sources.stream import ByteStream
from refinedweb.sources.warc import WarcRows
from refinedweb.storage import Missing, split_uri
from refinedweb.storage.keys import full_name, is_full, masked
from stages.errors import ShardError

FILE, OFFSET, LENGTH = "warc_filename", "warc_record_offset", "warc_record_length"
CRAWL = "crawl"  # the name of the crawl, for files whose path does not say it
COLUMNS = (FILE, OFFSET, LENGTH)
ROWS = 1 << 14  # of the list at a time
# A gap between two records is read as well where that takes less time than another request: at the 50 MB/s that one
# connection to S3 gives, and 20 ms until it answers. Transfer within a region is free.
GAP = 1 << 20
MOST_BYTES = 16 << 20  # of one request, unless a single record is larger
MOST_RECORD = 256 << 20  # bytes: no index means a longer one
MOST_OFFSET = 1 << 43  # file systems refuse a place beyond their largest file with an error that might pass
AHEAD = 16  # requests at the same time
AHEAD_BYTES = 64 << 20  # of answers that wait


class Place(NamedTuple):
    """One record: its file's full name, where it lies there, and the crawl it is from, if the list says so."""

    uri: str
    offset: int
    length: int
    crawl: str | None

    @property
    def end(self) -> int:
        return self.offset + self.length


def is_record_list(schema: pa.Schema, options: SourceOptions) -> bool:
    """Whether these are the columns of a list of records, and not of documents."""
    document = {"text", "html", options.text_column, options.html_column}
    return {*COLUMNS} <= {*schema.names} and not document & {*schema.names}


class RecordListRows:
    """The rows of the records that one list names. Reading them fills `report`; its bytes are those of the records."""

    def __init__(
        self, file: BinaryIO, key: str, options: SourceOptions, report: SourceReport, part: Part | None = None
    ) -> None:
        self._list = BoundedRows(file, options.batch_bytes)
        self._groups = range(len(self._list.groups)) if part is None else range(part.start, part.end)
        self._key = key
        self._options = options
        self._report = report

    def batches(self) -> Iterator[pa.Table]:
        """Tables of the document schema."""
        return tables(self._rows(), self._options)

    def _rows(self) -> Iterator[Row]:
        for places, data in fetched(spans(self._places()), self._fetch):
            self._report.bytes_read += len(data)
            for place in places:
                at = place.offset - places[0].offset
                yield from self._records(place, data[at : at + place.length])

    def _places(self) -> Iterator[Place]:
        wanted = [*COLUMNS, *({CRAWL} & {*self._list.schema.names})]
        for group in self._groups:
            for given in self._tables(group, wanted):
                for name, offset, length, *crawl in zip(*(given[name].to_pylist() for name in wanted), strict=True):
                    yield self._place(name, offset, length, *crawl)

    def _tables(self, group: int, wanted: list[str]) -> Iterator[pa.Table]:
        try:
            yield from self._list.tables(group, ROWS, wanted)
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's words, not Parquet's: they may pass
            raise ShardError(f"{self._key}: this list of records is damaged ({error}); make it again") from error

    def _place(self, name: object, offset: object, length: object, crawl: object = None) -> Place:
        if not isinstance(name, str) or not isinstance(offset, int) or not isinstance(length, int):
            raise ShardError(f"{self._key}: a row without {', '.join(COLUMNS)}: ({name!r}, {offset!r}, {length!r})")
        if not 0 <= offset <= MOST_OFFSET or not 0 < length <= MOST_RECORD:
            raise ShardError(f"{self._key}: {masked(name)} has no record of {length} bytes at byte {offset}")
        return Place(self._full(name), offset, length, str(crawl) if crawl else None)

    def _full(self, name: str) -> str:
        if self._options.warc_base is None and not is_full(name):
            raise ShardError(
                f"{self._key} names {masked(name)}; say below what: --set source.warc_base=s3://commoncrawl for "
                "Common Crawl's"
            )
        return full_name(name, self._options.warc_base or "")

    def _fetch(self, group: list[Place]) -> bytes:
        store, key = split_uri(group[0].uri)
        try:
            return store.part(key, group[0].offset, size_of(group))
        except Missing as error:
            raise ShardError(f"{error}, though the list {self._key} names it") from None

    def _records(self, place: Place, data: bytes) -> Iterator[Row]:
        """The rows of one place, which holds one record if the list is right."""
        found = SourceReport()
        for row in _read(place, data, self._options, found):
            row["dump"] = row["dump"] or place.crawl
            yield row
        if found.records == 0:
            found.records, found.rows = 1, 1
            yield {
                "id": content_id(place.uri, place.offset, data), "source": place.uri, "offset": place.offset,
                "length": place.length, "dump": place.crawl, "drop": "invalid_record",
            }  # fmt: skip
        self._take(place, found)

    def _take(self, place: Place, found: SourceReport) -> None:
        report = self._report
        report.records += found.records
        report.rows += found.rows
        for kind, count in found.skipped.items():
            report.skipped[kind] = report.skipped.get(kind, 0) + count
        report.damage += [Damage(damage.offset, f"{place.uri}: {damage.error}") for damage in found.damage]


def _read(place: Place, data: bytes, options: SourceOptions, report: SourceReport) -> Iterator[Row]:
    file = Excerpt(data, place.offset)
    stream = ByteStream.beginning_at(file, codec_of(data[:16], file, place.uri), place.offset)
    return WarcRows(stream, WARC, place.uri, options, report).rows()


class Excerpt(io.BytesIO):
    """Bytes that lie at `start` of a file, at the offsets that they have there."""

    def __init__(self, data: bytes, start: int) -> None:
        super().__init__(data)
        self._start = start

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        at = max(0, offset - self._start) if whence == io.SEEK_SET else offset
        return super().seek(at, whence) + self._start

    def tell(self) -> int:
        return super().tell() + self._start


def spans(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Group neighbours in the order of the list: those of one file, near each other, not too large together."""
    group: list[Place] = []
    for place in places:
        if group and not _joins(group, place):
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _joins(group: list[Place], place: Place) -> bool:
    first, last = group[0], group[-1]
    near = place.uri == last.uri and last.end <= place.offset <= last.end + GAP
    return near and place.end - first.offset <= MOST_BYTES


def size_of(group: list[Place]) -> int:
    """Bytes that one request for these records fetches."""
    return group[-1].end - group[0].offset


def fetched(
    groups: Iterable[list[Place]], fetch: Callable[[list[Place]], bytes]
) -> Iterator[tuple[list[Place], bytes]]:
    """Each group with its bytes, in order, several requests at the same time."""
    with ThreadPoolExecutor(AHEAD) as pool:
        waiting: deque[tuple[list[Place], Future[bytes]]] = deque()
        size = 0
        for group in groups:
            while waiting and (len(waiting) >= AHEAD or size + size_of(group) > AHEAD_BYTES):
                ready, answer = waiting.popleft()
                size -= size_of(ready)
                yield ready, answer.result()
            waiting.append((group, pool.submit(fetch, group)))
            size += size_of(group)
        for ready, answer in waiting:
            yield ready, answer.result()

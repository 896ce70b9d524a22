"""Where a pass gets one shard's documents from: an input file, or what the previous pass kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

import pyarrow as pa

from refinedweb.shard.apply import Removal, Split, split
from refinedweb.shard.kept import KeptShards
from refinedweb.sources import SourceOptions, SourceReport, open_reader
from refinedweb.sources.inputs import Input
from refinedweb.sources.unify import conform
from refinedweb.storage import Missing, split_uri
from stages.errors import ShardError
from stages.schema import DOCUMENT

SOURCE = "source"
CHUNK = 1 << 20  # bytes per read of a file's rest


class ShardSource(Protocol):
    """One shard. It has at least one batch; `report` is complete when the batches are exhausted."""

    item: Input
    report: SourceReport

    def batches(self) -> Iterator[Split]:
        """The documents, and those that were removed before any stage saw them."""
        ...


class InputShard:
    """The first `limit` documents of an input file, or of a part of one (None = all)."""

    def __init__(
        self, item: Input, options: SourceOptions, limit: int | None, columns: pa.Schema | None = None
    ) -> None:
        """`columns`: those of the run besides those of a document (None: those of the file, as they are)."""
        self.item = item
        self.report = SourceReport()
        self._options = options
        self._limit = limit
        self._columns = columns

    def batches(self) -> Iterator[Split]:
        with self._open() as file:
            reader = open_reader(file, self.item.uri, self._options, self.item.part)
            self.report = reader.report
            left, any_batch = self._limit, False
            for batch in reader.batches():
                batch = self._conformed(batch if left is None else batch.slice(0, left))
                any_batch = True
                usable, unusable = split(batch, batch)
                yield Split(usable, [Removal(SOURCE, unusable)])
                left = None if left is None else left - batch.num_rows
                if left is not None and left <= 0:
                    return
            if self.report.damage:
                _read_to_the_end(file)
            if not any_batch:
                yield Split(self._conformed(DOCUMENT.empty_table()), [])

    def _conformed(self, docs: pa.Table) -> pa.Table:
        return docs if self._columns is None else conform(docs, self._columns, self.item.uri)

    def _open(self) -> BinaryIO:
        store, key = split_uri(self.item.uri)
        try:
            found = store.info(key)
            if found.etag != self.item.etag:
                raise ShardError(
                    f"{self.item.uri} changed since the run began (etag {self.item.etag} then, {found.etag} now); "
                    "to take it as it is now, run the same command again"
                )
            return store.open(key)
        except Missing as error:
            raise ShardError(f"{error}, though there was when the run began; put it back") from None


def _read_to_the_end(file: BinaryIO) -> None:
    """Read the rest, upon which a store checks what it delivered: an error in transit must not pass for damage."""
    while file.read(CHUNK):
        pass


class KeptShard:
    """A shard that the previous pass kept, with the decisions of the steps in between applied."""

    def __init__(self, shards: KeptShards, shard: int) -> None:
        self.item = shards.input(shard)
        self.report = SourceReport()
        self._shards = shards
        self._shard = shard

    def batches(self) -> Iterator[Split]:
        return self._shards.batches(self._shard)

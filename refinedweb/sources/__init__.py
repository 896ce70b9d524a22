"""Readers of crawls: a file in, tables of documents out, one row or one counted skip for each record.

Formats, told by content first and by name second: WARC and WET (plain, or gzip, zstd or bzip2 per record or as a
whole), ARC, Parquet and JSON lines (plain, gzip, zstd, bzip2). Memory is bounded by the options, not by the file.

A reader never fails on what is in a file: a bad document becomes a row with a reason in `drop`, a broken place a
`Damage` in the report, and reading goes on behind it. An empty file has no rows and no damage. Only a file of no
known format, or one whose dictionary is lost, raises ShardError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from refinedweb.sources.base import Damage, SourceOptions, SourceReport
from refinedweb.sources.charset import decode
from refinedweb.sources.formats import batches_of

__all__ = ["Damage", "Reader", "SourceOptions", "SourceReport", "decode_html", "open_reader"]


class Reader:
    """Reads one file forward, once. `report` is complete when `batches` is exhausted."""

    def __init__(self, file: BinaryIO, key: str, options: SourceOptions) -> None:
        self._file = file
        self._key = key
        self._options = options
        self.report = SourceReport()

    def batches(self) -> Iterator[pa.Table]:
        """Tables of the columns of `stages.schema.DOCUMENT`, then those that the input brings (the same in each).

        Raises ShardError where the file's format is unknown.
        """
        return batches_of(self._file, self._key, self._options, self.report)


def open_reader(file: BinaryIO, key: str, options: SourceOptions | None = None) -> Reader:
    """A reader for a seekable binary file. `key` is its URI or path: it goes to the column `source`."""
    return Reader(file, key, SourceOptions() if options is None else options)


def decode_html(page: bytes, charset: str | None = None) -> str:
    """A page's text as the readers decode it: byte order mark, `charset` (of the HTTP header), meta, detection."""
    return decode(page, charset).html.decode()

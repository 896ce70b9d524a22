"""Readers of crawls: they turn a file into tables of documents, with one row or one counted skip per record.

Formats are recognised by content first and by name second: WARC and WET (plain, or gzip, zstd or bzip2 per record or
as a whole), ARC, Parquet and JSON lines (plain, gzip, zstd, bzip2). Memory is bounded by the options, not by the file.

A reader never fails on the content of a file: a bad document becomes a row with a reason in `drop`, a broken place
becomes a `Damage` in the report, and reading continues after it. An empty file has no rows and no damage. Only a file
of an unknown format, or one whose compression dictionary is lost, raises ShardError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from refinedweb.sources.base import Damage, Part, SourceOptions, SourceReport
from refinedweb.sources.charset import decode
from refinedweb.sources.formats import batches_of

__all__ = ["Damage", "Part", "Reader", "SourceOptions", "SourceReport", "decode_html", "open_reader"]


class Reader:
    """Reads one file forward, once. Its `report` is complete when `batches` is exhausted."""

    def __init__(self, file: BinaryIO, key: str, options: SourceOptions, part: Part | None) -> None:
        self._file = file
        self._part = part
        self._key = key
        self._options = options
        self.report = SourceReport()

    def batches(self) -> Iterator[pa.Table]:
        """Tables with the columns of `stages.schema.DOCUMENT`, then the input's other columns (the same in each table).

        Raises ShardError if the file's format is unknown.
        """
        return batches_of(self._file, self._key, self._options, self.report, self._part)


def open_reader(file: BinaryIO, key: str, options: SourceOptions | None = None, part: Part | None = None) -> Reader:
    """Open a reader for a seekable binary file, or for a part of it. `key` is its URI or path: it goes into the column
    `source`.
    """
    return Reader(file, key, SourceOptions() if options is None else options, part)


def decode_html(page: bytes, charset: str | None = None) -> str:
    """Decode a page as the readers do: by byte order mark, `charset` (of the HTTP header), meta, or detection."""
    return decode(page, charset).html.decode()

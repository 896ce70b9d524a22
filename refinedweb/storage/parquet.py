"""Parquet from memory."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq


def read_parquet(data: bytes) -> pa.Table:
    """Read a Parquet file, comparing its page checksums. Raises pa.ArrowInvalid or OSError if it is damaged.

    `pq.read_table` will not do: its threads release `data` some time after the call returns, and a thread that does so
    while the interpreter shuts down aborts the process (as a quarter of the programs do that read a few tables and then
    end immediately).
    """
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    table: pa.Table = file.read(use_threads=False)
    return table

"""Parquet objects whose bytes depend on their rows alone, not on how the rows were batched."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from classifiers.kernels.arrays import Int64s
from refinedweb.ledger import layout
from refinedweb.ledger.manifest import Output
from refinedweb.patches import give_up
from refinedweb.recipe.recipe import RunOptions
from refinedweb.storage import Store
from stages.errors import RefinedWebError

GROUP_ROWS = 8192  # per row group at most
GROUP_BYTES = 32 << 20  # of content per row group: what a reader must hold in memory
DICTIONARIES = ("dump", "segment", "source", "language", "drop")
IDENTIFYING = (
    "id",
    "url",
    "timestamp",
    "dump",
    "segment",
    "source",
    "offset",
    "length",
    "language",
    "language_score",
    "drop",
    "kept_id",
)


class RowsWriter:
    """One Parquet object. A row group ends at the first row that fills it, in rows or in bytes of content."""

    def __init__(self, store: Store, key: str, schema: pa.Schema) -> None:
        self._key = key
        self._schema = schema
        self._sink = store.create(key)
        names = [name for name in DICTIONARIES if name in schema.names]
        try:
            self._writer = pq.ParquetWriter(
                self._sink, schema, compression="zstd", use_dictionary=names, write_page_checksum=True
            )
        except (OSError, RefinedWebError):
            self._sink.discard()
            raise
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._waiting_rows = 0
        self.rows = 0

    def write(self, rows: pa.Table) -> None:
        """Append rows. Columns are matched by name."""
        rows = rows.select(self._schema.names).cast(self._schema)
        while rows.num_rows > 0:
            sizes = content_bytes(rows).cumsum() + self._waiting_bytes
            fits = min(int(np.searchsorted(sizes, GROUP_BYTES)) + 1, GROUP_ROWS - self._waiting_rows, rows.num_rows)
            self._waiting.append(rows.slice(0, fits))
            self._waiting_rows += fits
            self._waiting_bytes = int(sizes[fits - 1])
            if self._waiting_rows >= GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
                self._flush()
            rows = rows.slice(fits)

    def _flush(self) -> None:
        group = pa.concat_tables(self._waiting).combine_chunks()
        self._writer.write_table(group, row_group_size=group.num_rows)
        self.rows += group.num_rows
        self._waiting, self._waiting_bytes, self._waiting_rows = [], 0, 0

    def finish(self) -> Output:
        """Commit the object."""
        if self._waiting_rows:
            self._flush()
        self._writer.close()
        written = self._sink.finish()
        return Output(self._key, self.rows, written.size, written.checksum)

    def discard(self) -> None:
        """Abort: leave no object."""
        give_up(self._writer)  # else its finaliser would write a footer
        self._sink.discard()


def content_bytes(rows: pa.Table) -> Int64s:
    """Bytes of html and text per row."""
    sizes = np.zeros(rows.num_rows, dtype=np.int64)
    for name in ("html", "text"):
        if name in rows.column_names:
            sizes += pc.fill_null(pc.binary_length(rows.column(name)), 0).to_numpy()
    return sizes


class RemovedWriter:
    """`removed/<stage>/<shard>.parquet` of every stage that removed something, as detailed as `keep_removed` says."""

    def __init__(self, store: Store, step: str, shard: int, options: RunOptions) -> None:
        self._store = store
        self._step = step
        self._shard = shard
        self._options = options
        self._writers: dict[str, RowsWriter] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def write(self, stage: str, rows: pa.Table) -> None:
        """Count the rows, which all have a reason, and append what is kept of them."""
        if rows.num_rows == 0:
            return
        whole = self._whole(stage, rows.column("drop").to_pylist())
        if stage not in self._writers:
            key = layout.shard_key(layout.removed_folder(self._step, stage), self._shard)
            self._writers[stage] = RowsWriter(self._store, key, rows.schema)
        self._writers[stage].write(_blank(rows, whole))

    def _whole(self, stage: str, reasons: list[str]) -> pa.Array:
        """Which rows keep all their columns. Also counts the reasons."""
        counts = self.counts.setdefault(stage, {})
        whole = []
        for reason in reasons:
            seen = counts.get(reason, 0)
            counts[reason] = seen + 1
            sampled = self._options.keep_removed == "sample" and seen < self._options.sample_rows
            whole.append(sampled or self._options.keep_removed == "full")
        return pa.array(whole, pa.bool_())

    def finish(self) -> list[Output]:
        """Commit all objects."""
        return [self._writers[stage].finish() for stage in sorted(self._writers)]

    def discard(self) -> None:
        """Abort: leave no objects."""
        for writer in self._writers.values():
            writer.discard()


def _blank(rows: pa.Table, whole: pa.Array) -> pa.Table:
    """Blank rows that are not `whole`, except their identifying columns and measures."""
    # Not if_else: its result keeps buffers alive that are as large as the whole column's content.
    indices = pa.array(np.arange(rows.num_rows), mask=~whole.to_numpy(zero_copy_only=False))
    for index, field in enumerate(rows.schema):
        if field.name not in IDENTIFYING and not pa.types.is_primitive(field.type):
            rows = rows.set_column(index, field, rows.column(index).take(indices))
    return rows


class ShardOutputs:
    """The kept and the removed rows of one shard, and `more` of the kept. `finish` commits all of them, else none."""

    def __init__(self, kept: RowsWriter, removed: RemovedWriter, more: Sequence[RowsWriter] = ()) -> None:
        self.kept = kept
        self.removed = removed
        self.more = more

    def __enter__(self) -> ShardOutputs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            for writer in (self.kept, *self.more):
                writer.discard()
            self.removed.discard()

    def finish(self) -> list[Output]:
        """Commit all objects."""
        return [self.kept.finish(), *(writer.finish() for writer in self.more), *self.removed.finish()]

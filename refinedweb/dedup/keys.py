"""Documents of a block → one row for each of their keys that the block's other documents do not have.

What documents of one block have in common need not travel. Documents of equal text have equal keys: the first one is
signed, the others are its copies, by an edge. Of rows with equal keys within a flush, the one with the smallest address
is sent, and edges join the others to it. So a key that all documents of a corpus have is one row per flush.

Edges are found in another order than rows meet in a partition, but the components are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.context import Context, Documents
from refinedweb.dedup.exchange import Exchange, Sender, by_key
from refinedweb.dedup.phase import PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.signing import Signing
from refinedweb.dedup.tasks import check_texts, texts_of
from stages.dedup import Clustered, checks_column, keys_column
from stages.kernels.buffers import utf8_views
from stages.kernels.edges import grouped_heads
from stages.kernels.unionfind import forest
from stages.schema import DOCUMENT

KEYS = pa.schema([("key", pa.uint64()), ("check", pa.uint64()), ("node", pa.uint64())])
EDGES = pa.schema([("a", pa.uint64()), ("b", pa.uint64())])
FLUSH_ROWS = 1 << 22  # that are joined at a time: 64 MiB, three times over
TEXTS = 1 << 19  # different texts that a task remembers: some 80 MB


def keys_schema(stage: Clustered) -> pa.Schema:
    """KEYS, without the checks if the stage has none: at 450 keys per document, each column counts."""
    signed = stage(DOCUMENT.empty_table()).column_names
    return KEYS if checks_column(stage.name) in signed else KEYS.remove(KEYS.get_field_index("check"))


def signed_rows(stage: Clustered, docs: pa.Table, addresses: UInt64s) -> pa.Table:
    """A row for each key of each document. Documents of an index may come with their keys."""
    name = stage.name
    signed = docs if keys_column(name) in docs.column_names else stage(docs)
    keys = signed.column(keys_column(name)).combine_chunks()
    counts = pc.fill_null(pc.list_value_length(keys), 0).to_numpy(zero_copy_only=False)
    columns = {"key": keys.flatten(), "node": pa.array(np.repeat(addresses, counts))}
    if checks_column(name) in signed.column_names:
        columns["check"] = signed.column(checks_column(name)).combine_chunks().flatten()
    names = [column for column in KEYS.names if column in columns]
    return pa.table([columns[column] for column in names], names=names)


def edges_table(a: UInt64s, b: UInt64s) -> pa.Table:
    """The edges as rows of EDGES."""
    return pa.table([pa.array(a), pa.array(b)], schema=EDGES)


@dataclass(frozen=True)
class SignKeys:
    """Documents of a block → keys, shuffled, and the edges between its own documents."""

    context: Context
    schema: pa.Schema
    columns: tuple[str, ...]
    name: str = "1-sign"

    @property
    def count(self) -> int:
        return self.context.signed_blocks

    @property
    def rows(self) -> Exchange:
        """The keys."""
        return by_key(self.context, "signed", self.schema, self.count)

    @property
    def edges(self) -> Shuffled:
        """The edges, all in one partition."""
        return Shuffled(self, "edges", EDGES)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        counts, texts = PhaseCounts(), SeenTexts()
        join = Join(self.rows.open(outputs), self.schema)
        edges = outputs.shuffle("edges", EDGES, 1)
        written = 0
        with Signing(self.context, signed_rows, self.schema, outputs) as signing:
            for batch in self.context.documents(task, self.columns):
                counts.rows_in += batch.docs.num_rows
                written += texts_of(batch.docs)
                (addresses, docs), copies = self._without_copies(batch, texts)
                rows = self.context.asked(task, signing.rows(docs, addresses))
                signing.refuse_copies(copies, batch)
                edges.write(texts.with_keys(copies, addresses, rows))
                edges.write(join.add(rows))
            edges.write(join.flush())
            signing.finish(counts)
        check_texts(self.context, counts, written)
        return counts

    def _without_copies(self, batch: Documents, texts: SeenTexts) -> tuple[Documents, pa.Table]:
        """The documents that are signed, and edges to those that are copies of what was signed."""
        stage = cast(Clustered, self.context.stage)
        if (
            stage.reads == ("text",)
            and stage.keys_each() > 1
            and keys_column(stage.name) not in batch.docs.column_names
        ):
            docs, addresses, copies = texts.without_copies(batch.docs, batch.addresses)
            return Documents(addresses, docs), copies
        return batch, EDGES.empty_table()


class SeenTexts:
    """The different texts of a task so far, by their 128-bit xxh3, with the address of the first document of each."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._keyless: set[int] = set()

    def without_copies(self, docs: pa.Table, addresses: UInt64s) -> tuple[pa.Table, UInt64s, pa.Table]:
        """The documents whose texts are new, with their addresses; and edges from first documents to the others."""
        if len(self._first) > TEXTS:
            self._first, self._keyless = {}, set()
        new, edges = np.ones(docs.num_rows, bool), []
        for row, (digest, address) in enumerate(zip(_digests(docs), addresses.tolist(), strict=True)):
            first = self._first.setdefault(digest, address)
            if first != address:
                new[row] = False
                edges.append((first, address))
        if not edges:
            return docs, addresses, EDGES.empty_table()
        return docs.filter(pa.array(new)), addresses[new], edges_table(*np.array(edges, np.uint64).T.copy())

    def with_keys(self, copies: pa.Table, addresses: UInt64s, rows: pa.Table) -> pa.Table:
        """The edges, but for those of texts without a key, which are nobody's copies. `rows`: what was signed last."""
        nodes = rows.column("node").to_numpy()
        ends = np.searchsorted(nodes, addresses, side="right") - np.searchsorted(nodes, addresses)
        self._keyless.update(addresses[ends == 0].tolist())
        if not copies.num_rows or not self._keyless:
            return copies
        without = np.array(sorted(self._keyless), np.uint64)
        return copies.filter(pa.array(~np.isin(copies.column("a").to_numpy(), without)))


def _digests(docs: pa.Table) -> Iterator[bytes]:
    offsets, data = utf8_views(docs.column("text"))
    edges, view = offsets.tolist(), data.data
    for row in range(docs.num_rows):
        yield xxhash.xxh3_128_digest(view[edges[row] : edges[row + 1]])


class Join:
    """Rows of keys that wait for a flush."""

    def __init__(self, sender: Sender, schema: pa.Schema) -> None:
        self._sender = sender
        self._schema = schema
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def add(self, rows: pa.Table) -> pa.Table:
        """Add rows; returns the edges of a flush, if it was time for one."""
        self._waiting.append(rows)
        self._rows += rows.num_rows
        return self.flush() if self._rows >= FLUSH_ROWS else EDGES.empty_table()

    def flush(self) -> pa.Table:
        """Send a row for each key, and return edges from its document to the others that have it."""
        if not self._rows:
            return EDGES.empty_table()
        rows = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting, self._rows = [], 0
        check = rows.column("check").to_numpy() if "check" in rows.column_names else None
        heads = grouped_heads(rows.column("key").to_numpy(), check, rows.column("node").to_numpy())
        columns = {"key": heads.keys, "check": heads.checks, "node": heads.nodes}
        self._sender.write(pa.table([pa.array(columns[name]) for name in self._schema.names], schema=self._schema))
        return edges_table(*forest(heads.a, heads.b))

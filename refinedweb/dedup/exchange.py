"""Rows on their way from the tasks of one phase to the partitions, or the blocks, that the next phase reads.

Whatever the route (see `routes`), a partition has the same rows in the same order: by the task that wrote them, and as
that task wrote them. Merges read their objects in that order, and append what they read.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import UInt32s
from refinedweb.dedup.context import Context
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.routes import Route, route, settled
from refinedweb.dedup.shuffle import ShuffleWriter, partition_of


@dataclass(frozen=True)
class Exchange:
    """The rows called `name` that `producers` tasks write, about `size` bytes, for `partitions`.

    A row goes to the partition of its `column`: by `key` spread evenly, by `block` to the block that has this address,
    by `number` to the partition that is named there. `written`: the bytes that were really written, once it is known.
    """

    context: Context
    name: str
    schema: pa.Schema
    producers: int
    partitions: int
    size: int
    by: Literal["key", "block", "number"]
    column: str
    written: int | None = None

    @cached_property
    def route(self) -> Route:
        """How the rows travel."""
        planned = route(self.producers, self.partitions, self.size, self.context.limits)
        return planned if self.written is None else settled(planned, self.written, self.context.limits)

    def numbers(self, rows: pa.Table) -> UInt32s:
        """The partition of each row."""
        values = rows.column(self.column).to_numpy()
        if self.by == "key":
            return partition_of(values, self.partitions)
        return self.context.block_of(values) if self.by == "block" else values.astype(np.uint32)

    def open(self, outputs: PhaseOutputs) -> Sender:
        """What a task of the producing phase writes to."""
        return Sender(self, 0, 0, outputs)


def by_key(context: Context, name: str, schema: pa.Schema, producers: int) -> Exchange:
    """An exchange by the first column, among the partitions of the step."""
    return Exchange(context, name, schema, producers, context.partitions, context.size, "key", schema.names[0])


def by_block(context: Context, name: str, schema: pa.Schema, producers: int, column: str = "address") -> Exchange:
    """An exchange by an address. It has no more bytes than the step's keys."""
    return Exchange(context, name, schema, producers, len(context.blocks), context.size, "block", column)


class Sender:
    """Writes the rows of one task: all of them at level 0, those of one piece at the levels of merges."""

    def __init__(self, exchange: Exchange, level: int, first: int, outputs: PhaseOutputs) -> None:
        pieces = exchange.route.pieces(level)
        self._exchange = exchange
        self._width = np.uint32(exchange.route.widths[level])
        self._first = np.uint32(first * pieces)
        self._writer: ShuffleWriter = outputs.shuffle(exchange.name, exchange.schema, pieces)

    def write(self, rows: pa.Table) -> None:
        """Append rows."""
        if rows.num_rows:
            self._writer.write(rows, self._exchange.numbers(rows) // self._width - self._first)

    @property
    def rows(self) -> int:
        """How many were written."""
        return self._writer.rows


def arrived(exchange: Exchange, producer: Phase) -> Generator[Phase, None, Shuffled]:
    """The merges after the phase that wrote the rows, if there are any; returns what the next phase reads."""
    found = _shuffled(exchange, producer, 0)
    if exchange.route.merges:
        exchange = replace(exchange, written=found.bytes())
    for level in range(1, exchange.route.merges + 1):
        merge = Merge(exchange, found, level, f"{producer.name}-{exchange.name}-merge-{level}")
        yield merge
        found = _shuffled(exchange, merge, level)
    return found


def _shuffled(exchange: Exchange, writer: Phase, level: int) -> Shuffled:
    pieces, groups = exchange.route.pieces(level), exchange.route.groups[level]
    return Shuffled(writer, exchange.name, exchange.schema, pieces, groups)


@dataclass(frozen=True)
class Merge:
    """One piece of a group of objects → one object with finer pieces."""

    exchange: Exchange
    source: Shuffled
    level: int
    name: str

    @property
    def context(self) -> Context:
        return self.exchange.context

    @property
    def count(self) -> int:
        return self.exchange.route.tasks(self.level)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        route, counts = self.exchange.route, PhaseCounts()
        piece, group = divmod(task, route.groups[self.level])
        together = route.merged(self.level)
        sender = Sender(self.exchange, self.level, piece, outputs)
        for rows in self._read(piece, slice(group * together, (group + 1) * together)):
            sender.write(rows)
            counts.rows_in += rows.num_rows
        return counts

    def _read(self, piece: int, which: slice) -> Iterator[pa.Table]:
        return self.source.each(piece, self.source.objects(piece)[which])

"""Read what a pass kept as later steps see it: with the decisions of the global steps in between applied."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from refinedweb.ledger import layout
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.apply import Removal, Split, check_law, split
from refinedweb.shard.deadline import batch_limit
from refinedweb.shard.decisions import decisions_of
from refinedweb.shard.stage_cache import built
from refinedweb.sources.inputs import Input
from refinedweb.storage import Missing, Store
from refinedweb.storage.os_errors import translated
from stages.base import set_column
from stages.dedup import ROW, Clustered, Global
from stages.errors import ShardError

KEPT_ID = "kept_id"
CLUSTER_SIZE = "cluster_size"  # of a document of the corpus: itself, and those that were removed for it
_STOOD_FOR = "@stood_for"


class DecidedStep(NamedTuple):
    """A complete global step: its name and its stage."""

    step: str
    stage: Global


@dataclass(frozen=True)
class KeptShards:
    """The shards that a pass kept below `folder`, and the steps that have `decided` about them since, in order.

    `amended_in`: the step at whose end their decisions were amended (None: as they were at first). `seconds`: of CPU
    time that a document may take.
    """

    store: Store
    folder: str
    decided: Sequence[DecidedStep] = ()
    amended_in: str | None = None
    seconds: float = math.inf

    def key(self, shard: int) -> str:
        return layout.shard_key(self.folder, shard)

    def input(self, shard: int) -> Input:
        """The shard as an input. Raises ShardError if it is gone."""
        try:
            info = self.store.info(self.key(shard))
        except Missing as error:
            raise _gone(error) from None
        return Input(self.store.uri(info.key), info.etag, info.size)

    def batches(self, shard: int, columns: Sequence[str] | None = None) -> Iterator[Split]:
        """Read the shard by row groups (at least one, if only an empty one), each split by the decided steps.

        Kept rows have their number in `@row`. Only `columns` are read, which must include those of the decided stages.
        """
        decisions = [self.decisions(decided, shard) for decided in self.decided]
        first = 0
        for docs in self._groups(shard, columns):
            numbers = np.arange(first, first + docs.num_rows)
            first += docs.num_rows
            yield self._applied(docs.append_column(ROW, pa.array(numbers)), decisions)

    def _groups(self, shard: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        """The row groups. What makes no sense is read once more: the damage may have happened in transit.

        Raises ShardError if the shard is damaged, RetryError or ConfigError if the system refuses to read it.
        """
        uri, done = self.store.uri(self.key(shard)), 0
        for again in (True, False):
            try:
                for group in _row_groups(self.store, self.key(shard), columns, done):
                    yield group
                    done += 1
                return
            except Missing as error:
                raise _gone(error) from None
            except (OSError, pa.ArrowInvalid) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise translated(uri, error) from error
                if not again:
                    raise ShardError(f"{uri} is damaged: {error}; delete its record, run again") from error

    def decisions(self, decided: DecidedStep, shard: int) -> pa.Table:
        """What a step decided about a shard, by row."""
        return decisions_of(self.store, decided.step, shard, self.amended_in)

    def _applied(self, docs: pa.Table, decisions: Sequence[pa.Table]) -> Split:
        removed = []
        for decided, about in zip(self.decided, decisions, strict=True):
            with batch_limit(self.seconds):
                judged = decided.stage.apply(docs, about)
            check_law(decided.stage, docs, judged)
            judged = set_column(judged, _STOOD_FOR, _stood_for(docs))
            docs, rows = split(docs, judged)
            removed.append(Removal(decided.stage.name, rows.drop_columns([ROW, _STOOD_FOR])))
            docs = _without_decisions(docs, decided.stage)
        return Split(docs, removed)


def _gone(error: Missing) -> ShardError:
    return ShardError(f"{error}, though its record exists; `refinedweb verify` lists what else is missing")


def _row_groups(store: Store, key: str, columns: Sequence[str] | None, first: int) -> Iterator[pa.Table]:
    """Row groups of a Parquet object from number `first` on; an empty table if it has none at all."""
    with store.open(key, random=True) as file:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        wanted = None if columns is None else [n for n in parquet.schema_arrow.names if n in columns]
        for group in range(first, parquet.num_row_groups):
            yield parquet.read_row_group(group, columns=wanted, use_threads=False)
        if parquet.num_row_groups == 0:
            empty = parquet.schema_arrow.empty_table()
            yield empty if wanted is None else empty.select(wanted)


def kept_shards(store: Store, step: Step, recipe: Recipe, amended_in: str | None = None) -> KeptShards:
    """What `step` reads, which is not the first one, by decisions as they were amended in a step (None: at first)."""
    if step.reads is None:
        raise ValueError(f"{step.name} reads the inputs of the run, not what a pass kept")
    stages = built(recipe.only([_stage_of(name) for name in step.applies]), recipe.imports)
    decided = [DecidedStep(name, cast(Global, stage)) for name, stage in zip(step.applies, stages, strict=True)]
    return KeptShards(store, layout.handed_on_folder(step.reads), decided, amended_in, recipe.run.stage_seconds)


def _stage_of(step: str) -> str:
    """The stage of a global step, after which the step is named."""
    return step.partition("-")[2]


def _stood_for(docs: pa.Table) -> pa.Array | pa.ChunkedArray:
    """How many documents each one stands for by the steps before; 1 if there was none."""
    if CLUSTER_SIZE in docs.column_names and pa.types.is_integer(docs.column(CLUSTER_SIZE).type):
        return pc.fill_null(docs.column(CLUSTER_SIZE).cast(pa.int64()), 1)
    return pa.array(np.ones(docs.num_rows, np.int64))


def _without_decisions(docs: pa.Table, stage: Global) -> pa.Table:
    """Drop the columns of a decision. How many documents one stands for grows by those that were removed for it."""
    stood_for = docs.column(_STOOD_FOR)
    docs = docs.drop_columns([name for name in (KEPT_ID, _STOOD_FOR) if name in docs.column_names])
    if not isinstance(stage, Clustered):
        return docs
    sizes = pc.fill_null(docs.column(CLUSTER_SIZE), 1)
    docs = set_column(docs, f"{stage.name}.cluster_size", docs.column(CLUSTER_SIZE))
    return set_column(docs, CLUSTER_SIZE, pc.add(stood_for, pc.subtract(sizes, 1)))

"""Reads the documents of earlier runs: keys, a folder of documents, or what a step of an earlier run read.

A document that its own run removed as a duplicate has the id of the one that was kept instead, so that a removed
document of this run names one that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.merged import OldKeys
from refinedweb.ledger import layout
from refinedweb.ledger.run_file import run_or_none
from refinedweb.recipe.assets import asset_fields
from refinedweb.recipe.load import load_stages, of_content
from refinedweb.recipe.plan import Step
from refinedweb.recipe.trust import Trust
from refinedweb.shard.kept import KEPT_ID
from refinedweb.shard.seen import SeenDocuments, seen_by
from refinedweb.sources.bounded import BoundedRows
from refinedweb.sources.inputs import Input
from refinedweb.storage import Store, open_store, split_uri
from stages.base import registry, set_column
from stages.dedup import ROW, Clustered, Global
from stages.errors import ShardError
from stages.schema import DOCUMENT

_ROWS, _BYTES = 1 << 14, 64 << 20  # of a file that are read at a time, at most


def family(stage: str) -> str:
    """The name of a stage without its version."""
    return stage.rpartition("_v")[0]


def same_stage(steps: Sequence[Step], stage: str) -> Step | None:
    """The global step of an earlier run that compared documents as `stage` does, maybe by another version of it."""
    deciding = (step for step in steps if step.kind == "global")
    return next((step for step in deciding if family(step.stages[0]) == family(stage)), None)


def old_tables(item: Input, stage: Global, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The documents of a file of the stage's index in parts, with their numbers in `@row`."""
    _check_unchanged(item)
    handed_on = layout.handed_on_shard(item.uri)
    if handed_on is not None and handed_on[0] in getattr(stage, "index", ()):
        tables = _of_run(*handed_on, stage.name, columns)
    else:
        tables = _of_file(item, columns)
    for docs in tables:
        yield _ranked(_named(docs), stage, columns)


def index_tables(item: Input, columns: Sequence[str]) -> Iterator[pa.Table]:
    """What a file of an index has of these columns, with `id`, `kept_id` and the numbers of its rows in `@row`."""
    _check_unchanged(item)
    yield from _of_file(item, columns)


def _check_unchanged(item: Input) -> None:
    store, key = split_uri(item.uri)
    if store.info(key).etag != item.etag:
        raise ShardError(f"{item.uri}, a part of the index, changed since this run began; start a new run")


def merged_tables(
    merged: OldKeys, shard: int, stage: Global, columns: Sequence[str], wanted: UInt64s | None
) -> Iterator[pa.Table]:
    """The documents of a shard of an index of several runs, as `old_tables` gives them."""
    for docs in merged.tables(shard, columns, wanted):
        yield _ranked(_named(docs), stage, columns)


def _ranked(docs: pa.Table, stage: Global, columns: Sequence[str]) -> pa.Table:
    """The documents with the columns that rank, if it is those that are asked for: null where an index lacks them, or
    has something else there. Old documents stay anyway; the rank only says which of several is named.
    """
    if not isinstance(stage, Clustered) or tuple(columns) != tuple(stage.ranks_by):
        return docs
    for name in columns:
        wanted = DOCUMENT.field(name).type if name in DOCUMENT.names else pa.float64()
        known = docs.schema.field(name).type if name in docs.column_names else None
        fits = known == wanted or (name not in DOCUMENT.names and known is not None and is_number(known))
        docs = docs if fits else set_column(docs, name, pa.nulls(docs.num_rows, wanted))
    return docs


def is_number(kind: pa.DataType) -> bool:
    """Whether values of this type can be compared as numbers."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _of_file(item: Input, columns: Sequence[str]) -> Iterator[pa.Table]:
    store, key = split_uri(item.uri)
    with store.open(key, random=True) as file:
        parquet = BoundedRows(file, _BYTES)
        names = [name for name in parquet.schema.names if name in ("id", KEPT_ID, *columns)]
        first = 0
        for group in range(len(parquet.groups)):
            for found in parquet.tables(group, _ROWS, names):
                docs = _as_documents(found)
                yield docs.append_column(ROW, pa.array(np.arange(first, first + docs.num_rows)))
                first += docs.num_rows


def _as_documents(rows: pa.Table) -> pa.Table:
    """The rows with times as documents have them: others write other units, or no time zone."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.name in DOCUMENT.names:
            rows = rows.set_column(at, field.name, rows.column(at).cast(DOCUMENT.field(field.name).type, safe=False))
    return rows


def _of_run(root: str, step: str, shard: int, stage: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    store = open_store(root)
    with store.open(layout.shard_key(layout.CORPUS, shard), random=True) as file:
        corpus = pq.read_table(file, columns=["id"]).column("id").combine_chunks()
    return _seen(store, stage).tables(shard, ["id", *columns], corpus)


@lru_cache(maxsize=64)
def _seen(store: Store, stage: str) -> SeenDocuments:
    """What the step of an earlier run saw. Nothing is opened that the run names."""
    run = run_or_none(store)
    step = None if run is None else same_stage(run.steps, stage)
    if run is None or step is None:
        raise ShardError(f"the run at {store.root}, a part of the index, is gone; start a new run")
    applied = [name for other in run.steps if other.name in step.applies for name in other.stages]
    recipe = of_content({"stages": _to_apply(run.recipe)}, run.recipe_name, applied, Trust(store.root))
    return seen_by(store, run.steps, step.stages[0], recipe)


def _to_apply(recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The stages of a recipe without models and earlier runs, which only finding duplicates needs."""
    load_stages()
    known = registry()
    return [
        {key: value for key, value in table.items() if key not in ("index", *_assets_of(known.get(table["name"])))}
        for table in recipe["stages"]
    ]


def _assets_of(cls: type[Any] | None) -> Sequence[str]:
    return () if cls is None else asset_fields(cls)


def _named(docs: pa.Table) -> pa.Table:
    """The documents with the id of what was kept instead, where it was not they."""
    if KEPT_ID not in docs.column_names:
        return docs
    ids = pc.coalesce(docs.column(KEPT_ID), docs.column("id"))
    return set_column(docs, "id", ids).drop_columns([KEPT_ID])

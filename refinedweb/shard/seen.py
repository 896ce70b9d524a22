"""The documents of a clustered step as it saw them, with what became of each: what an index of that step holds.

A copy that comes later is compared as the step compared: before later steps cut or mask texts. So the documents are
read from where the step read them, with the decisions of the steps before it applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.ledger import layout
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.kept import KEPT_ID, KeptShards, kept_shards
from refinedweb.storage import Store
from refinedweb.storage.parquet import read_parquet

_FATES = pa.schema([("id", pa.string()), (KEPT_ID, pa.string())])


@dataclass(frozen=True)
class SeenDocuments:
    """What a clustered step read: `kept`. `deciding`: that step and the global steps after it."""

    kept: KeptShards
    deciding: tuple[str, ...]

    def tables(self, shard: int, columns: Sequence[str] | None, corpus: pa.Array) -> Iterator[pa.Table]:
        """The documents of a shard that an index holds: those in the `corpus` (ids), and those that this or a later
        global step removed.

        They have their number in `@row`, and in `kept_id` what was kept instead: null for those in the corpus. What a
        later local stage removed is not a duplicate of anything, so it may come back.
        """
        gone = self._gone(shard)
        for batch in self.kept.batches(shard, columns):
            ids = batch.kept.column("id")
            stays = pc.is_in(ids, value_set=corpus)
            at = pc.index_in(ids, value_set=gone.column("id"))
            kept_id = pc.if_else(stays, pa.scalar(None, pa.string()), gone.column(KEPT_ID).take(at))
            yield batch.kept.append_column(KEPT_ID, kept_id).filter(pc.or_(stays, pc.is_valid(at)))

    def _gone(self, shard: int) -> pa.Table:
        """The documents that the deciding steps removed, each with the one that was kept instead."""
        parts = [_FATES.empty_table()]
        for step in self.deciding:
            about = read_parquet(self.kept.store.get(layout.decisions_key(step, shard))[0])
            parts.append(about.filter(pc.is_valid(about.column("reason"))).select(_FATES.names).cast(_FATES))
        return pa.concat_tables(parts).combine_chunks()


def seen_by(store: Store, steps: Sequence[Step], stage: str, recipe: Recipe) -> SeenDocuments:
    """What the step of a clustered stage saw. `recipe` has the stages whose decisions the step applied."""
    deciding = [step for step in steps if step.kind == "global"]
    at = next(number for number, step in enumerate(deciding) if stage in step.stages)
    return SeenDocuments(kept_shards(store, deciding[at], recipe), tuple(step.name for step in deciding[at:]))

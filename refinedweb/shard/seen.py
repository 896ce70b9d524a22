"""The documents of a clustered step as it saw them, with what became of each: what an index of that step holds.

A copy that comes later is compared as the step compared: before later steps cut or mask texts. So the documents are
read from where the step read them, with the decisions of the steps before it applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.recipe.plan import Step, group_of
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.decisions import decisions_of
from refinedweb.shard.kept import KEPT_ID, KeptShards, kept_shards
from refinedweb.shard.quarantine import REFUSALS
from refinedweb.storage import Store

_FATES = pa.schema([("id", pa.string()), (KEPT_ID, pa.string())])


@dataclass(frozen=True)
class SeenDocuments:
    """What a clustered step read: `kept`. `deciding`: that step and the global steps after it. `amended_in`: the step
    at whose end the decisions of each were amended.
    """

    kept: KeptShards
    deciding: tuple[str, ...]
    amended_in: Mapping[str, str]

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
            about = decisions_of(self.kept.store, step, shard, self.amended_in.get(step))
            # Who was refused was signed with nothing, so it is compared with nothing later either.
            compared = pc.invert(pc.is_in(about.column("reason"), value_set=pa.array([None, *REFUSALS], pa.string())))
            parts.append(about.filter(compared).select(_FATES.names).cast(_FATES))
        return pa.concat_tables(parts).combine_chunks()


def seen_by(store: Store, steps: Sequence[Step], stage: str, recipe: Recipe) -> SeenDocuments:
    """What the step of a clustered stage saw. `recipe` has the stages whose decisions the step applied."""
    deciding = [step for step in steps if step.kind == "global"]
    at = next(number for number, step in enumerate(deciding) if stage in step.stages)
    amended_in = {step.name: group_of(steps, step)[-1].name for step in deciding}
    kept = kept_shards(store, deciding[at], recipe, amended_in[deciding[at].name])
    return SeenDocuments(kept, tuple(step.name for step in deciding[at:]), amended_in)

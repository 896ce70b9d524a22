"""Which columns stages need, checked before any work: a name that is wrong must not be found after the first pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa

from refinedweb.engine.first_look import first_look
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.kept import CLUSTER_SIZE
from refinedweb.shard.stage_cache import built
from refinedweb.sources.inputs import Input
from stages.base import Stage, set_column
from stages.dedup import Clustered, Global
from stages.errors import ConfigError, nearest


def check_needs(recipe: Recipe, inputs: Sequence[Input]) -> None:
    """Raises ConfigError if the inputs cannot be documents, or if a stage needs a column that neither the first input
    nor a stage before it has.

    An input that cannot be read is not the recipe's fault; then nothing is known.
    """
    stages = recipe.build()
    docs = first_look(recipe, inputs)
    if docs is None or not any(needs_of(stage) for stage in stages):
        return
    # As in workers: with models and lists of a store on this machine.
    for stage in built(recipe.stages, recipe.imports):
        for name in needs_of(stage):
            if name not in docs.column_names:
                raise ConfigError(
                    f"{stage.name} needs the column {name!r}, which neither the input nor a stage before it has: "
                    f"{nearest(name, docs.column_names)}"
                )
        if isinstance(stage, Clustered):
            docs = set_column(docs, CLUSTER_SIZE, pa.array([], pa.int64()))
        elif not isinstance(stage, Global):
            docs = stage(docs)


def needs_of(stage: Stage) -> Sequence[str]:
    """The columns without which a stage cannot work."""
    return cast(Any, stage).ranks_by if isinstance(stage, Clustered) else getattr(stage, "needs", ())

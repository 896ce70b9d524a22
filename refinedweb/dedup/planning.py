"""How a global step is split: into blocks of shards that one task reads, and partitions that one task gathers.

The plan is made once per run, by whichever driver comes first, from what the previous pass recorded; it is kept as
`plan.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from refinedweb.dedup.context import OLD, Block, Context
from refinedweb.dedup.index import index_files
from refinedweb.ledger import layout
from refinedweb.ledger.manifest import Ledger
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import Input
from refinedweb.storage import Exists, Missing, Store
from refinedweb.storage.json_objects import load_object
from stages.base import Stage, build
from stages.dedup import Clustered

# A task's share of the shuffle, in bytes: a 32nd of it, so that many workers have a task while it is small; at least
# 16 MiB, which is worth a task's start; and at most what a worker can hold when it is large.
SHARES = 32
LEAST_PARTITION, MOST_PARTITION = 16 << 20, 192 << 20
LEAST_BLOCK, MOST_BLOCK = 16 << 20, 1 << 30
KEY_BYTES = 24  # per key: the key, its check and an address
SPAN_SHARE = 0.6  # bytes per byte of text: 40 for every 13th token, and likewise for paragraphs


@dataclass(frozen=True)
class StepPlan:
    """How a step is split: the shards of each block, the number of partitions, and the files of earlier runs."""

    blocks: list[Block]
    partitions: int
    index: list[Input]


def context_of(store: Store, step: Step, recipe: Recipe, shards: int, lost: frozenset[int] = frozenset()) -> Context:
    """The context of a global step, as planned by the first driver. Raises ConfigError for an unusable index.

    `lost`: shards that the step goes on without.
    """
    try:
        planned = _planned(store, step)
    except Missing:
        planned = _plan(store, step, recipe, shards)
        try:
            store.put_new(layout.plan_key(step.name), json.dumps(asdict(planned)).encode())
        except Exists:
            planned = _planned(store, step)
    return Context(store.root, step, recipe, tuple(planned.blocks), planned.partitions, tuple(planned.index), lost)


def _planned(store: Store, step: Step) -> StepPlan:
    """Read `plan.json`. Raises Missing or Unreadable."""
    key = layout.plan_key(step.name)
    remedy = f"delete {store.uri(layout.step_folder(step.name))} as a whole and run the same command again"
    return load_object(StepPlan, store.get(key)[0], store.uri(key), remedy)


def check_index(recipe: Recipe) -> None:
    """Raises ConfigError, before any work is done, if a stage's index is not one or has other parameters."""
    for stage in recipe.build():
        if isinstance(stage, Clustered):
            index_files(stage, stage.index)


def _plan(store: Store, step: Step, recipe: Recipe, shards: int) -> StepPlan:
    ((name, values),) = recipe.only(step.stages)
    stage = build(name, values)
    assert step.reads is not None
    records = Ledger(store, step.reads).records(range(shards))
    sizes = [shuffle_bytes(stage, record.rows_kept, record.bytes_kept) for record in records]
    index = index_files(stage, stage.index) if isinstance(stage, Clustered) else []
    old_sizes = [shuffle_bytes(stage, item.rows, item.input.size) for item in index]
    total = sum(sizes) + sum(old_sizes)
    block, partitions = split_shuffle(total)
    blocks = [*_blocks(sizes, 0, block), *_blocks(old_sizes, OLD, block)]
    return StepPlan(blocks, partitions, [item.input for item in index])


def split_shuffle(total: int) -> tuple[int, int]:
    """How a shuffle of `total` bytes is split: bytes of a block, and the number of partitions."""
    partition = _between(LEAST_PARTITION, total // SHARES, MOST_PARTITION)
    return _between(LEAST_BLOCK, total // SHARES, MOST_BLOCK), total // partition + 1


def shuffle_bytes(stage: Stage, documents: int, size: int) -> int:
    """Estimate how many bytes a global step shuffles for this number of documents with `size` bytes of text."""
    if isinstance(stage, Clustered):
        return documents * stage.keys_each() * KEY_BYTES
    return int(size * SPAN_SHARE)


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _blocks(sizes: Iterable[int], first: int, most: int) -> list[Block]:
    """Group neighbouring shards until they shuffle `most` bytes."""
    blocks: list[Block] = []
    filled = most + 1  # so that the first shard begins a block, even if it is empty
    for shard, size in enumerate(sizes, first):
        if filled + size > most:
            blocks.append(Block(shard, shard + 1))
            filled = size
        else:
            blocks[-1] = blocks[-1]._replace(last=shard + 1)
            filled += size
    return blocks

"""How a global step is cut up: into blocks of shards that one task reads, and partitions that one task gathers.

Decided once per run, by whichever driver comes first, from what the pass before recorded; kept as `plan.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from refinedweb.dedup.context import OLD, Block, Context
from refinedweb.dedup.index import index_files
from refinedweb.ledger import layout
from refinedweb.ledger.manifest import Ledger, load_or_none
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import Input
from refinedweb.storage import Exists, Store
from stages.base import Stage, build
from stages.dedup import Clustered

# A task's share of the shuffle: enough tasks for many workers while it is small, bounded memory when it is large.
SHARES = 32
LEAST_PARTITION, MOST_PARTITION = 16 << 20, 192 << 20
LEAST_BLOCK, MOST_BLOCK = 16 << 20, 1 << 30
KEY_BYTES = 24
SPAN_SHARE = 0.6  # of the text: 40 bytes for every 13th token, and paragraphs likewise


def context_of(store: Store, step: Step, recipe: Recipe, shards: int) -> Context:
    """The context of a global step, as planned by the first driver that asked. Raises ConfigError for a bad index."""
    key = layout.plan_key(step.name)
    planned: Any = load_or_none(store, key)
    if planned is None:
        planned = _plan(store, step, recipe, shards)
        try:
            store.put_new(key, json.dumps(planned).encode())
        except Exists:
            planned = json.loads(store.get(key)[0])
    blocks = tuple(Block(*block) for block in planned["blocks"])
    index = tuple(Input(*item) for item in planned["index"])
    return Context(store.root, step, recipe, blocks, planned["partitions"], index)


def check_index(recipe: Recipe) -> None:
    """Raises ConfigError where a stage's index is none, or of other parameters: before any work is done."""
    for stage in recipe.build():
        if isinstance(stage, Clustered):
            index_files(stage, stage.index)


def _plan(store: Store, step: Step, recipe: Recipe, shards: int) -> dict[str, object]:
    ((name, values),) = recipe.only(step.stages)
    stage = build(name, values)
    assert step.reads is not None
    records = Ledger(store, step.reads).records(range(shards))
    sizes = [shuffle_bytes(stage, record.rows_kept, record.bytes_kept) for record in records]
    index = index_files(stage, stage.index) if isinstance(stage, Clustered) else []
    old_sizes = [shuffle_bytes(stage, item.rows, item.input.size) for item in index]
    total = sum(sizes) + sum(old_sizes)
    block, partitions = cut(total)
    blocks = [*_blocks(sizes, 0, block), *_blocks(old_sizes, OLD, block)]
    return {"blocks": blocks, "partitions": partitions, "index": [item.input for item in index]}


def cut(total: int) -> tuple[int, int]:
    """How so many bytes of shuffle are cut: bytes of a block, and the number of partitions."""
    partition = _between(LEAST_PARTITION, total // SHARES, MOST_PARTITION)
    return _between(LEAST_BLOCK, total // SHARES, MOST_BLOCK), total // partition + 1


def shuffle_bytes(stage: Stage, documents: int, size: int) -> int:
    """About how many bytes a global step shuffles for so many documents with so many bytes of text."""
    if isinstance(stage, Clustered):
        return documents * stage.keys_each() * KEY_BYTES
    return int(size * SPAN_SHARE)


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _blocks(sizes: Iterable[int], first: int, most: int) -> list[Block]:
    """Neighbouring shards together until they shuffle `most` bytes."""
    blocks: list[Block] = []
    filled = most + 1  # the first begins a block, even where it is empty
    for shard, size in enumerate(sizes, first):
        if filled + size > most:
            blocks.append(Block(shard, shard + 1))
            filled = size
        else:
            blocks[-1] = blocks[-1]._replace(last=shard + 1)
            filled += size
    return blocks

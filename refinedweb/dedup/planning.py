"""How a global step is split: into blocks of shards that one task reads, and partitions that one task gathers.

The plan is made once per run, by whichever driver comes first, from what the previous pass recorded; it is kept as
`plan.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from refinedweb.dedup.context import OLD, Block, Context
from refinedweb.dedup.index import find_index
from refinedweb.dedup.keys import keys_schema
from refinedweb.dedup.merged import MERGED_SHARDS, opened
from refinedweb.dedup.routes import Limits
from refinedweb.ledger import layout
from refinedweb.ledger.manifest import Ledger
from refinedweb.ledger.run_file import StageIndex, run_or_none
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.recipe.trust import is_below
from refinedweb.sources.inputs import Input
from refinedweb.storage import Exists, Missing, Store
from refinedweb.storage.json_objects import load_object
from stages.base import Stage, build
from stages.dedup import Clustered, Indexed
from stages.errors import ConfigError

# A task's share of the shuffle, in bytes: a 32nd of it, so that many workers have a task while it is small; at least
# 16 MiB, which is worth a task's start; and at most what a worker can hold when it is large.
SHARES = 32
LEAST_PARTITION, MOST_PARTITION = 16 << 20, 192 << 20
LEAST_BLOCK, MOST_BLOCK = 16 << 20, 1 << 30
LIMITS = Limits()
TEXT_SHARE = 0.25  # of a byte of text that a block's task reads and signs, against one that it shuffles
MEMBER_BYTES = 64  # per document that a block's task may hold in the end: address, component and id
COLUMN_BYTES = 8  # of a row of a key: the key, its check if it has one, and an address
SPAN_SHARE = 0.6  # bytes per byte of text: 40 for every 13th token, and likewise for paragraphs


@dataclass(frozen=True)
class StepPlan:
    """How a step is split: the shards of each block, the number of partitions, the bytes of its keys and the files of
    earlier runs; and what decides about the routes of its rows, which must be the same for all drivers. `merged` are
    indexes of several runs, whose blocks come last.
    """

    blocks: list[Block]
    partitions: int
    size: int
    limits: Limits
    index: list[Input]
    merged: list[Input] = field(default_factory=list)


def context_of(store: Store, step: Step, recipe: Recipe, shards: int, lost: frozenset[int] = frozenset()) -> Context:
    """The context of a global step, as planned by the first driver. Raises ConfigError for an unusable index.

    `lost`: shards that the step goes on without.
    """
    try:
        planned = planned_step(store, step)
    except Missing:
        planned = _plan(store, step, recipe, shards)
        try:
            store.put_new(layout.plan_key(step.name), json.dumps(asdict(planned)).encode())
        except Exists:
            planned = planned_step(store, step)
    _check_index_names(store, step, recipe, planned)
    return Context(
        store.root, step, recipe, tuple(planned.blocks), planned.partitions, planned.size, planned.limits,
        tuple(planned.index), lost, tuple(planned.merged),
    )  # fmt: skip


def _check_index_names(store: Store, step: Step, recipe: Recipe, planned: StepPlan) -> None:
    """Raises ConfigError if `plan.json` names files that are not of the recipe's index: others may have written it."""
    ((name, values),) = recipe.only(step.stages)
    for item in (*planned.index, *planned.merged):
        if not any(is_below(item.uri, root) for root in values.get("index") or ()):
            raise ConfigError(
                f"{store.uri(layout.plan_key(step.name))} names {item.uri}, which is not in {name}.index of this run; "
                "somebody changed it, so it is not read"
            )


def planned_step(store: Store, step: Step) -> StepPlan:
    """Read `plan.json`. Raises Missing or Unreadable."""
    key = layout.plan_key(step.name)
    remedy = f"delete {store.uri(layout.step_folder(step.name))} as a whole and run the same command again"
    return load_object(StepPlan, store.get(key)[0], store.uri(key), remedy)


def checked_index(recipe: Recipe) -> dict[str, StageIndex]:
    """The index of each stage that has one. Raises ConfigError, before any work is done, if it is not one for the
    stage, or has other parameters.
    """
    stages = [stage for stage in recipe.build() if isinstance(stage, Indexed) and stage.index]
    return {stage.name: find_index(stage, stage.index) for stage in stages}


def _index_of(store: Store, stage: Stage) -> StageIndex:
    """The index of a stage, as it was checked when the run began."""
    if not isinstance(stage, Indexed) or not stage.index:
        return StageIndex()
    run = run_or_none(store)
    recorded = None if run is None else run.index.get(stage.name)
    return find_index(stage, stage.index) if recorded is None else recorded


def _plan(store: Store, step: Step, recipe: Recipe, count: int) -> StepPlan:
    ((name, values),) = recipe.only(step.stages)
    stage = build(name, values)
    assert step.reads is not None
    new = list(Ledger(store, step.reads).sizes(count))
    index = _index_of(store, stage)
    old = [(item.rows, item.bytes) for item in index.files]
    total = sum(shuffle_bytes(stage, *one) for one in (*new, *old))
    block, partitions = split_shuffle(total)
    sizes, old_sizes = ([block_bytes(stage, *one) for one in shards] for shards in (new, old))
    blocks = [*_blocks(sizes, 0, block), *_blocks(old_sizes, OLD, block)]
    blocks += _merged_blocks(index.merged, stage.name, len(blocks))
    return StepPlan(blocks, partitions, total, LIMITS, [item.input for item in index.files], index.merged)


def _merged_blocks(merged: Sequence[Input], stage: str, most: int) -> list[Block]:
    """About as many blocks for the documents of indexes of several runs as a part has: it meets no more of them."""
    numbers = [count for one in opened(tuple(merged), stage) for count in one.stage.numbers]
    return _blocks(numbers, MERGED_SHARDS, sum(numbers) // most)


def split_shuffle(total: int) -> tuple[int, int]:
    """How a shuffle of `total` bytes is split: bytes of a block, and the number of partitions."""
    partition = _between(LEAST_PARTITION, total // SHARES, MOST_PARTITION)
    return _between(LEAST_BLOCK, total // SHARES, MOST_BLOCK), total // partition + 1


def shuffle_bytes(stage: Stage, documents: int, size: int) -> int:
    """Estimate how many bytes a global step shuffles for this number of documents with `size` bytes of text."""
    if isinstance(stage, Clustered):
        return documents * stage.keys_each() * COLUMN_BYTES * len(keys_schema(stage))
    return int(size * SPAN_SHARE)


def block_bytes(stage: Stage, documents: int, size: int) -> int:
    """What this number of documents counts in a block: what it shuffles, what it reads, and what its members take.

    A key of a text may be 16 bytes: by them alone, a task would read hundreds of gigabytes.
    """
    members = documents * MEMBER_BYTES if isinstance(stage, Clustered) else 0
    return shuffle_bytes(stage, documents, size) + members + int(size * TEXT_SHARE)


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

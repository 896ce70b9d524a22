"""What `refinedweb index merge` merges: found and checked once, and kept as `merge.json`, from which it is resumed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.dedup import planning
from refinedweb.dedup.context import OLD, Context
from refinedweb.dedup.index import check_finished, own_objects
from refinedweb.dedup.merged import CHECKED_SCHEMA, FORMAT, KEY_SCHEMA, merged_input, merged_or_none, open_merged
from refinedweb.dedup.merging import MergeTask, piece_count
from refinedweb.dedup.planning import split_shuffle
from refinedweb.dedup.routes import Limits
from refinedweb.dedup.shuffle import MOST_PARTITIONS
from refinedweb.ledger import layout
from refinedweb.ledger.run_file import IndexFile, run_or_none
from refinedweb.recipe.plan import Step
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.index_format import FORMAT as KEYS_FORMAT
from refinedweb.shard.index_format import FORMAT_NAME, KEY_PARAMETERS
from refinedweb.sources.inputs import Input
from refinedweb.storage import Exists, Missing, Store, open_store
from refinedweb.storage.json_objects import load_object
from stages.dedup import checks_column, keys_column
from stages.errors import ConfigError
from stages.schema import DOCUMENT


@dataclass(frozen=True)
class StageSources:
    """The keys of one stage in all sources. `files` are those of runs, with the bytes of their keys; `merged` are
    indexes of several runs.
    """

    stage: str
    parameters: dict[str, Any]
    checks: bool
    ranks: list[str]
    files: list[IndexFile] = field(default_factory=list)
    merged: list[Input] = field(default_factory=list)


@dataclass(frozen=True)
class MergePlan:
    """What a merge is: `given` are its sources, `without` a digest of the ids that it leaves out. `runs`: what an index
    of these sources has in the end. `sizes`: bytes of keys, stage by stage.
    """

    format: str
    given: list[str]
    runs: list[str]
    without: str
    limits: Limits
    stages: list[StageSources]
    sizes: list[int]

    def context(self, out: str, number: int) -> Context:
        """What the tasks of a stage share."""
        sources, size = self.stages[number], self.sizes[number]
        step = Step(f"{number:02d}-{sources.stage}", "global", (sources.stage,))
        recipe = Recipe("merge", ((sources.stage, {"parameters": sources.parameters, "of": self.runs}),))
        return Context(out, step, recipe, (), split_shuffle(size)[1], size, self.limits)

    def task(self, number: int) -> MergeTask:
        """What the tasks of a stage do. Raises ShardError if a source is another one by now."""
        sources, size = self.stages[number], self.sizes[number]
        return MergeTask(
            sources.stage, sources.parameters, sources.checks, tuple(sources.ranks),
            tuple(item.input for item in sources.files), tuple(item.rows for item in sources.files),
            tuple(open_merged(item, sources.stage, OLD) for item in sources.merged),
            piece_count(size, split_shuffle(size)[1], MOST_PARTITIONS), self.without,
        )  # fmt: skip


def planned_merge(store: Store, sources: Sequence[str], without: str) -> MergePlan:
    """The plan of a merge into this store, made by the first who comes. Raises ConfigError if there is another one, or
    if the sources cannot be merged.
    """
    roots = [open_store(source).root for source in sources]
    try:
        plan = _planned(store)
    except Missing:
        if run_or_none(store) is not None or store.root in roots:
            raise ConfigError(f"{store.root} is a run or a source itself; name another folder for the index") from None
        plan = _plan(roots, without)
        try:
            store.put_new(layout.MERGE, json.dumps(asdict(plan)).encode())
        except Exists:
            plan = _planned(store)
    if (plan.given, plan.without, plan.format) != (roots, without, FORMAT):
        raise ConfigError(f"{store.root} holds a merge of something else; choose another folder, or delete it")
    return plan


def _planned(store: Store) -> MergePlan:
    remedy = f"delete {store.root} as a whole and merge again"
    return load_object(MergePlan, store.get(layout.MERGE)[0], store.uri(layout.MERGE), remedy)


def _plan(roots: list[str], without: str) -> MergePlan:
    """Raises ConfigError for sources that cannot be merged."""
    if len(set(roots)) < len(roots):
        raise ConfigError("a run or an index is named twice; name each once")
    stages: dict[str, StageSources] = {}
    runs: list[str] = []
    for root in roots:
        store = open_store(root)
        merged = merged_or_none(store)
        found = _of_run(store) if merged is None else []
        if merged is not None:
            item = merged_input(store)
            found = [StageSources(s.stage, s.parameters, s.checks, s.ranks, [], [item]) for s in merged.stages]
        runs += [root] if merged is None else merged.sources
        _add(stages, found, root)
    sizes = [_size(sources) for sources in stages.values()]
    return MergePlan(FORMAT, roots, runs, without, planning.LIMITS, list(stages.values()), sizes)


def _add(stages: dict[str, StageSources], found: Sequence[StageSources], root: str) -> None:
    """Add a source's keys. Raises ConfigError if they are not of the stages, or the parameters, of those before."""
    first = not stages
    if not found or (not first and {one.stage for one in found} != set(stages)):
        has, want = ", ".join(one.stage for one in found) or "nothing", ", ".join(stages) or "any stage"
        raise ConfigError(
            f"{root} has keys of {has}, and those of {want} are merged: each run must have left those of the same "
            "stages (--set STAGE.write_index=true)"
        )
    for one in found:
        known = stages.setdefault(one.stage, StageSources(one.stage, one.parameters, one.checks, []))
        if known.parameters != one.parameters:
            raise ConfigError(
                f"{root}: keys of {one.stage} with other parameters: {one.parameters}, before {known.parameters}"
            )
        known.files.extend(one.files)
        known.merged.extend(one.merged)
        known.ranks[:] = sorted({*known.ranks, *one.ranks})


def _size(sources: StageSources) -> int:
    """The bytes of the keys."""
    merged = [open_merged(item, sources.stage, OLD).stage for item in sources.merged]
    return sum(item.bytes for item in sources.files) + sum(one.keys * _row_bytes(one.checks) for one in merged)


def _row_bytes(checks: bool) -> int:
    return 8 * len(CHECKED_SCHEMA if checks else KEY_SCHEMA)


def _of_run(store: Store) -> list[StageSources]:
    """The keys that a run left. Raises ConfigError if it is none, not finished, or from before keys had this format."""
    run = run_or_none(store)
    if run is None:
        raise ConfigError(f"{store.root} is neither the output of a run nor a merged index")
    check_finished(store.root, store, run)
    names = [table["name"] for table in run.recipe["stages"] if table.get("write_index")]
    return [_keys_of(store, name) for name in names]


def _keys_of(store: Store, stage: str) -> StageSources:
    files: list[IndexFile] = []
    schema = pa.schema([])
    for info in own_objects(store, layout.index_folder(stage)):
        with store.open(info.key, random=True) as file:
            metadata = pq.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        if (schema.metadata or {}).get(FORMAT_NAME) != KEYS_FORMAT:
            raise ConfigError(f"{store.uri(info.key)}: keys by an earlier version; run that part again")
        each = _row_bytes(checks_column(stage) in schema.names)
        item = Input(store.uri(info.key), info.etag, info.size)
        files.append(IndexFile(item, metadata.num_rows, each * _values(metadata, keys_column(stage))))
    ranks = [name for name in schema.names if name in DOCUMENT.names and name != "id"]
    parameters = json.loads((schema.metadata or {}).get(KEY_PARAMETERS, b"null"))
    return StageSources(stage, parameters, checks_column(stage) in schema.names, ranks, files)


def _values(metadata: pq.FileMetaData, column: str) -> int:
    """How many values the lists of a column have."""
    at = [n for n in range(metadata.num_columns) if metadata.schema.column(n).path.partition(".list")[0] == column]
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return sum(group.column(n).num_values for group in groups for n in at)

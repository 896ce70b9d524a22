"""Documents of earlier runs as an index: they count as older, so that new documents never remove them.

An index is the output of a finished run, or a folder of Parquet files with the columns `id` and those that the stage
signs. A run whose stage had `write_index` left the keys themselves (`OUT/index/<stage>/`). If it left none, or the
stage compares texts as well (`verify`), the documents are signed again from where its own step read them, before later
steps changed them: keys of the corpus would be those of other texts than are compared. Only a run that did not have the
stage at all is signed as a folder is, by its corpus.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.dedup.merged import MergedIndex, merged_input, merged_or_none
from refinedweb.dedup.old import family, same_stage
from refinedweb.ledger.layout import CORPUS, MERGED, PARQUET_SUFFIX, handed_on_folder, index_folder, is_own, shard_of
from refinedweb.ledger.manifest import Ledger
from refinedweb.ledger.run_file import IndexFile, RunFile, StageIndex, run_or_none
from refinedweb.recipe.plan import Step
from refinedweb.shard.index_format import FORMAT, FORMAT_NAME, KEY_PARAMETERS
from refinedweb.sources.folders import is_hidden
from refinedweb.sources.inputs import Input
from refinedweb.storage import ObjectInfo, Store, open_store
from stages.dedup import Clustered, Indexed, keys_column
from stages.errors import ConfigError
from stages.minhash import MinHash
from stages.schema import DOCUMENT


def find_index(stage: Indexed, paths: Sequence[str]) -> StageIndex:
    """Find the index at `paths`, and check all of it. Raises ConfigError if one of them has no index for the stage."""
    found = StageIndex()
    for path in paths:
        store = open_store(path)
        if (merged := merged_or_none(store)) is not None:
            _check_merged(store, merged, stage)
            found.merged.append(merged_input(store))
            continue
        check = partial(_checked, store, stage=stage)
        with ThreadPoolExecutor(store.parallel) as pool:  # each waits for the network a few times
            found.files.extend(pool.map(check, _files(store, path, stage)))
    return found


def _check_merged(store: Store, merged: MergedIndex, stage: Indexed) -> None:
    """Raises ConfigError if an index of several runs is not one for the stage."""
    if not isinstance(stage, Clustered) or _compares_texts(stage):
        raise ConfigError(
            f"{stage.name}.index: the index at {store.root} has keys, but {stage.name} compares texts; name the runs "
            f"themselves, or do without: --set {stage.name}.index=[]"
        )
    _check_parameters(store.uri(MERGED), merged.stage(stage.name, store.root).parameters, stage)


def _files(store: Store, path: str, stage: Indexed) -> Iterator[Input]:
    run = run_or_none(store)
    if run is not None:
        check_finished(path, store, run)
        found = _of_run(store, run, stage)
    else:
        found = [info for info in store.list() if info.key.endswith(PARQUET_SUFFIX) and not is_hidden(info.key)]
    if not found:
        raise ConfigError(f"{stage.name}.index: no run and no Parquet files at {path}; give the output of a run")
    for info in found:
        yield Input(store.uri(info.key), info.etag, info.size)


def _of_run(store: Store, run: RunFile, stage: Indexed) -> Sequence[ObjectInfo]:
    """The objects of a run's shards: keys, what its step read, or the corpus."""
    keys = own_objects(store, index_folder(stage.name))
    if keys and not _compares_texts(stage) and _metadata(store, keys[0].key).get(FORMAT_NAME) == FORMAT:
        return keys
    corpus = own_objects(store, CORPUS)
    step = same_stage(run.steps, stage.name)
    return corpus if step is None else _read_by(store, step, corpus, keys=isinstance(stage, Clustered))


def _compares_texts(stage: Indexed) -> bool:
    """Whether keys are not enough: candidates are compared by their texts, which an index of keys does not have."""
    return isinstance(stage, MinHash) and stage.verify is not None


def _read_by(store: Store, step: Step, corpus: Sequence[ObjectInfo], *, keys: bool) -> list[ObjectInfo]:
    """What a step read of the shards that are in the corpus. Raises ConfigError if some of it is gone."""
    assert step.reads is not None
    wanted = {shard_of(info.key) for info in corpus}
    found = [info for info in own_objects(store, handed_on_folder(step.reads)) if shard_of(info.key) in wanted]
    if len(found) < len(wanted):
        stage = step.stages[0]
        remedy = f" with --set {stage}.write_index=true" if keys else f", or do without: --set {stage}.index=[]"
        raise ConfigError(
            f"the run at {store.root} left no index for {family(step.stages[0])}, and what its step {step.name} read "
            f"is gone ({handed_on_folder(step.reads)}/), so it cannot be signed again; run it again{remedy}"
        )
    return found


def own_objects(store: Store, folder: str) -> list[ObjectInfo]:
    """The objects of a run's shards in a folder; others may have left more there."""
    return [info for info in store.list(f"{folder}/") if is_own(info.key)]


def check_finished(path: str, store: Store, run: RunFile) -> None:
    """Raises ConfigError if the run is not finished."""
    done = len(Ledger(store, run.steps[-1].name).committed())
    if done < len(run.inputs):
        raise ConfigError(f"the run at {path} is not finished ({done} of {len(run.inputs)} shards); finish it")


def _metadata(store: Store, key: str) -> dict[bytes, bytes]:
    with store.open(key, random=True) as file:
        return dict(pq.read_schema(file).metadata or {})


def _checked(store: Store, item: Input, stage: Indexed) -> IndexFile:
    """A file of an index. Raises ConfigError if it is none for the stage."""
    with store.open(item.uri.removeprefix(store.root).lstrip("/"), random=True) as file:
        metadata = pq.read_metadata(file)
    schema = metadata.schema.to_arrow_schema()
    if isinstance(stage, Clustered) and keys_column(stage.name) in schema.names:
        _check_keys(item, stage, schema)
    elif missing := [name for name in ("id", *stage.reads) if name not in schema.names]:
        raise ConfigError(
            f"{item.uri} has no index for {stage.name}: it lacks the columns {', '.join(missing)}; give others, or "
            f"none: --set {stage.name}.index=[]"
        )
    if isinstance(stage, Clustered) and tuple(stage.ranks_by) == ("timestamp",):  # others it may do without
        _check_ranks(item, schema, stage)
    return IndexFile(item, metadata.num_rows, _text_bytes(metadata))


def _text_bytes(metadata: pq.FileMetaData) -> int:
    """The bytes of the texts of a file, as its footer says."""
    at = [n for n in range(metadata.num_columns) if metadata.schema.column(n).path == "text"]
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return sum(group.column(n).total_uncompressed_size for group in groups for n in at)


def _check_ranks(item: Input, schema: pa.Schema, stage: Clustered) -> None:
    """Raises ConfigError if the columns that say which document stays are missing or have another type."""
    ranked = [name for name in stage.ranks_by if name in schema.names]
    for name in ranked:
        found, wanted = schema.field(name).type, DOCUMENT.field(name).type if name in DOCUMENT.names else None
        if wanted is not None and found != wanted and not pa.types.is_timestamp(found):
            raise ConfigError(f"{item.uri}: the column {name} is {found}; for {stage.name} it must be {wanted}")
    try:
        stage.rank(pa.schema([schema.field(name) for name in ("id", *ranked)]).empty_table())
    except KeyError:
        missing = ", ".join(name for name in stage.ranks_by if name not in ranked)
        raise ConfigError(
            f"{item.uri} lacks {missing}, by which {stage.name} chooses the document that stays; add it to the index, "
            "or choose another `keep`"
        ) from None


def _check_keys(item: Input, stage: Clustered, schema: pa.Schema) -> None:
    """Raises ConfigError for keys that may not be compared with the stage's."""
    metadata = schema.metadata or {}
    if _compares_texts(stage) and "text" not in schema.names:
        raise ConfigError(
            f"{item.uri} has keys without texts, which {stage.name}.verify compares; give the output of the run that "
            "wrote it, whose documents are then signed again, or do without verify"
        )
    _check_parameters(item.uri, json.loads(metadata.get(KEY_PARAMETERS, b"null")), stage)
    if metadata.get(FORMAT_NAME) != FORMAT:
        raise ConfigError(
            f"{item.uri}: an index by an earlier version, whose keys are of texts that later steps had changed; give "
            "the output of that run, and its documents are signed again"
        )


def _check_parameters(uri: str, theirs: Any, stage: Clustered) -> None:
    """Raises ConfigError unless keys were made with the stage's parameters."""
    if theirs != json.loads(json.dumps(stage.key_parameters())):
        raise ConfigError(
            f"{uri}: an index of keys with other parameters: {theirs}, here {stage.key_parameters()}; "
            "give the corpus of that run instead, or the same parameters"
        )

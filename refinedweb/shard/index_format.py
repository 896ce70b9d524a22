"""The files of an index: keys of a corpus's documents, with which later runs find duplicates of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa

from refinedweb.ledger import layout
from refinedweb.shard.deadline import batch_limit
from refinedweb.shard.kept import KEPT_ID
from refinedweb.shard.outputs import RowsWriter
from refinedweb.shard.seen import SeenDocuments
from refinedweb.storage import Store
from stages.dedup import Clustered, checks_column, keys_column
from stages.schema import DOCUMENT

KEY_PARAMETERS = b"refinedweb.keys"
FORMAT_NAME = b"refinedweb.index"
FORMAT = b"2"  # files without a format have the keys of final texts, which are not the texts that are compared


def index_schema(stage: Clustered) -> pa.Schema:
    """The columns of an index file: id, what was kept instead, small columns that rank, the keys.

    Its metadata holds what the keys depend on.
    """
    signed = stage(DOCUMENT.empty_table()).schema
    ranks_by = [name for name in stage.ranks_by if name in DOCUMENT.names and name != "text"]
    columns = ("id", *ranks_by, keys_column(stage.name), checks_column(stage.name))
    fields = [signed.field(name) for name in columns if name in signed.names]
    metadata = {KEY_PARAMETERS: json.dumps(stage.key_parameters(), sort_keys=True), FORMAT_NAME: FORMAT}
    return pa.schema([fields[0], pa.field(KEPT_ID, pa.string()), *fields[1:]], metadata)


def index_writer(store: Store, stage: Clustered, shard: int) -> RowsWriter:
    """The writer of a shard's keys."""
    return RowsWriter(store, layout.shard_key(layout.index_folder(stage.name), shard), index_schema(stage))


def index_rows(stage: Clustered, seen: SeenDocuments, shard: int, corpus: pa.Array) -> Iterator[pa.Table]:
    """What an index of the stage says about a shard, of whose documents those with the ids `corpus` got there."""
    wanted = ["id", *stage.reads, *stage.ranks_by]
    for docs in seen.tables(shard, wanted, corpus):
        with batch_limit(seen.kept.seconds):
            signed = stage(docs)
        yield signed

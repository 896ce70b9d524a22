"""The files of an index: keys of a corpus's documents, with which later runs find duplicates of them."""

from __future__ import annotations

import json

import pyarrow as pa

from stages.dedup import Clustered, checks_column, keys_column

KEY_PARAMETERS = b"refinedweb.keys"


def index_schema(stage: Clustered, signed: pa.Schema) -> pa.Schema:
    """The columns of an index file: id, the columns that rank, the keys. Its metadata holds what the keys depend on."""
    columns = ("id", *stage.ranks_by, keys_column(stage.name), checks_column(stage.name))
    fields = [signed.field(name) for name in columns if name in signed.names]
    return pa.schema(fields, {KEY_PARAMETERS: json.dumps(stage.key_parameters(), sort_keys=True)})

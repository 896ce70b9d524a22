"""A look at the inputs when a run begins: the one schema of the run, and where their documents' columns are.

It is written into `run.json`, so that all drivers and workers agree. Of archives nothing is read: they have the columns
of a document. JSON adds `metadata` alone. Of Parquet the footers are read, of up to `MOST_FILES` files that are spread
evenly, so the cost of a beginning is bounded, however many inputs and drivers there are. Whatever a file that was not
looked at has beyond the schema goes into `metadata`. Of three files the first rows are read, to say which columns have
values.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import pyarrow as pa

from refinedweb.sources import SourceOptions, open_reader
from refinedweb.sources.base import SourceReport
from refinedweb.sources.folders import KINDS
from refinedweb.sources.record_list import is_record_list
from refinedweb.sources.tabular import ParquetRows
from refinedweb.sources.unify import METADATA, unify
from refinedweb.storage import split_uri
from stages.errors import ConfigError, RefinedWebError, RetryError, ShardError
from stages.schema import DOCUMENT

MOST_FILES = 2000
AT_ONCE = 32
ROWS = 32  # of a file that are read to see where values are
ARCHIVE, JSON, PARQUET, CSV = "archive", "JSON", "Parquet", "CSV"
_NAMED = dict(zip((ARCHIVE, PARQUET, JSON, CSV), (ending for _, ending in KINDS), strict=True))
_JSON_SCHEMA = DOCUMENT.append(pa.field(METADATA, pa.string()))
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Survey:
    """What the inputs of a run have. `schema`: their columns besides those of a document; `as_json`: those of them that
    are in `metadata`, with their types; `kinds`: of files; `taken`: where the columns of documents are;
    `repeated_id`: one that two of the rows have that were read, if the ids are the input's.
    """

    schema: pa.Schema
    as_json: dict[str, list[str]] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    taken: dict[str, str] = field(default_factory=dict)
    repeated_id: str | None = None

    def to_plain(self) -> dict[str, Any]:
        """The survey as JSON has it. Types are there twice: for programs and for people."""
        packed = base64.b64encode(self.schema.serialize().to_pybytes()).decode()
        shown = {column.name: str(column.type) for column in self.schema}
        plain = {"columns": shown, "as_json": self.as_json, "kinds": list(self.kinds), "taken": self.taken}
        return {**plain, "repeated_id": self.repeated_id, "schema": packed}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Survey | None:
        """The survey that a run began with; None for a run from before there was one, or one that was changed."""
        try:
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(plain["schema"], validate=True)))
            told = (dict(plain["as_json"]), tuple(plain["kinds"]), dict(plain["taken"]), plain.get("repeated_id"))
            return cls(schema, *told)
        except (KeyError, TypeError, ValueError, OSError, pa.ArrowException):
            return None


class _Look(NamedTuple):
    kind: str
    schema: pa.Schema
    taken: Mapping[str, str]
    ids: Sequence[str] = ()


def survey(uris: Sequence[str], options: SourceOptions) -> Survey:
    """Look at the inputs. Those that cannot be read say nothing; their tasks will."""
    files = [*dict.fromkeys(uris)]
    chosen = _spread(files, MOST_FILES)
    closely = set(_spread([uri for uri in files if _kind(uri) != ARCHIVE], 3))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looks = [*pool.map(lambda uri: _look(uri, options, closely=uri in closely), chosen)]
    found = [look for look in looks if isinstance(look, _Look)]
    whole = len(chosen) == len(files) and None not in looks
    if all(look.kind == ARCHIVE for look in found):
        whole = True
    unified = unify([look.schema for look in found], whole=whole)
    taken: dict[str, str] = {}
    for look in reversed(found):
        taken |= look.taken
    kinds = tuple(dict.fromkeys(look.kind for look in found))
    in_order = {name: taken[name] for name in DOCUMENT.names if name in taken}
    ids = Counter(one for look in found for one in look.ids)
    repeated = next((one for one, count in ids.items() if count > 1), None)
    return Survey(unified.schema, unified.as_json, kinds, in_order, repeated)


def _spread(items: Sequence[str], most: int) -> list[str]:
    """At most this many items, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[at * (len(items) - 1) // (most - 1)] for at in range(most)]


def _kind(uri: str) -> str:
    """What a file is by its name; empty if that does not tell."""
    return next((kind for kind, ending in _NAMED.items() if ending.search(uri)), "")


def _look(uri: str, options: SourceOptions, *, closely: bool) -> _Look | ShardError | None:
    """What is in one file. ShardError: it cannot be read, and never will; None: it could not be read this time."""
    kind = _kind(uri)
    if kind == ARCHIVE:
        return _Look(kind, DOCUMENT, {})
    if kind == JSON and not closely:
        return _Look(kind, _JSON_SCHEMA, {})
    store, key = split_uri(uri)
    try:
        with store.open(key, random=True) as file:
            if file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC:
                parquet = ParquetRows(file, uri, options, SourceReport())
                if is_record_list(parquet.schema(), options):
                    return _Look(ARCHIVE, DOCUMENT, {})
                if not closely:
                    return _Look(PARQUET, parquet.documents_schema(), {})
            file.seek(0)
            reader = open_reader(file, uri, replace(options, batch_rows=min(ROWS, options.batch_rows)))
            with closing(cast(Any, reader.batches())) as batches:
                table = next(batches, None)
            schema = DOCUMENT if table is None else table.schema
            ids = table.column("id").to_pylist() if table is not None and "id" in reader.report.taken else ()
            return _Look(reader.report.kind or ARCHIVE, schema, reader.report.taken, ids)
    except ShardError as error:
        return error
    except (ConfigError, RetryError):
        raise  # of this machine or of a moment: the run would have another schema for good
    except (RefinedWebError, OSError):
        return None

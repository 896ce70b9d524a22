"""Write the chosen places as lists of records, the input of a run: by file and offset, so that neighbours meet.

The places of a whole crawl are more than memory holds, and come in the order of the index, which is by URL. They are
first spread over temporary files by the name of their WARC file, then each of these is sorted and cut into lists.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from refinedweb.sources.record_list import CRAWL, FILE, LENGTH, OFFSET, Place, size_of, spans
from refinedweb.storage import Store, split_uri
from refinedweb.storage.keys import full_name
from stages.errors import ConfigError

ENDING = ".records.parquet"
SPREAD = 64  # temporary files, of which one at a time is in memory
SCHEMA = pa.schema([(FILE, pa.string()), (OFFSET, pa.int64()), (LENGTH, pa.int64()), (CRAWL, pa.string())])
ORDER = [(FILE, "ascending"), (OFFSET, "ascending")]
BYTES_KEY = b"refinedweb.bytes"  # in a list's metadata: the bytes of its records, so that `plan` need not read it


@dataclass
class Selected:
    """What the lists name: records, their bytes, the files they lie in (once per list), what a run fetches for them."""

    records: int = 0
    bytes: int = 0
    files: int = 0
    lists: int = 0
    requests: int = 0
    bytes_fetched: int = 0


def write_lists(found: Iterable[pa.Table], base: str, out: Store, list_bytes: int) -> Selected:
    """Write lists of records of about `list_bytes` each below `out`. Raises ConfigError if something is there."""
    if next(iter(out.list()), None) is not None:
        raise ConfigError(f"{out.root} is not empty; choose another output, or delete what is there")
    selected = Selected()
    with tempfile.TemporaryDirectory() as folder:
        spread(found, base, folder)
        for piece in cut((_sorted(Path(folder, str(part))) for part in range(SPREAD)), list_bytes):
            _write(piece, out, selected)
    out.tidy()
    return selected


def spread(found: Iterable[pa.Table], base: str, folder: str) -> None:
    """Append the places, with full names, to temporary files by the hash of the name."""
    with ExitStack() as stack:
        writers = [stack.enter_context(pa.ipc.new_file(str(Path(folder, str(n))), SCHEMA)) for n in range(SPREAD)]
        for table in found:
            names = table[FILE].combine_chunks().dictionary_encode()
            full = [full_name(name, base) for name in names.dictionary.to_pylist()]
            parts = np.array([xxhash.xxh3_64_intdigest(name.encode()) % SPREAD for name in full])[
                names.indices.to_numpy()
            ]
            named = table.set_column(table.schema.get_field_index(FILE), FILE, pa.array(full).take(names.indices))
            named = named.select(SCHEMA.names).cast(SCHEMA)
            for part in np.unique(parts):
                writers[part].write_table(named.filter(pa.array(parts == part)))


def _sorted(path: Path) -> pa.Table:
    """The places of one temporary file, each once."""
    with pa.OSFile(str(path)) as file:
        table: pa.Table = pa.ipc.open_file(file).read_all().sort_by([*ORDER, (CRAWL, "ascending")])
    if table.num_rows < 2:
        return table
    same = pc.and_(
        pc.equal(table[FILE].slice(1), table[FILE].slice(0, table.num_rows - 1)),
        pc.equal(table[OFFSET].slice(1), table[OFFSET].slice(0, table.num_rows - 1)),
    )
    return table.filter(pa.chunked_array([pa.array([True]), *pc.invert(same).chunks]))


def cut(tables: Iterable[pa.Table], list_bytes: int) -> Iterator[pa.Table]:
    """Pieces of the tables in their order, each of at least `list_bytes` of records, but for the last one."""
    rest = SCHEMA.empty_table()
    for table in tables:
        rest = pa.concat_tables([rest, table])
        sizes = np.cumsum(rest[LENGTH].to_numpy())
        start, before = 0, 0
        while (end := int(np.searchsorted(sizes, before + list_bytes)) + 1) <= len(sizes):
            yield rest.slice(start, end - start)
            start, before = end, int(sizes[end - 1])
        rest = rest.slice(start)
    if rest.num_rows:
        yield rest


def _write(piece: pa.Table, out: Store, selected: Selected) -> None:
    groups = list(spans(Place(*row) for row in zip(*(piece[name].to_pylist() for name in SCHEMA.names), strict=True)))
    size = pc.sum(piece[LENGTH]).as_py()
    selected.files += len(pc.unique(piece[FILE]))
    sink = pa.BufferOutputStream()
    pq.write_table(piece.replace_schema_metadata({BYTES_KEY: str(size)}), sink, compression="zstd")
    out.put(f"{selected.lists:06d}{ENDING}", sink.getvalue().to_pybytes())
    selected.records += piece.num_rows
    selected.bytes += size
    selected.lists += 1
    selected.requests += len(groups)
    selected.bytes_fetched += sum(map(size_of, groups))


def volume(uri: str) -> tuple[int, float] | None:
    """How many lists of records lie here, and the mean bytes of their records; None if these are no such lists."""
    store, prefix = split_uri(uri.rstrip("/"))
    sizes = []
    for info in store.list(f"{prefix}/".lstrip("/")):
        if info.key.endswith(ENDING):
            with store.open(info.key, random=True) as file:
                sizes.append(int((pq.read_metadata(file).metadata or {}).get(BYTES_KEY, 0)))
    return (len(sizes), sum(sizes) / len(sizes)) if sizes and min(sizes) > 0 else None

"""Files that are not what they say: lists of paths, Parquet, shuffle objects. Nothing is read without a limit."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.dedup import shuffle
from refinedweb.dedup.shuffle import Damaged, ShuffleReader, ShuffleWriter
from refinedweb.sources import SourceOptions, inputs, open_reader
from refinedweb.storage import open_store
from stages.errors import ConfigError
from tests.examples import examples
from tests.fuzz.test_fuzz import EDITS, damaged

# Lists of paths ---------------------------------------------------------------------------------------------------

BOMB = b"a.warc.gz\n" * 10_000_000


@pytest.mark.parametrize("name", ["x.paths", "x.paths.gz", "x.paths.zst"])
def test_a_list_of_paths_has_a_limit(name: str, tmp_path: Path) -> None:
    data = {"x.paths": BOMB, "x.paths.gz": gzip.compress(BOMB), "x.paths.zst": zstandard.compress(BOMB)}[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=rf"{name} has more than \d+ bytes once it is decompressed; give the list"):
        inputs.find([str(tmp_path / name)], out=str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b"a.warc\n" * 100)[:-12], "is cut short"),
        (b"\x1f\x8b\x08" + b"x" * 50, "is damaged"),
        (gzip.compress(b"\xff\xfe"), "is not a list of paths"),
        (gzip.compress(b"x" * 5000), "a line has 5000 characters"),
    ],
    ids=["cut", "damaged", "not text", "long"],
)
def test_a_damaged_list_of_paths_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.paths.gz").write_bytes(data)
    with pytest.raises(ConfigError, match=rf"x\.paths\.gz {message}|{message}"):
        inputs.find([str(tmp_path / "x.paths.gz")], out=str(tmp_path / "out"))


# Parquet ----------------------------------------------------------------------------------------------------------

LONG = 1 << 17
KINDS = {
    "strings": pa.string(),
    "bytes": pa.binary(),
    "large strings": pa.large_string(),
    "dictionaries": pa.dictionary(pa.int32(), pa.string()),
}


def read(data: bytes, **options: Any) -> tuple[list[pa.Table], int]:
    """The tables, and how much more memory Arrow held at any time than before."""
    before, most, found = pa.total_allocated_bytes(), 0, []
    for table in open_reader(io.BytesIO(data), "x.parquet", SourceOptions(**options)).batches():
        most = max(most, pa.total_allocated_bytes() - before)
        found.append(table.select(["offset", "drop"]).combine_chunks())
    return found, most


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", ["text", "more"])
def test_rows_that_share_a_value_are_read_within_the_limit(kind: str, column: str) -> None:
    """A long text 512 times: a file of kilobytes, and 64 MB of rows."""
    table = pa.table({"text": ["a text"] * 512, column: pa.array(["x" * LONG] * 512).cast(KINDS[kind])})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", dictionary_pagesize_limit=2 << 30)
    assert len(sink.getvalue()) < 20_000
    tables, most = read(sink.getvalue(), max_bytes=1000, batch_bytes=2 * LONG)
    assert [n for table in tables for n in table.column("offset").to_pylist()] == [*range(512)]
    assert most < 40 * LONG
    if column == "text":
        assert {reason for table in tables for reason in table.column("drop").to_pylist()} == {"too_large"}


@given(
    values=st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "b" * 90, "ü" * 40, "c" * 500])), max_size=40),
    most=st.integers(1, 800),
    group=st.integers(1, 20),
)
@settings(deadline=None, max_examples=examples(60))
def test_the_rows_are_those_of_the_file(values: list[str | None], most: int, group: int) -> None:
    from refinedweb.sources.bounded import BoundedRows

    table = pa.table(
        {
            "text": pa.array(values, pa.string()),
            "large": pa.array(values, pa.large_string()),
            "category": pa.array(values, pa.string()).dictionary_encode(),
            "pairs": pa.array([[[v, "x"]] if v else None for v in values], pa.list_(pa.list_(pa.string()))),
            "parts": pa.array([{"a": v, "b": 1} for v in values], pa.struct([("a", pa.string()), ("b", pa.int64())])),
            "number": pa.array(range(len(values)), pa.int64()),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group)
    for columns in (None, ["large", "text"]):
        rows = BoundedRows(io.BytesIO(sink.getvalue()), most)
        parts = [part for number in range(len(rows.groups)) for part in rows.tables(number, 7, columns)]
        wanted = table if columns is None else table.select(columns)
        found = pa.concat_tables([wanted.schema.empty_table(), *parts])
        assert found.schema == wanted.schema
        assert found.to_pylist() == wanted.to_pylist()
        assert all(part.num_rows == 1 or part.column("text").nbytes <= 7 * 16 + 2 * most for part in parts)


# Shuffle objects --------------------------------------------------------------------------------------------------

SCHEMA = pa.schema([("key", pa.uint64()), ("id", pa.string()), ("rows", pa.list_(pa.uint32()))])


def shuffled(folder: Path) -> bytes:
    rows = {"key": range(30), "id": [str(n) * n for n in range(30)], "rows": [[n] * (n % 3) for n in range(30)]}
    with ShuffleWriter(open_store(str(folder)), "x", SCHEMA, 3) as writer:
        writer.write(pa.table(rows, schema=SCHEMA), (np.arange(30) % 3).astype(np.uint32))
        writer.finish()
    return (folder / "x").read_bytes()


def forged(pieces: list[tuple[int, int, bytes]]) -> bytes:
    """An object of these (partition, rows, bytes), with right checksums: its author is no accident."""
    at, index = 0, []
    for partition, rows, data in pieces:
        index.append((partition, rows, at, len(data), xxhash.xxh3_128_digest(data)))
        at += len(data)
    raw = np.array(index, shuffle._INDEX).tobytes()
    tail = shuffle._TRAILER.pack(len(raw), xxhash.xxh3_128_digest(raw), shuffle._MAGIC)
    return b"".join(data for _, _, data in pieces) + raw + tail


def tables_of(folder: Path, data: bytes) -> list[pa.Table]:
    (folder / "x").write_bytes(data)
    with ShuffleReader(open_store(str(folder)), "x", SCHEMA) as reader:
        return [table for partition in range(10) for table in reader.tables(partition)]


def stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def piece(folder: Path) -> bytes:
    """A sound one, of ten rows."""
    return stream(tables_of(folder, shuffled(folder))[0])


@settings(deadline=None, max_examples=examples(100))
@given(edits=EDITS)
def test_a_forged_shuffle_object_is_a_sound_table_or_refused(
    edits: list[tuple[float, int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shuffle")
    sound = piece(folder)
    try:
        found = tables_of(folder, forged([(0, 10, damaged(sound, edits))]))
    except Damaged:
        pass
    else:
        assert [table.schema for table in found] == [SCHEMA]
        found[0].validate(full=True)
        found[0].to_pylist()


@settings(deadline=None, max_examples=examples(100))
@given(edits=EDITS)
def test_a_damaged_shuffle_object_is_refused(
    edits: list[tuple[float, int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shuffle")
    sound = shuffled(folder)
    if damaged(sound, edits) != sound:
        with pytest.raises(Damaged):
            tables_of(folder, damaged(sound, edits))


def test_a_shuffle_object_that_says_other_than_it_is_is_refused(tmp_path: Path) -> None:
    table = tables_of(tmp_path, shuffled(tmp_path))[0]
    data = stream(table)
    offsets = pa.array([0, 2**30, 1], pa.int32()).buffers()[1]
    outside = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"x"))
    wrong = [
        forged([(0, 11, data)]),
        forged([(1, 10, data), (0, 10, data)]),
        forged([(0, 10, stream(table.select(["key"])))]),
        forged([(0, 10, stream(table.set_column(0, "key", pa.array([1.5] * 10))))]),
        forged([(0, 2, stream(pa.table([pa.array([1, 2], pa.uint64()), outside, [[1], []]], schema=SCHEMA)))]),
        data + forged([(0, 10, data)]),
    ]
    for forgery in wrong:
        with pytest.raises(Damaged):
            tables_of(tmp_path, forgery)


def test_a_compressed_shuffle_object_is_refused_before_it_grows(tmp_path: Path) -> None:
    """Two kilobytes that are to become 16 MB, and that could say any other number."""
    table = pa.table([np.zeros(1 << 20, np.uint64), [""] * (1 << 20), [[]] * (1 << 20)], schema=SCHEMA)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    data = sink.getvalue()
    del table
    assert len(data) < 20_000
    lie = data.replace(struct.pack("<q", 8 << 20), struct.pack("<q", 1 << 46))
    assert lie != data
    before = pa.total_allocated_bytes()
    for compressed in (data, lie):
        with pytest.raises(Damaged, match="it is compressed"):
            tables_of(tmp_path, forged([(0, 1 << 20, compressed)]))
        assert pa.total_allocated_bytes() - before < 1 << 20


def test_what_is_not_a_batch_of_rows_is_refused(tmp_path: Path) -> None:
    words = pa.table({"word": pa.array(["a", "a"]).dictionary_encode()})
    (tmp_path / "x").write_bytes(forged([(0, 2, stream(words))]))
    with ShuffleReader(open_store(str(tmp_path)), "x") as reader, pytest.raises(Damaged, match="it has a dictionary"):
        [*reader.tables(0)]
    (batch,) = tables_of(tmp_path, shuffled(tmp_path))[0].to_batches()
    unknown = bytearray(stream(pa.Table.from_batches([batch])))
    assert unknown[29] == 1  # the type of the first message: a schema
    unknown[29] = 9
    for data in (batch.serialize().to_pybytes(), bytes(unknown), bytes(8)):
        with pytest.raises(Damaged, match="it begins with"):
            tables_of(tmp_path, forged([(0, 10, data)]))

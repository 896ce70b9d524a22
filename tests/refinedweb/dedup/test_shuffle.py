"""Shuffle objects: what was written to a partition is read from it, in order, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinedweb.dedup import shuffle
from refinedweb.dedup.shuffle import Damaged, ShuffleReader, ShuffleWriter, partition_of
from refinedweb.storage import Store, open_store
from tests.examples import examples

SCHEMA = pa.schema([("key", pa.uint64()), ("name", pa.string())])
KEY = "phase/shuffle/rows/000000.shuffle"


def write(store: Store, batches: list[list[int]], partitions: int) -> None:
    with ShuffleWriter(store, KEY, SCHEMA, partitions) as writer:
        for batch in batches:
            keys = np.array(batch, np.uint64)
            rows = pa.table([pa.array(keys), pa.array([f"row {key}" for key in batch])], schema=SCHEMA)
            writer.write(rows, partition_of(keys, partitions))
        writer.finish()


def read(store: Store, partition: int) -> list[int]:
    with ShuffleReader(store, KEY) as reader:
        tables = [*reader.tables(partition)]
    keys = [key for table in tables for key in table.column("key").to_pylist()]
    names = [name for table in tables for name in table.column("name").to_pylist()]
    assert names == [f"row {key}" for key in keys]
    return keys


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=30), max_size=8),
    partitions=st.sampled_from([1, 2, 7, 1000]),
    flush=st.sampled_from([1, 300, 1 << 20]),
)
def test_partitions_are_the_rows_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: list[list[int]], partitions: int, flush: int
) -> None:
    """Both if they fit into memory and if they were spilled."""
    monkeypatch.setattr(shuffle, "FLUSH_BYTES", flush)
    store = open_store(str(tmp_path))
    write(store, batches, partitions)
    rows = [key for batch in batches for key in batch]
    where = partition_of(np.array(rows, np.uint64), partitions).tolist()
    assert all(0 <= partition < partitions for partition in where)
    for partition in {0, partitions - 1, *where}:
        assert read(store, partition) == [key for key, at in zip(rows, where, strict=True) if at == partition]
    with ShuffleReader(store, KEY) as reader:
        assert reader.rows() == len(rows)


def test_partitions_of_clustered_keys_are_of_like_size() -> None:
    """Addresses, hashes below 2^61 and consecutive numbers spread as evenly as hashes do."""
    for keys in (np.arange(20_000) << 32, np.arange(20_000), np.arange(20_000) * 977, np.arange(20_000) + (5 << 58)):
        counts = np.bincount(partition_of(keys.astype(np.uint64), 16), minlength=16)
        assert counts.min() > 20_000 / 16 / 2
        assert counts.max() < 20_000 / 16 * 2


def test_every_flipped_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    write(store, [[1, 2, 3, 2**63]], 2)
    path = Path(tmp_path, KEY)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(Damaged, match=r"000000\.shuffle"):
            read(store, 0), read(store, 1)
        path.write_bytes(whole[:at])
        with pytest.raises(Damaged, match=r"000000\.shuffle"):
            read(store, 0), read(store, 1)


def test_an_object_appears_whole_or_not_at_all(store: Store) -> None:
    with ShuffleWriter(store, KEY, SCHEMA, 4) as writer:  # left before it is finished
        writer.write(pa.table([pa.array([1], pa.uint64()), pa.array(["x"])], schema=SCHEMA))
    assert not list(store.list())
    with pytest.raises(Damaged, match="though its record exists"):
        ShuffleReader(store, KEY)
    write(store, [[5, 6], [7]], 3)
    assert sorted(key for partition in range(3) for key in read(store, partition)) == [5, 6, 7]

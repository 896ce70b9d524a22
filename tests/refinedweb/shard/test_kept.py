"""What a pass kept is read again before it is declared damaged, and a refusal by the system is not damage."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.shard.kept import KeptShards
from refinedweb.storage.local import LocalStore
from stages.errors import ConfigError, RetryError, ShardError

ROWS = [f"{n} " * 50 for n in range(40)]


class Fails(io.BytesIO):
    """Refuses to read everything after its head, as a disk may."""

    def __init__(self, data: bytes, code: int) -> None:
        super().__init__(data)
        self.code = code

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() < len(self.getvalue()) // 2:
            raise OSError(self.code, "refused")
        return super().read(size)


class Flaky(LocalStore):
    """Its reads go through `spoil`, with the number of times it was opened."""

    def __init__(self, root: str, spoil: Callable[[int, bytes], BinaryIO]) -> None:
        super().__init__(root)
        self.spoil = spoil
        self.opened = 0

    def open(self, key: str, *, random: bool = False, checked: bool = False) -> BinaryIO:
        self.opened += 1
        return self.spoil(self.opened, Path(self.uri(key)).read_bytes())


def wrong(data: bytes) -> BinaryIO:
    """Change a byte in the third of four row groups."""
    at = data.index(b"25 25 25")
    return io.BytesIO(data[:at] + b"#" + data[at + 1 :])


def read(folder: Path, spoil: Callable[[int, bytes], BinaryIO]) -> list[str]:
    path = folder / "00-filter/kept/000000.parquet"
    path.parent.mkdir(parents=True)
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(pa.table({"text": ROWS}), path, row_group_size=10, **options)
    shards = KeptShards(Flaky(str(folder), spoil), "00-filter/kept")
    return [text for docs, _ in shards.batches(0) for text in cast(list[str], docs.column("text").to_pylist())]


def test_bytes_that_were_wrong_once_are_read_again_and_no_row_comes_twice(tmp_path: Path) -> None:
    assert read(tmp_path, lambda n, data: wrong(data) if n == 1 else io.BytesIO(data)) == ROWS


def test_bytes_that_stay_wrong_are_damage(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"000000\.parquet is damaged"):
        read(tmp_path, lambda _, data: wrong(data))


@pytest.mark.parametrize(("code", "kind"), [(errno.EIO, RetryError), (errno.EACCES, ConfigError)])
def test_a_refusal_to_read_is_no_damage(code: int, kind: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(kind, match=r"000000\.parquet"):
        read(tmp_path, lambda _, data: Fails(data, code))

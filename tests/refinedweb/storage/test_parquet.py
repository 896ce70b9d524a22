"""Reading Parquet from memory."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.storage.parquet import read_parquet
from tests.conftest import ROOT

TRIES = 12
WORKER = """
import sys
from pathlib import Path
from refinedweb.storage.parquet import read_parquet
for _ in range(5):
    read_parquet(Path(sys.argv[1]).read_bytes())
sys.exit(2)
"""


def file_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_checksum=True, row_group_size=700)
    return sink.getvalue()


def table() -> pa.Table:
    return pa.table({f"c{i}": [f"x{i}"] * 2000 for i in range(30)})


def test_a_file_is_read_whole_and_its_damage_noticed() -> None:
    data = file_bytes(table())
    assert read_parquet(data).equals(table())
    damaged = bytearray(data)
    damaged[40] ^= 1
    with pytest.raises((OSError, pa.ArrowInvalid)):
        read_parquet(bytes(damaged))


def test_a_program_that_has_read_can_end_at_any_moment(tmp_path: Path) -> None:
    """With Arrow's own threads, a quarter of these would abort."""
    path = tmp_path / "one.parquet"
    path.write_bytes(file_bytes(table()))
    call = [sys.executable, "-c", WORKER, str(path)]
    with ThreadPoolExecutor(3) as three:  # with more at a time, the abort is not seen
        codes = list(three.map(lambda _: subprocess.run(call, cwd=ROOT, check=False).returncode, range(TRIES)))
    assert codes == [2] * TRIES

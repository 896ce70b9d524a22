"""Lost shards on the command line: messages name the exact command, and every command says what is missing."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.refinedweb.cli.command import refinedweb

ROTTEN = b"no format that we know " * 40


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """Four files, of which the third is rotten."""
    (tmp_path / "in").mkdir()
    for shard in range(4):
        docs = [{"id": f"{shard}-{n}", "text": f"text {n % 3} of shard {shard // 2}"} for n in range(5)]
        pq.write_table(pa.Table.from_pylist(docs), tmp_path / "in" / f"{shard}.parquet")
    (tmp_path / "in" / "2.parquet").write_bytes(ROTTEN)
    return tmp_path / "in"


def command_in(shown: str, start: str) -> list[str]:
    """The words of the command that a message tells the user to run."""
    (found,) = re.findall(rf"{start}\s+(?:\S+ )*?\S*refinedweb (.*)", shown)
    return shlex.split(found)


def test_the_way_on_is_the_command_that_is_shown(crawl: Path, tmp_path: Path) -> None:
    out = tmp_path / "the out"
    failed = refinedweb("run", "exact_v1", crawl, out, code=3).stdout
    assert "--accept-failed N" in failed
    went_on = refinedweb(*command_in(failed, "To go on without:"), code=3).stdout
    assert "Shard 2 is lost" in went_on
    assert "1 shard lost" in went_on
    pq.write_table(pa.Table.from_pylist([{"id": "new", "text": "text that is new"}]), crawl / "2.parquet")
    part = command_in(went_on, "part of their own:")
    assert "documents in, 1 kept" in refinedweb(*part).stdout
    assert pq.read_table(f"{out}-repaired/corpus/000000.parquet").column("id").to_pylist() == ["new"]


def test_every_command_says_what_is_missing(crawl: Path, tmp_path: Path) -> None:
    out, rotten = tmp_path / "out", str(crawl / "2.parquet")
    told = json.loads(refinedweb("run", "quality_v1", crawl, out, "--accept-failed", "25%", "--json", code=3).stdout)
    assert (told["shards_lost"], list(told["lost"]), told["failed"], told["exit_code"]) == (1, ["2"], {}, 3)
    assert "1 shard lost" in refinedweb("status", out).stdout
    (lost,) = json.loads(refinedweb("status", out, "--json").stdout)["lost"]
    assert (lost["shard"], lost["input"]) == (2, rotten)
    assert "refinedweb_shards_lost" in refinedweb("status", out, "--prometheus").stdout
    verified = refinedweb("verify", out, code=3).stdout
    assert "Shard 2 is lost" in verified
    assert "Problem" not in verified
    assert list(json.loads(refinedweb("verify", out, "--json", code=3).stdout)["lost"]) == ["2"]
    refinedweb("report", out)
    assert "1 of 4 input files are missing" in (out / "report.html").read_text()
    assert "1 shard lost" in refinedweb("export", out, tmp_path / "exported", "--schema", "full").stdout
    assert len(list((tmp_path / "exported").iterdir())) == 3


def test_a_wrong_number_is_refused_before_anything_is_done(crawl: Path, tmp_path: Path) -> None:
    shown = refinedweb("run", "exact_v1", crawl, tmp_path / "out", "--accept-failed", "some", code=2)
    assert "such as 1%" in shown.stderr
    assert not (tmp_path / "out").exists()

"""What is wrong with every input is said before any work, and a run that saw no document says so."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import refinedweb as rw
from refinedweb.engine.start import begin
from refinedweb.ledger.layout import RUN_FILE
from refinedweb.ledger.run_file import open_run
from refinedweb.recipe.load import load as load_recipe
from refinedweb.sources.inputs import InputSpecs
from stages.errors import ConfigError, ShardError
from tests.conftest import ROOT
from tests.refinedweb.cli.command import refinedweb
from tests.refinedweb.engine import inline
from tests.refinedweb.sources.archives import warc

GOOD = '{"text": "hello world"}\n'


def table(path: Path, **columns: list[object]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def refused(tmp_path: Path, *inputs: Path, settings: tuple[str, ...] = ()) -> str:
    """The refusal. Nothing may have been written."""
    with pytest.raises(ConfigError) as refusal:
        begin(load_recipe("quality_v1", settings), InputSpecs(tuple(map(str, inputs))), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    return str(refusal.value)


def test_a_table_without_text_is_refused_before_any_work(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", body=["a"], n=[1])
    assert "no column for html or text" in refused(tmp_path, path)
    assert "no column 'words' for text" in refused(tmp_path, path, settings=("source.text_column=words",))


def test_lines_without_text_are_refused_and_their_keys_named(tmp_path: Path) -> None:
    path = text(tmp_path / "a.jsonl", json.dumps({"body": "a", "n": 1}) + "\n")
    assert "its keys are body, n" in refused(tmp_path, path)
    good = text(tmp_path / "b.jsonl", GOOD)
    assert "its keys are text" in refused(tmp_path, good, settings=("source.text_column=words",))


def test_what_nobody_reads_is_refused(tmp_path: Path) -> None:
    assert "unknown format" in refused(tmp_path, text(tmp_path / "a.bin", "word after word\n"))
    assert "none of its first 2 lines is JSON" in refused(tmp_path, text(tmp_path / "b.jsonl", "{'a': 1}\n{'a': 2}\n"))
    assert "array of strings" in refused(tmp_path, text(tmp_path / "c.json", '["a"]'))


def test_documents_without_text_are_documents(tmp_path: Path) -> None:
    path = text(tmp_path / "a.jsonl", '{"text": ""}\n{"text": null}\n')
    assert begin(load_recipe("quality_v1"), InputSpecs((str(path),)), str(tmp_path / "out")).run.inputs


def test_one_wrong_file_among_good_ones_costs_only_itself(tmp_path: Path) -> None:
    wrong = table(tmp_path / "a.parquet", body=["a"])
    good = [text(tmp_path / f"{n}.jsonl", GOOD) for n in range(3)]
    result = inline.run("sample_v1", [wrong, *good], tmp_path / "out", accept=1)
    assert (result.totals.rows_in, list(result.lost)) == (3, [0])


# An output in which nothing came to be ---------------------------------------------------------------------------


def test_the_corrected_command_may_use_the_output_of_one_that_failed(tmp_path: Path) -> None:
    bad, good = text(tmp_path / "a.bin", "words"), text(tmp_path / "b.jsonl", GOOD)
    out, other = tmp_path / "out", text(tmp_path / "c.bin", "words")
    begun = begin(load_recipe("sample_v1"), InputSpecs((str(good),)), str(out))
    good.write_text("words")  # so that the only shard fails, after the look at it
    with pytest.raises(ShardError):
        rw.run("sample_v1", [str(good)], str(out))
    assert list(out.rglob("failed/*.json"))
    good.write_text(GOOD)
    with pytest.raises(ConfigError, match="unknown format"):  # and the wrong one changes nothing
        rw.run("sample_v1", [str(bad), str(other)], str(out))
    assert open_run(str(out)).token == begun.run.token
    assert rw.run("sample_v1", [str(good)], str(out), ["sample_v1.seed=7"]).totals().rows_in == 1
    assert open_run(str(out)).token != begun.run.token
    with pytest.raises(ConfigError, match="another recipe"):  # now there is something to lose
        rw.run("sample_v1", [str(good)], str(out), ["sample_v1.seed=8"])


BEGIN = """
import sys
from refinedweb.engine.start import begin
from refinedweb.recipe.load import load
from refinedweb.sources.inputs import InputSpecs
begin(load("sample_v1"), InputSpecs((sys.argv[1],)), sys.argv[2])
"""


def test_a_run_whose_process_ended_before_its_first_claim_may_be_replaced(tmp_path: Path) -> None:
    good, out = text(tmp_path / "b.jsonl", GOOD), str(tmp_path / "out")
    subprocess.run([sys.executable, "-c", BEGIN, str(good), out], cwd=ROOT, check=True)
    assert not begin(load_recipe("sample_v1", ["sample_v1.seed=7"]), InputSpecs((str(good),)), out).joined
    with pytest.raises(ConfigError, match="another recipe"):  # this process lives: it may be starting its workers
        begin(load_recipe("sample_v1"), InputSpecs((str(good),)), out)
    assert Path(out, RUN_FILE).exists()


# A run of no documents -------------------------------------------------------------------------------------------


def nothing(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.warc.gz").write_bytes(b"")
    (folder / "b.warc").write_bytes(warc(b"GET / HTTP/1.1\r\n\r\n", "request"))
    return folder


def test_a_run_of_no_documents_is_no_silent_success(tmp_path: Path) -> None:
    says = "No document was found in 2 inputs, only other records: 1 request"
    result = inline.run("sample_v1", [nothing(tmp_path)], tmp_path / "out")
    assert result.exit_code == 3
    for words, code in (
        (["run", "sample_v1", "--set", "keep_removed=full", tmp_path / "in"], 3),
        (["status"], 0),
        (["verify"], 0),
    ):
        assert says in refinedweb(*words, tmp_path / "out", code=code).stdout
    with pytest.warns(UserWarning, match=says):
        rw.run("sample_v1", [str(tmp_path / "in")], str(tmp_path / "out"), ["keep_removed=full"])


def test_a_text_that_is_called_an_archive_is_named(tmp_path: Path) -> None:
    path = text(tmp_path / "a.warc.gz", "words, no gzip")
    says = f"{path}: bytes that are no gzip member: b'words,'"
    with pytest.warns(UserWarning, match="partial") as caught:
        rw.run("sample_v1", [str(path)], str(tmp_path / "out"))
    assert says in str(caught[0].message)
    assert says in refinedweb("status", str(tmp_path / "out")).stdout
    assert says in refinedweb("verify", str(tmp_path / "out")).stdout


def test_run_says_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    text(tmp_path / "in" / "a.jsonl", GOOD * 99)
    text(tmp_path / "in" / "b.warc", "rubbish")
    with pytest.warns(UserWarning, match=r"(?s)Skipping 1 file.*b.warc does not begin like crawl archives"):
        rw.run("sample_v1", [str(tmp_path / "in")], str(tmp_path / "out"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rw.run("sample_v1", [str(tmp_path / "in" / "a.jsonl")], str(tmp_path / "other"))

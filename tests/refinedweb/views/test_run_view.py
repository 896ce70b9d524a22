"""The library as notebooks use it: tables that show themselves, the same code as the command line, no Ray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import refinedweb as rw
from refinedweb.views.frame import Frame
from stages.errors import ConfigError
from stages.schema import documents
from tests.conftest import ROOT


def test_run_stage_gives_all_rows_back_with_reasons_and_measures() -> None:
    docs = documents(id=["a", "b"], text=["too short", "word " * 60])
    judged = rw.run_stage("quality_v1", docs, min_words=10)
    assert judged["id"].to_pylist() == ["a", "b"]
    assert judged["drop"].to_pylist()[0] == "too_few_words"
    assert judged["quality_v1.words"].to_pylist() == [2, 60]
    again = rw.run_stage("quality_v1", judged, min_words=1)
    assert again["drop"].to_pylist()[0] == "too_few_words", "a reason that is there stays"
    with pytest.raises(ConfigError, match="did you mean 'min_words'"):
        rw.run_stage("quality_v1", docs, min_word=10)


def test_explain_goes_on_after_a_drop() -> None:
    page = "<html><body><article><p>Der Fluss ist in der Nacht wieder gestiegen.</p></article></body></html>"
    explained = rw.explain(page, url="https://a.example/")
    assert explained.verdict == "removed by language_v1: other_language"
    assert [step.stage for step in explained.steps][-1] == "url_dedup_v1"
    assert "quality_v1: too_few_words" in repr(explained)
    assert "<table>" in explained._repr_html_()


def test_what_the_package_offers_stays_callable_after_it_was_called() -> None:
    """A module with the name of a function would replace it as soon as something imports the module."""
    modules = {path.stem for path in (ROOT / "refinedweb").iterdir()}
    assert modules & set(rw.__all__) == set()


def test_tables_show_themselves_without_running_what_they_hold() -> None:
    frame = Frame(pa.table({"text": ["<script>alert(1)</script>", None], "n": [0.123456, 2.0]}))
    shown = frame._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "0.1235" in shown
    assert frame.to_pandas().shape == (2, 2)
    assert pa.table(frame) == frame.arrow


def test_importing_is_light_and_never_starts_ray() -> None:
    code = "import sys, refinedweb; print([m for m in ('ray', 'pyarrow', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_that_hides_ours_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").touch()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import refinedweb"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "the package 'stages' is taken from" in done.stderr
    assert "rename your folder" in done.stderr


def test_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run at"):
        rw.open(str(tmp_path))

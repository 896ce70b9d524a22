"""The notebook runs, shows what is stored in it, and nothing that a page holds gets out of its cell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import refinedweb as rw
from refinedweb.views.html import documents_html, marked, pair_html
from stages.errors import ConfigError
from tests.conftest import ROOT
from tests.refinedweb.engine.inline import ok, run

NOTEBOOK = ROOT / "notebooks" / "inspect_sample.ipynb"
HOSTILE = '<img src=x onerror=alert(1)> & "quoted"'


def cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def shown(cell: dict[str, Any]) -> list[str]:
    """What a cell shows: HTML where it has some, else text."""
    outputs = [output.get("data", output) for output in cell["outputs"]]
    return ["".join(o.get("text/html") or o.get("text/plain") or o.get("text", "")) for o in outputs]


@pytest.mark.slow
def test_the_notebook_runs_and_its_stored_outputs_are_current(tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="needs the dependency group `dev`")
    copy = Path(shutil.copy(NOTEBOOK, tmp_path))
    execute = [sys.executable, "-c", "from nbclient.cli import main; main()", "--inplace", str(copy)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(execute, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for stored, new in zip(cells(NOTEBOOK), cells(copy), strict=True):
        renew = "renew: cd notebooks && rm -rf sample-out && jupyter execute --inplace inspect_sample.ipynb"
        assert shown(stored) == shown(new), renew


def test_what_is_stored_is_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 100_000
    assert re.search(r"/(?:home|root|tmp|Users|work)/|site-packages", text) is None
    assert all(shown(cell) for cell in cells(NOTEBOOK))
    assert all("error" not in output["output_type"] for cell in cells(NOTEBOOK) for output in cell["outputs"])


def test_what_a_document_holds_is_escaped() -> None:
    row = {"id": HOSTILE, "url": HOSTILE, "text": f"{HOSTILE}\x1b[31m", "drop": HOSTILE, "kept_id": HOSTILE}
    page = rw.explain(f"<html><body><p>{HOSTILE}</p></body></html>", url=HOSTILE, recipe="url_v1,extract_v1")
    for html in (documents_html([row], 1), *marked(HOSTILE, "x"), *marked(HOSTILE, HOSTILE), page._repr_html_()):
        assert "<img" not in html
        assert "\x1b" not in html


def test_marks_are_the_words_that_only_one_side_has() -> None:
    removed, kept = marked("a b old c", "a b new c d")
    assert re.findall(r"<del[^>]*>(.*?)</del>", removed) == ["old"]
    assert re.findall(r"<ins[^>]*>(.*?)</ins>", kept) == ["new", "d"]
    long = " ".join(f"w{n}" for n in range(100))
    assert "… 76 words …" in marked(f"{long} x", f"{long} y")[0]


def test_a_run_shows_its_funnel_its_documents_and_its_pairs(tmp_path: Path) -> None:
    text = " ".join(f"word{n}" for n in range(80))
    texts = {"a": text, "b": f"{text} more", "c": "x"}
    rows = [{"id": name, "text": written} for name, written in texts.items()]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ok(run("repetition_v1,minhash_v1", [tmp_path / "in.jsonl"], tmp_path / "out"))
    opened = rw.open(str(tmp_path / "out"))
    assert "near_duplicate&nbsp;1" in opened._repr_html_()
    assert opened.funnel().to_pandas()["rows_kept"].tolist() == [3, 3, 2]
    assert "2 documents" not in opened.sample(5)._repr_html_(), "all are shown"
    pairs = opened.pairs("minhash", 3)
    assert [pair.reason for pair in pairs] == ["near_duplicate"]
    assert "cluster of 2" in pairs._repr_html_()
    assert pair_html(pairs[0]) == pairs._repr_html_()
    with pytest.raises(ConfigError, match="sample"):
        opened.pairs("repetition_v1")

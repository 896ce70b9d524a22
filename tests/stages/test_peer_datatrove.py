"""What bears a peer's name decides as the peer: datatrove 0.10.1 itself judges 1,000 English texts of the data.

It runs in an environment of its own, by `benchmarks/peers/datatrove_side.py`: the Python of the environment variable
REFINEDWEB_TEST_DATATROVE, or the one that uv has made for this script before. The reasons of what is left are in
`EXPLAINED`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.recipe.load import load_stages
from stages.base import build
from stages.schema import documents
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
TEXTS = 1_000
MOST_OTHER = 0.005  # of the texts
SIDE = ROOT / "benchmarks" / "peers" / "datatrove_side.py"
STAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "repetition": ("repetition_v2", {"dialect": "datatrove"}),
    "quality": ("quality_v2", {"dialect": "datatrove"}),
    "fineweb": ("fineweb_v2", {}),
    "c4": ("c4_v2", {}),
    "c4 without end marks": ("c4_v2", {"require_end_mark": False}),
}
EXPLAINED = "rare abbreviations and emoticons of spaCy's list; units and icons that ours does not know"


@pytest.fixture(scope="module")
def texts(shared_data: Path) -> list[str]:
    """English main texts of real pages: of an extraction benchmark, a crawl, and pages to train on."""
    articles = json.loads((shared_data / "article-extraction" / "ground-truth.json").read_text())
    found = [articles[key]["articleBody"] for key in sorted(articles)]
    for path in (shared_data / "crawl" / "truth.parquet", shared_data / "extraction-train" / "pages.parquet"):
        rows = pq.read_table(path, columns=["expected_text", "expected_lang", "lid_guess"]).to_pylist()
        found += [row["expected_text"] for row in rows if "en" in (row["expected_lang"], row["lid_guess"])]
    chosen = [text for text in dict.fromkeys(found) if text and text.strip()][:TEXTS]
    assert len(chosen) == TEXTS
    return chosen


def peer() -> list[str]:
    """The command that starts datatrove's side; skips the test where it has no environment."""
    python = os.environ.get("REFINEDWEB_TEST_DATATROVE")
    if python is not None:
        return [python, str(SIDE)]
    if shutil.which("uv") is None:
        pytest.skip("needs datatrove 0.10.1: set REFINEDWEB_TEST_DATATROVE to a Python that has it")
    return ["uv", "run", "--offline", "--quiet", "--script", str(SIDE)]


@pytest.fixture(scope="module")
def theirs(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bool]]:
    """Which texts pass each filter of datatrove."""
    path = tmp_path_factory.mktemp("texts") / "texts.parquet"
    pq.write_table(pa.table({"text": texts}), path)
    asked = [{"do": "decisions", "texts": str(path)}, {"do": "decisions", "texts": str(path), "only": "c4",
             "filter_no_terminal_punct": False}]  # fmt: skip
    lines = "".join(f"{json.dumps(each)}\n" for each in asked)
    command = [*peer(), "no model"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=SIDE.parent, check=False)
    if done.returncode != 0:
        pytest.skip(f"datatrove's environment does not start: {done.stderr.strip()[-200:]}")
    usual, lenient = (json.loads(line)["passed"] for line in done.stdout.splitlines())
    return {**usual, "c4 without end marks": lenient["c4"]}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_decides_as_the_peer(name: str, texts: list[str], theirs: dict[str, list[bool]]) -> None:
    load_stages()
    out = build(*STAGES[name])(documents(id=[str(n) for n in range(TEXTS)], text=texts))
    ours = [reason is None for reason in out.column("drop").to_pylist()]
    other = [number for number, (a, b) in enumerate(zip(ours, theirs[name], strict=True)) if a != b]
    assert 0 < sum(ours) < TEXTS
    assert len(other) <= MOST_OTHER * TEXTS, f"{name}: {other}; known: {EXPLAINED}"

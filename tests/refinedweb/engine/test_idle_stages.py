"""Which stages had nothing to work on is counted over all documents; at the start only the first rows are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import refinedweb as rw
from refinedweb.recipe.load import load
from refinedweb.sources.survey import ROWS
from refinedweb.views.columns import column_notes, idle_stages
from tests.refinedweb.engine import inline

RECIPE = "url_v1"


def lines(path: Path, urls: int) -> Path:
    """Documents of which the last ones have a URL, as many as asked for."""
    docs = [{"id": str(n), "text": "some words"} for n in range(ROWS + 20)]
    for doc in docs[len(docs) - urls :]:
        doc["url"] = f"http://example.org/{doc['id']}"
    path.write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    return path


@pytest.mark.parametrize("urls", [0, 3])
def test_the_end_tells_what_the_first_rows_only_suggest(urls: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = inline.run(RECIPE, [lines(tmp_path / "x.jsonl", urls)], out)
    assert (result.totals.facts["with_url"], result.totals.facts["with_language"]) == (urls, 0)
    begun = column_notes(load(RECIPE), rw.open(str(out)).file.survey())
    assert any("no row that was looked at has a url" in note for note in begun)
    ended = idle_stages(load(RECIPE), result.totals)
    assert [note.partition(" ")[0] for note in ended] == ([] if urls else ["url_v1"])
    assert all("no document has a url" in note for note in ended)


def test_a_notebook_hears_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rw.run("url_v1", [str(lines(tmp_path / "x.jsonl", 0))], str(tmp_path / "out"))
    said = capsys.readouterr().err
    assert "Columns of the input: id, text; nothing for url" in said
    assert "url_v1 had nothing to work on: no document has a url" in said

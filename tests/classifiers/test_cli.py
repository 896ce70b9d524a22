"""`refinedweb classifier`: from labelled rows to a model, its numbers, a threshold and a card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from classifiers import predict
from refinedweb.cli import main
from tests.classifiers.training.labelled_rows import rows

OPTIONS = ["--dim", "8", "--buckets", "2000", "--cutoff", "300", "--min-count", "1", "--learning-rate", "0.3"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    made = [{**row, "source": f"s{n % 3}"} for n, row in enumerate(rows(1, 900).to_pylist())]
    path.write_text("\n".join(json.dumps(row) for row in made), encoding="utf-8")
    return path


def call(capsys: pytest.CaptureFixture[str], *words: Any, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        main(["classifier", *map(str, words)])
    shown = capsys.readouterr()
    assert end.value.code == code, shown.err
    return shown.out if code == 0 else shown.err


@pytest.fixture
def model(labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    out = tmp_path / "model.ftz"
    call(capsys, "train", labelled, out, *OPTIONS, "--hold-out", "s2", "--weight", "s1:bad=2")
    return out


def test_training_says_what_it_made_and_makes_it_again(
    labelled: Path, model: Path, tmp_path: Path, capsys: Any
) -> None:
    again = tmp_path / "again.ftz"
    said = call(capsys, "train", labelled, again, *OPTIONS, "--hold-out", "s2", "--weight", "s1:bad=2")
    assert again.read_bytes() == model.read_bytes()
    assert hashlib.sha256(model.read_bytes()).hexdigest() in said
    assert set(predict.load(model).labels) == {"good", "bad"}


def test_evaluation_calibration_and_card(labelled: Path, model: Path, tmp_path: Path, capsys: Any) -> None:
    found = json.loads(call(capsys, "evaluate", model, labelled, "--positive", "bad", "--json"))
    assert list(found) == ["s0", "s1", "s2", "all"]
    assert found["s2"]["auc"] > 0.99
    assert "| s2 | 300 |" in call(capsys, "evaluate", model, labelled, "--positive", "bad")
    assert "| en | 900 |" in call(capsys, "evaluate", model, labelled, "--positive", "bad", "--by", "language")
    said = call(capsys, "calibrate", model, labelled, "--positive", "bad", "--precision", "0.9", "--prevalence", "0.01")
    assert said.startswith("threshold 0.")
    card = call(capsys, "card", model, labelled, "--positive", "bad")
    assert hashlib.sha256(model.read_bytes()).hexdigest() in card
    call(capsys, "card", model, labelled, "--positive", "bad", "--out", tmp_path / "CARD.md")
    assert (tmp_path / "CARD.md").read_text(encoding="utf-8") == card


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "{rows}", "{out}", "--hold-out", "s9"], "no rows of the source 's9' to hold out"),
        (["train", "{rows}", "{out}", "--weight", "s9=2"], "names no row; sources: s0, s1, s2"),
        (["train", "{rows}", "{out}", "--weight", "s1"], "write NAME=FACTOR"),
        (["train", "{rows}", "{out}", "--label-column", "y"], "has no column 'y'"),
        (["train", "{rows}", "{out}", "--dim", "0"], "at least 1"),
        (["evaluate", "{rows}", "{rows}", "--positive", "bad"], "give a supervised fastText model"),
        (["evaluate", "{shipped}", "{rows}", "--positive", "bad"], "no label 'bad', but"),
        (["calibrate", "{shipped}", "{rows}", "--positive", "clean", "--precision", "0.9"], "0 positive"),
    ],
)
def test_wrong_use_is_explained(words: list[str], says: str, labelled: Path, tmp_path: Path, capsys: Any) -> None:
    known = {"rows": labelled, "out": tmp_path / "m.ftz", "shipped": predict.SHIPPED}
    assert says in call(capsys, *(word.format(**known) for word in words), code=2)
    assert not (tmp_path / "m.ftz").exists()

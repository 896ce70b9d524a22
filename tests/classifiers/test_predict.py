"""Scores: fastText itself is the oracle, on models with every loss and kind of n-gram."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pytest
from fasttext.FastText import _FastText
from hypothesis import given
from hypothesis import strategies as st

from classifiers import predict
from classifiers.fasttext_files import linear_model
from classifiers.fasttext_files.linear_model import write_form
from classifiers.fasttext_files.model_file import UnsupportedModel
from classifiers.normalise.normalise import normalised, packed
from classifiers.pages import aggregate

TOLERANCE = 2e-5
WORDS = [f"{a}{b}{c}" for a in "bdk" for b in "aeiou" for c in "lmnrst"]
KINDS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "word pairs": {"wordNgrams": 2, "bucket": 2000},
    "word triples and characters": {"wordNgrams": 3, "minn": 2, "maxn": 4, "bucket": 3000},
    "characters": {"minn": 3, "maxn": 5, "bucket": 2000},
    "hierarchical softmax": {"loss": "hs", "wordNgrams": 2, "bucket": 2000},
    "one versus all": {"loss": "ova"},
    "negative sampling": {"loss": "ns", "wordNgrams": 2, "bucket": 2000},
}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draw = random.Random(3)
    return [" ".join(draw.choices(WORDS[k % 3 :: 2], k=draw.randint(1, 12))) for k in range(400)]


def trained(folder: Path, texts: list[str], quantise: bool = False, **kind: Any) -> Path:
    rows = folder / "rows.txt"
    lines = [f"__label__{'abc'[n % 3]} {t}\n" for n, t in enumerate(texts)]
    rows.write_text("".join(lines), encoding="utf-8")
    parameters = {"dim": 8, "epoch": 3, "lr": 0.5, "thread": 1, "verbose": 0, "minCount": 1, **kind}
    model = fasttext.train_supervised(str(rows), **parameters)
    if quantise:
        model.quantize(str(rows), cutoff=300, retrain=True, qnorm=True, thread=1, verbose=0)
    path = folder / "model.bin"
    model.save_model(str(path))
    return path


def fasttexts_scores(path: Path, texts: list[str], label: str) -> list[float]:
    found = _FastText(model_path=str(path)).predict(texts, k=-1)
    return [
        dict(zip(names, map(float, scores), strict=True))[f"__label__{label}"]
        for names, scores in zip(*found, strict=True)
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quantise", [False, True])
def test_scores_are_fasttexts(kind: str, quantise: bool, tmp_path: Path, texts: list[str]) -> None:
    enough = {"minn": 2, "maxn": 3, "bucket": 2000} if quantise else {}  # fastText quantises 256 rows or more
    path = trained(tmp_path, texts, quantise, **{**enough, **KINDS[kind]})
    odd = ["bal", "unknown words here", "bal bal bal", " ".join(WORDS), "</s> bal", "bal </s> ker", "__label__a bal"]
    classifier = predict.load(path)
    assert sorted(classifier.labels) == ["a", "b", "c"]
    for label in "abc":
        found = classifier.score_texts([*texts, *odd], label)
        wanted = np.clip(fasttexts_scores(path, [*texts, *odd], label), 0, 1)
        assert np.abs(found - wanted).max() < TOLERANCE


def test_a_plain_model_takes_a_text_with_line_feeds_as_one_line(tmp_path: Path, texts: list[str]) -> None:
    classifier = predict.load(trained(tmp_path, texts))
    assert classifier.model.form == "plain"
    one, two, empty, none = classifier.score_texts(["bal ker\ndim", "bal ker dim", " \n", None], "a")
    assert one == two > 0
    assert empty == none == 0
    with pytest.raises(UnsupportedModel, match="only one trained by this package"):
        classifier.score_lines(*packed(["x"]), "a")
    with pytest.raises(UnsupportedModel, match="no label 'd', but"):
        classifier.score_texts(["x"], "d")


def test_the_note_behind_the_model_names_its_form(tmp_path: Path, texts: list[str]) -> None:
    path = trained(tmp_path, texts)
    write_form(path, "folded_v1")
    classifier = predict.load(path)
    assert classifier.model.form == "folded_v1"
    shown = ["BAL, ker!", "b\u0301al\nKER"]
    assert np.abs(classifier.score_texts(shown, "a") - fasttexts_scores(path, normalised(shown), "a")).max() < TOLERANCE


@pytest.mark.parametrize("content", [b"", b"something else", b"\x00" * 200])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(UnsupportedModel, match=r"model\.bin: .*give a supervised fastText model"):
        predict.load(path)


def test_vectors_without_labels_and_unknown_forms_are_refused(tmp_path: Path, texts: list[str]) -> None:
    path = trained(tmp_path, texts)
    with path.open("ab") as file:
        file.write(b"\n#form=words_v9\n")
    with pytest.raises(UnsupportedModel, match="words_v9"):
        linear_model.read(path)
    vectors = fasttext.train_unsupervised(str(tmp_path / "rows.txt"), dim=4, epoch=1, minCount=1, thread=1, verbose=0)
    vectors.save_model(str(tmp_path / "vectors.bin"))
    with pytest.raises(UnsupportedModel, match="trained without labels"):
        linear_model.read(tmp_path / "vectors.bin")


@given(st.lists(st.text(max_size=300), min_size=1, max_size=5), st.floats(0, 1))
def test_pages_are_the_sums_of_their_lines(texts: list[str], threshold: float) -> None:
    scored = predict.load().score_lines(*packed(texts), "profane")
    found = aggregate(scored, threshold)
    for page in range(len(texts)):
        lines = slice(scored.rows[page], scored.rows[page + 1])
        scores, words = scored.scores[lines].astype(float), scored.words[lines]
        total = max(int(words.sum()), 1)
        assert found.words[page] == words.sum()
        assert found.share[page] == pytest.approx(words[scores >= np.float32(threshold)].sum() / total)
        assert found.mean[page] == pytest.approx((scores * words).sum() / total, abs=1e-6)
        assert found.max[page] == max(scores, default=0)
    alone = [aggregate(predict.load().score_lines(*packed([text]), "profane"), threshold).mean[0] for text in texts]
    assert alone == found.mean.tolist(), "batches do not matter, to the last bit"

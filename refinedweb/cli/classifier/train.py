"""`classifier train`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from refinedweb.cli.classifier.labelled import LabelledArguments, config_errors, labelled_texts, reads_labelled
from refinedweb.cli.options import receives
from stages.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from classifiers.training.train import TrainingOptions


@dataclass(frozen=True, kw_only=True)
class TrainArguments(LabelledArguments):
    """What `refinedweb classifier train` takes. `form` to `seed` are `TrainingOptions`."""

    out: Path
    form: Literal["folded_v1", "words_v1"]
    weights: tuple[str, ...]
    held_out: tuple[str, ...]
    dim: int
    epochs: int
    learning_rate: float
    word_ngrams: int
    shortest: int
    longest: int
    buckets: int
    min_count: int
    quantise: bool
    cutoff: int
    seed: int
    autotune: int


@click.command()
@reads_labelled
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--form", type=click.Choice(["folded_v1", "words_v1"]), default="folded_v1", show_default=True,
              help="How texts are normalised, in training and in use; folded_v1 undoes disguises (f*ck).")  # fmt: skip
@click.option("--weight", "weights", multiple=True, metavar="NAME=FACTOR",
              help="Repeat or thin out rows: a source, source:label, :label or lang=CODE; repeatable.")  # fmt: skip
@click.option("--hold-out", "held_out", multiple=True, metavar="SOURCE", help="A source that is not trained on.")
@click.option("--dim", default=16, show_default=True, help="Size of the vectors.")
@click.option("--epochs", default=5, show_default=True)
@click.option("--learning-rate", default=0.5, show_default=True)
@click.option("--word-ngrams", default=2, show_default=True, help="Most words in a row that form a feature.")
@click.option("--shortest", default=3, show_default=True, help="Characters of the shortest n-grams in words.")
@click.option("--longest", default=5, show_default=True, help="Characters of the longest ones; 0 = none.")
@click.option("--buckets", default=500_000, show_default=True, help="Hash buckets of n-grams.")
@click.option("--min-count", default=2, show_default=True, help="A rarer word is not a feature.")
@click.option("--quantise/--dense", default=True, show_default=True, help="Quantised (.ftz) or dense (.bin).")
@click.option("--cutoff", default=100_000, show_default=True, help="Features that a quantised model keeps; 0 = all.")
@click.option("--seed", default=1, show_default=True)
@click.option("--autotune", default=0, show_default=True, metavar="SECONDS",
              help="Let fastText choose parameters first; not reproducible, so it prints its choice.")  # fmt: skip
@receives(TrainArguments)
def train(arguments: TrainArguments) -> None:
    """Train on the rows of FILES and write the model OUT: the same rows and options give the same bytes.

    One thread is used. Rows that are near-duplicates of a held-out source's rows are left out.
    """
    from classifiers.training import train as training

    out = arguments.out
    with config_errors():
        options = _training_options(arguments)
        table = _training_rows(arguments)
        used = training.train(table, out, options, arguments.autotune)
    click.echo(f"{table.num_rows:,} texts → {out} ({out.stat().st_size:,} bytes, sha256 {_sha256(out)})")
    click.echo(json.dumps(used))


def _training_options(arguments: TrainArguments) -> TrainingOptions:
    from classifiers.training.train import TrainingOptions

    return TrainingOptions(
        form=arguments.form,
        dim=arguments.dim,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        word_ngrams=arguments.word_ngrams,
        shortest=arguments.shortest,
        longest=arguments.longest,
        buckets=arguments.buckets,
        min_count=arguments.min_count,
        quantise=arguments.quantise,
        cutoff=arguments.cutoff,
        seed=arguments.seed,
    )


def _training_rows(arguments: TrainArguments) -> pa.Table:
    """The rows without the held-out sources and what resembles them, repeated or thinned out by their weights."""
    from classifiers.training import labelled, overlap

    table = labelled_texts(arguments)
    if arguments.held_out:
        table, test = labelled.held_out(table, arguments.held_out)
        table = overlap.without_overlap(table, test)
    return labelled.weigh(table, _weights(arguments.weights), arguments.seed)


def _weights(given: tuple[str, ...]) -> dict[str, float]:
    weights = {}
    for weight in given:
        name, equals, factor = weight.rpartition("=")
        try:
            weights[name] = float(factor)
        except ValueError:
            equals = ""
        if not equals or not name or not weights[name] >= 0:
            raise ConfigError(f"--weight {weight}: write NAME=FACTOR, with a factor of 0 or more, as in forum=0.5")
    return weights


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

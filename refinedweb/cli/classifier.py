"""`classifier`: train, evaluate, calibrate and describe fastText classifiers from labelled texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stages.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from classifiers.predict import Classifier

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def labelled(command: F) -> F:
    """The options that say what is read: files, names of columns, character references."""
    for column, default in (("language", "lang"), ("source", "source"), ("label", "label"), ("text", "text")):
        name = f"--{column}-column"
        command = click.option(name, default=default, show_default=True, help=f"The column of the {column}.")(command)
    command = click.option("--unescape", is_flag=True, help="Resolve character references (&amp;) in the texts.")(
        command
    )
    return click.argument("files", nargs=-1, required=True, type=FILE)(command)


@contextmanager
def explained() -> Iterator[None]:
    """Wrong labels, parameters and models are errors that the user can mend."""
    from classifiers.fasttext_files.model_file import UnsupportedModel
    from classifiers.training.calibrate import Unreachable
    from classifiers.training.labelled import BadLabels

    try:
        yield
    except (BadLabels, UnsupportedModel, Unreachable, ValueError) as error:
        raise ConfigError(str(error)) from error


@click.group()
def classifier() -> None:
    """Train, evaluate, calibrate and describe text classifiers (fastText), for `classifier_v1` and `profanity_v1`.

    FILES are Parquet (.parquet) or JSON Lines with a text and a label per row, and, where wanted, its source and
    language.
    """


@classifier.command()
@labelled
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--form", type=click.Choice(["folded_v1", "words_v1"]), default="folded_v1", show_default=True,
              help="How texts are normalised, now and ever after; folded_v1 undoes disguises (f*ck).")  # fmt: skip
@click.option("--weight", "weights", multiple=True, metavar="NAME=FACTOR",
              help="Repeat or thin out rows: a source, source:label, :label or lang=CODE. Several times.")  # fmt: skip
@click.option("--hold-out", "held_out", multiple=True, metavar="SOURCE", help="A source that is not trained on.")
@click.option("--dim", default=16, show_default=True, help="Size of the vectors.")
@click.option("--epochs", default=5, show_default=True)
@click.option("--learning-rate", default=0.5, show_default=True)
@click.option("--word-ngrams", default=2, show_default=True, help="Words together that are a feature, at most.")
@click.option("--shortest", default=3, show_default=True, help="Characters of the shortest n-grams in words.")
@click.option("--longest", default=5, show_default=True, help="Characters of the longest ones; 0 = none.")
@click.option("--buckets", default=500_000, show_default=True, help="Hash buckets of n-grams.")
@click.option("--min-count", default=2, show_default=True, help="A rarer word is no feature of its own.")
@click.option("--quantise/--dense", default=True, show_default=True, help="Quantised (.ftz) or dense (.bin).")
@click.option("--cutoff", default=100_000, show_default=True, help="Features that a quantised model keeps; 0 = all.")
@click.option("--seed", default=1, show_default=True)
@click.option("--autotune", default=0, show_default=True, metavar="SECONDS",
              help="Let fastText look for parameters first; not reproducible, so it prints what it took.")  # fmt: skip
def train(files: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Train on the rows of FILES and write the model OUT: the same rows and options give the same bytes.

    One thread is used. Rows that are near-duplicates of a held-out source's are left out.
    """
    from classifiers.training import labelled as rows_of
    from classifiers.training import overlap
    from classifiers.training.train import TrainingOptions
    from classifiers.training.train import train as fit

    with explained():
        table, options = _rows(files, options)
        weights, held_out, autotune = (options.pop(name) for name in ("weights", "held_out", "autotune"))
        parameters = TrainingOptions(**options)
        if held_out:
            table, test = rows_of.held_out(table, held_out)
            table = overlap.without_overlap(table, test)
        table = rows_of.weigh(table, _weights(weights), parameters.seed)
        used = fit(table, out, parameters, autotune)
    click.echo(f"{table.num_rows:,} texts → {out} ({out.stat().st_size:,} bytes, sha256 {_sha256(out)})")
    click.echo(json.dumps(used))


@classifier.command()
@click.argument("model", type=FILE)
@labelled
@click.option("--positive", required=True, metavar="LABEL", help="The label whose score is looked at.")
@click.option("--threshold", default=0.5, show_default=True)
@click.option("--by", type=click.Choice(["source", "language"]), default="source", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def evaluate(model: Path, files: tuple[Path, ...], positive: str, threshold: float, by: str, as_json: bool,
             **options: Any) -> None:  # fmt: skip
    """ROC AUC, average precision, and precision and recall at a threshold, of MODEL on the rows of FILES."""
    from classifiers.training import card as cards
    from classifiers.training.evaluate import by_group

    with explained():
        table, _ = _rows(files, options)
        scores = _classifier(model).score_texts(table["text"].to_pylist(), positive)
        groups = table["source" if by == "source" else "lang"].to_pylist()
        found = by_group(scores, cards.truth_of(table, positive), groups, threshold)
    if as_json:
        click.echo(json.dumps({name: _plain(metrics._asdict()) for name, metrics in found.items()}))
    else:
        click.echo(cards.metrics_table(by, found), nl=False)


@classifier.command()
@click.argument("model", type=FILE)
@labelled
@click.option("--positive", required=True, metavar="LABEL", help="The label whose score is looked at.")
@click.option("--precision", required=True, type=click.FloatRange(0, 1), help="What is wanted, e.g. 0.95.")
@click.option("--prevalence", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="The share of positives among the texts to be judged; by default that of FILES.")  # fmt: skip
def calibrate(model: Path, files: tuple[Path, ...], positive: str, precision: float, prevalence: float | None,
              **options: Any) -> None:  # fmt: skip
    """The lowest threshold of MODEL that has the precision on the rows of FILES, and a table of others."""
    from classifiers.training import card as cards
    from classifiers.training.calibrate import calibrate as find

    with explained():
        table, _ = _rows(files, options)
        truth = cards.truth_of(table, positive)
        scores = _classifier(model).score_texts(table["text"].to_pylist(), positive)
        point = find(scores, truth, precision, prevalence)
    click.echo(
        f"threshold {point.threshold:.6g}: precision {point.precision:.4f}, recall {point.recall:.4f}, "
        f"false alarms {point.false_alarms:.4f}"
    )
    click.echo(cards.thresholds(scores, truth, prevalence), nl=False)


@classifier.command()
@click.argument("model", type=FILE)
@labelled
@click.option("--positive", required=True, metavar="LABEL", help="The label whose score is looked at.")
@click.option("--threshold", default=0.5, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; else it is printed.")
def card(model: Path, files: tuple[Path, ...], positive: str, threshold: float, out: Path | None,
         **options: Any) -> None:  # fmt: skip
    """A model card (Markdown) with MODEL's numbers on the rows of FILES, by source and language.

    Give rows that it was not trained on. What it is for, and where it fails, is for you to add.
    """
    from classifiers.training import card as cards

    with explained():
        table, _ = _rows(files, options)
        text = cards.card(_classifier(model), table, positive, threshold, model.name)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"{out} written")


def _rows(files: tuple[Path, ...], options: dict[str, Any]) -> tuple[pa.Table, dict[str, Any]]:
    """The labelled texts, and the options that are left."""
    from classifiers.training import labelled as rows_of

    left = dict(options)
    names = {"text": "text_column", "label": "label_column", "source": "source_column", "lang": "language_column"}
    table = rows_of.read(files, {column: left.pop(option) for column, option in names.items()})
    return (rows_of.unescaped(table) if left.pop("unescape") else table), left


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


def _classifier(path: Path) -> Classifier:
    from classifiers.predict import load

    return load(path)


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(metrics: dict[str, float]) -> dict[str, float | None]:
    """For JSON, which has no NaN."""
    return {name: None if value != value else value for name, value in metrics.items()}

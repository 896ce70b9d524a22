"""`classifier calibrate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from refinedweb.cli.classifier.labelled import (
    FILE,
    LabelledArguments,
    config_errors,
    labelled_texts,
    load_classifier,
    positive_option,
    reads_labelled,
)
from refinedweb.cli.options import receives


@dataclass(frozen=True, kw_only=True)
class CalibrateArguments(LabelledArguments):
    """What `refinedweb classifier calibrate` takes."""

    model: Path
    positive: str
    precision: float
    prevalence: float | None


@click.command()
@click.argument("model", type=FILE)
@reads_labelled
@positive_option
@click.option("--precision", required=True, type=click.FloatRange(0, 1), help="The precision to reach, e.g. 0.95.")
@click.option("--prevalence", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="The share of positives among the texts to be judged [default: their share in FILES].")  # fmt: skip
@receives(CalibrateArguments)
def calibrate(arguments: CalibrateArguments) -> None:
    """Find the lowest threshold of MODEL that has the precision on the rows of FILES; print a table of others too."""
    from classifiers.training import calibrate as calibration
    from classifiers.training import card as cards

    with config_errors():
        table = labelled_texts(arguments)
        truth = cards.truth_of(table, arguments.positive)
        scores = load_classifier(arguments.model).score_texts(table["text"].to_pylist(), arguments.positive)
        point = calibration.calibrate(scores, truth, arguments.precision, arguments.prevalence)
    click.echo(
        f"threshold {point.threshold:.6g}: precision {point.precision:.4f}, recall {point.recall:.4f}, "
        f"false alarms {point.false_alarms:.4f}"
    )
    click.echo(cards.thresholds(scores, truth, arguments.prevalence), nl=False)

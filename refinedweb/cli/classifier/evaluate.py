"""`classifier evaluate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from refinedweb.cli.classifier.labelled import (
    FILE,
    LabelledArguments,
    config_errors,
    labelled_texts,
    load_classifier,
    positive_option,
    reads_labelled,
    threshold_option,
)
from refinedweb.cli.options import receives


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments(LabelledArguments):
    """What `refinedweb classifier evaluate` takes."""

    model: Path
    positive: str
    threshold: float
    by: Literal["source", "language"]
    as_json: bool


@click.command()
@click.argument("model", type=FILE)
@reads_labelled
@positive_option
@threshold_option
@click.option("--by", type=click.Choice(["source", "language"]), default="source", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@receives(EvaluateArguments)
def evaluate(arguments: EvaluateArguments) -> None:
    """Print ROC AUC, average precision, and precision and recall at a threshold, of MODEL on the rows of FILES."""
    from classifiers.training import card as cards
    from classifiers.training.evaluate import by_group

    with config_errors():
        table = labelled_texts(arguments)
        scores = load_classifier(arguments.model).score_texts(table["text"].to_pylist(), arguments.positive)
        groups = table["source" if arguments.by == "source" else "lang"].to_pylist()
        found = by_group(scores, cards.truth_of(table, arguments.positive), groups, arguments.threshold)
    if arguments.as_json:
        click.echo(json.dumps({name: _without_nan(metrics._asdict()) for name, metrics in found.items()}))
    else:
        click.echo(cards.metrics_table(arguments.by, found), nl=False)


def _without_nan(metrics: dict[str, float]) -> dict[str, float | None]:
    """For JSON, which has no NaN: null instead."""
    return {name: None if value != value else value for name, value in metrics.items()}

"""`classifier card`."""

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
    threshold_option,
)
from refinedweb.cli.options import receives


@dataclass(frozen=True, kw_only=True)
class CardArguments(LabelledArguments):
    """What `refinedweb classifier card` takes."""

    model: Path
    positive: str
    threshold: float
    out: Path | None


@click.command()
@click.argument("model", type=FILE)
@reads_labelled
@positive_option
@threshold_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write [default: print the card]."
)
@receives(CardArguments)
def card(arguments: CardArguments) -> None:
    """Write a model card (Markdown) with MODEL's numbers on the rows of FILES, by source and language.

    Give rows that it was not trained on. What the model is for, and where it fails, is for you to add.
    """
    from classifiers.training import card as cards

    model, out = arguments.model, arguments.out
    with config_errors():
        table = labelled_texts(arguments)
        text = cards.card(load_classifier(model), table, arguments.positive, arguments.threshold, model.name)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"{out} written")

"""`classifier`: train, evaluate, calibrate and describe fastText classifiers from labelled texts."""

from __future__ import annotations

import click

from refinedweb.cli.classifier.calibrate import calibrate
from refinedweb.cli.classifier.card import card
from refinedweb.cli.classifier.evaluate import evaluate
from refinedweb.cli.classifier.train import train


@click.group()
def classifier() -> None:
    """Train, evaluate, calibrate and describe text classifiers (fastText), for `classifier_v1` and `profanity_v1`.

    FILES are Parquet (.parquet) or JSON Lines with a text and a label in each row and, optionally, its source and
    language.
    """


for command in (train, evaluate, calibrate, card):
    classifier.add_command(command)

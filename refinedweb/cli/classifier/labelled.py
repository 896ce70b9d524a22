"""What the `classifier` commands share: options that say what is read, and the labelled texts themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stages.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from classifiers.predict import Classifier

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

positive_option = click.option("--positive", required=True, metavar="LABEL", help="The label whose score is judged.")
threshold_option = click.option("--threshold", default=0.5, show_default=True)


@dataclass(frozen=True, kw_only=True)
class LabelledArguments:
    """The files with labelled texts, the names of their columns, and whether to resolve character references."""

    files: tuple[Path, ...]
    unescape: bool
    text_column: str
    label_column: str
    source_column: str
    language_column: str


def reads_labelled(command: F) -> F:
    """Give a command the arguments and options of `LabelledArguments`."""
    for column, default in (("language", "lang"), ("source", "source"), ("label", "label"), ("text", "text")):
        name = f"--{column}-column"
        command = click.option(name, default=default, show_default=True, help=f"The column of the {column}.")(command)
    command = click.option("--unescape", is_flag=True, help="Resolve character references (&amp;) in the texts.")(
        command
    )
    return click.argument("files", nargs=-1, required=True, type=FILE)(command)


@contextmanager
def config_errors() -> Iterator[None]:
    """Turn what is wrong with labels, parameters or a model into a ConfigError: the user can fix it."""
    from classifiers.fasttext_files.model_file import UnsupportedModel
    from classifiers.training.calibrate import Unreachable
    from classifiers.training.labelled import BadLabels

    try:
        yield
    except (BadLabels, UnsupportedModel, Unreachable, ValueError) as error:
        raise ConfigError(str(error)) from error


def labelled_texts(arguments: LabelledArguments) -> pa.Table:
    """The rows of the files, under the names that `classifiers.training` uses."""
    from classifiers.training import labelled

    names = {
        "text": arguments.text_column,
        "label": arguments.label_column,
        "source": arguments.source_column,
        "lang": arguments.language_column,
    }
    table = labelled.read(arguments.files, names)
    return labelled.unescaped(table) if arguments.unescape else table


def load_classifier(path: Path) -> Classifier:
    """The model in a file."""
    from classifiers.predict import load

    return load(path)

"""What several commands share: options, and how a command receives its arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

A = TypeVar("A")
R = TypeVar("R")

ADDRESS = "REFINEDWEB_ADDRESS"

imports_option = click.option(
    "--import", "imports", metavar="MODULE", multiple=True, help="A module that registers further stages; repeatable."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
overrides_option = click.option(
    "--set", "overrides", metavar="STAGE.PARAM=VALUE", multiple=True, help="Change a parameter; repeatable."
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    help="Tasks to run in parallel [default: all cores; one for small inputs]. 1 does without Ray.",
)


def receives(arguments: type[A]) -> Callable[[Callable[[A], R]], Callable[..., R]]:
    """Pass a command what click parsed as one frozen dataclass, in which every argument and option has its type.

    The dataclass has a field for each of the command's parameters, under click's name for it.
    """

    def decorate(command: Callable[[A], R]) -> Callable[..., R]:
        @wraps(command)
        def callback(**parsed: Any) -> R:
            return command(arguments(**parsed))

        return callback

    return decorate

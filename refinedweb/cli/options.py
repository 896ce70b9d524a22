"""Options that several commands take."""

from __future__ import annotations

import click

imports_option = click.option(
    "--import", "imports", metavar="MODULE", multiple=True, help="A module that registers further stages; repeatable."
)
